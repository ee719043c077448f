//! What is measured under load, and the measuring: candidates take turns, and each one's processes are asked what they
//! have cost.

use std::time::Instant;

use gatehouse_integration_tests::wait;

use crate::{
    figures::{Comparison, Cost, Wanted},
    load::Load,
    process_cost::{children, cpu_time, resident_kib},
    scenarios::Effort,
};

/// One thing that is put under load.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) url: String,
    /// Headers of every request, as `Name: value`.
    pub(crate) headers: Vec<String>,
    /// Its process; what its descendants cost counts, too.
    pub(crate) process: u32,
}

/// Waits until the candidate answers with 200 and a body of this length.
pub(crate) async fn ready(candidate: &Candidate, length: usize) -> anyhow::Result<()> {
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_danger_accept_invalid_certs(true)
        .build()?;
    wait::until(
        &format!("{} answers at {}", candidate.name, candidate.url),
        async || {
            let mut request = http.get(&candidate.url);
            for header in &candidate.headers {
                if let Some((name, value)) = header.split_once(": ") {
                    request = request.header(name, value);
                }
            }
            let response = request.send().await.map_err(|error| format!("{error:?}"))?;
            let status = response.status();
            let body = response.bytes().await.map_err(|error| error.to_string())?;
            match status.as_u16() == 200 && body.len() == length {
                true => Ok(()),
                false => Err(format!("{status} with {} bytes", body.len())),
            }
        },
    )
    .await;
    Ok(())
}

/// Measures all candidates in rounds, each time beginning with another one.
pub(crate) async fn compare(
    case: &str,
    candidates: &[Candidate],
    load: Load,
    effort: &Effort,
    wanted: &[(&str, f64)],
) -> anyhow::Result<Comparison> {
    let mut costs: Vec<Cost> = Vec::new();
    for candidate in candidates {
        load.lasting(1).run(candidate).await?;
        costs.push(Cost {
            candidate: candidate.name.clone(),
            microseconds: Vec::new(),
            requests_per_second: Vec::new(),
            resident_kib: 0,
        });
    }
    for round in 0..effort.rounds {
        for turn in 0..candidates.len() {
            let index = (round + turn) % candidates.len();
            let (Some(candidate), Some(cost)) = (candidates.get(index), costs.get_mut(index)) else {
                continue;
            };
            measure(candidate, load, cost).await?;
        }
    }
    Ok(Comparison {
        case: case.to_owned(),
        candidates: costs,
        wanted: wanted
            .iter()
            .map(|(beside, at_most)| Wanted {
                beside: (*beside).to_owned(),
                at_most: *at_most,
            })
            .collect(),
    })
}

async fn measure(candidate: &Candidate, load: Load, cost: &mut Cost) -> anyhow::Result<()> {
    let (before, began) = (cpu_time(candidate.process)?, Instant::now());
    let requests = load.run(candidate).await?;
    let took = began.elapsed();
    let spent = cpu_time(candidate.process)?.saturating_sub(before);
    let requests = f64::from(u32::try_from(requests).unwrap_or(u32::MAX).max(1));
    cost.microseconds
        .push(spent.as_secs_f64() * 1_000_000.0 / requests);
    cost.requests_per_second.push(requests / took.as_secs_f64());
    cost.resident_kib = resident_kib_of_all(candidate.process)?;
    Ok(())
}

/// Resident memory of a process and all its descendants, in KiB. What they share is counted for each.
fn resident_kib_of_all(root: u32) -> anyhow::Result<u64> {
    let mut total = 0;
    let mut pending = vec![root];
    while let Some(process) = pending.pop() {
        total += resident_kib(process)?;
        pending.extend(children(process));
    }
    Ok(total)
}

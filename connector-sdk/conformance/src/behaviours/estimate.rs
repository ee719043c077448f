//! What `estimate` must do.

use super::behaviours;
use crate::{
    behaviour::Behaviour,
    sample,
    subject::Subject,
    verdict::{Stop, Verdict, ensure},
};

pub(super) fn behaviours() -> Vec<Behaviour> {
    behaviours![
        Estimate Core no_more_calls_than_estimated [Deploy, Observe] "Carrying out the plan takes no more calls than this, retries aside.";
    ]
}

async fn no_more_calls_than_estimated(subject: Subject) -> Verdict {
    if !subject.gateway.is_in_process() {
        return Err(Stop::Skip(
            "calls are counted in the connector's process".to_owned(),
        ));
    }
    for desired in [sample::desired(1), sample::updated(1), sample::updated(1)] {
        let request = subject.request(&desired).await?;
        let environment = subject.context().environment;
        let estimated = subject
            .connector
            .estimate(&environment, Some(&desired), Some(&request.plan));
        let counting = subject.counting();
        counting.connector.deploy(&counting.context(), &request).await?;
        for (operation, count) in counting.quotas.taken() {
            let expected = estimated.get(&operation).copied().unwrap_or_default();
            ensure(count <= expected, || {
                format!("`{operation}` was called {count} times; the estimate says {expected}")
            })?;
        }
    }
    Ok(())
}

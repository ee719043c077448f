//! The corpora, sent to us, to nginx and to HAProxy: what each answers, and what each makes of it for its upstream. The
//! gateway never forwards a request that one of them would frame otherwise.

use std::net::SocketAddr;

use futures_util::future::join_all;

use crate::{
    attempts,
    corpus::{CORPUS, Case},
    corpus_http2::{self, CORPUS_HTTP2},
    frames::Frames,
    impatient_gateway,
    peers::{self, Peer},
    recorder::{Recorded, Recorder},
};

/// What became of one case at one server.
#[derive(Debug)]
struct Outcome {
    server: &'static str,
    answer: String,
    forwarded: Vec<Recorded>,
}

/// Everybody, each with an upstream of its own.
struct Everybody {
    gateway: gatehouse_gateway_core::Gateway,
    peers: Vec<Peer>,
    recorders: [Recorder; 3],
}

impl Everybody {
    async fn start() -> Self {
        let recorders = [
            Recorder::start().await,
            Recorder::start().await,
            Recorder::start().await,
        ];
        let [ours, nginx, haproxy] = &recorders;
        Self {
            gateway: impatient_gateway(ours.address).await,
            peers: peers::start(nginx.address, haproxy.address).await,
            recorders,
        }
    }

    fn servers(&self, http2: bool) -> Vec<(&'static str, SocketAddr, &Recorder)> {
        let [ours, nginx, haproxy] = &self.recorders;
        let peers = self.peers.iter().map(|peer| {
            let recorder = if peer.name == "nginx" { nginx } else { haproxy };
            (peer.name, if http2 { peer.http2 } else { peer.address }, recorder)
        });
        std::iter::once(("gateway", self.gateway.address(), ours))
            .chain(peers)
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_forwarded_that_nginx_or_haproxy_would_frame_otherwise() {
    let everybody = Everybody::start().await;
    let servers = everybody.servers(false);
    let mut wrong = Vec::new();
    let cases = CORPUS.iter().enumerate().map(|(number, case)| {
        let servers = &servers;
        async move {
            let token = format!("/case-{number}-");
            let sent = case.sent.replace("{t}", &token);
            let all = servers.iter().map(|(server, address, recorder)| {
                let (sent, token) = (&sent, &token);
                async move {
                    let answer = attempts::send(*address, sent.as_bytes()).await;
                    Outcome {
                        server,
                        answer: format!("{:?}", attempts::statuses(&answer)),
                        forwarded: recorder.about(token),
                    }
                }
            });
            (case, join_all(all).await)
        }
    });
    for (case, outcomes) in join_all(cases).await {
        check(
            case.name,
            &format!("{:?}", case.expected),
            case.why,
            &outcomes,
            &mut wrong,
        );
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_http_2_request_becomes_another_one_for_the_upstream() {
    let everybody = Everybody::start().await;
    let servers = everybody.servers(true);
    let mut wrong = Vec::new();
    for (number, case) in CORPUS_HTTP2.iter().enumerate() {
        let token = format!("/case-{number}-");
        let mut outcomes = Vec::new();
        for (server, address, recorder) in &servers {
            let mut frames = Frames::connect(*address).await;
            corpus_http2::send(&mut frames, case, &token).await;
            let answer = frames.outcome(1).await;
            outcomes.push(Outcome {
                server,
                answer,
                forwarded: recorder.about(&token),
            });
        }
        check(case.name, case.expected, case.why, &outcomes, &mut wrong);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Compares our outcome with what is expected of us, and with the others'.
fn check(name: &str, expected: &str, why: &str, outcomes: &[Outcome], wrong: &mut Vec<String>) {
    let [ours, peers @ ..] = outcomes else {
        panic!("nothing was sent");
    };
    if ours.answer != expected {
        wrong.push(format!("`{name}`: answered {}, expected {expected}", ours.answer));
    }
    for request in &ours.forwarded {
        if let Some(fault) = fault(request) {
            wrong.push(format!("`{name}`: {fault} reached the upstream: {request:?}"));
        }
    }
    let differs = |peer: &Outcome| peer.forwarded.len() != ours.forwarded.len();
    if !why.is_empty() && peers.len() == 2 && !peers.iter().any(differs) {
        wrong.push(format!(
            "`{name}`: nobody forwards more or less, so there is nothing to explain"
        ));
    }
    for peer in peers {
        let alike = ours.forwarded.iter().zip(&peer.forwarded);
        for (mine, theirs) in alike {
            if framing(mine) != framing(theirs) {
                wrong.push(format!(
                    "`{name}`: forwarded {:?}, {} {:?}",
                    framing(mine),
                    peer.server,
                    framing(theirs)
                ));
            }
        }
        let (mine, theirs) = (ours.forwarded.len(), peer.forwarded.len());
        if differs(peer) {
            eprintln!(
                "`{name}`: we answer {} and forward {mine}, {} answers {} and forwards {theirs}: {why}",
                ours.answer, peer.server, peer.answer
            );
            if why.is_empty() {
                wrong.push(format!(
                    "`{name}`: we answer {} and forward {mine}, {} answers {} and forwards {theirs}; explain it or change it",
                    ours.answer, peer.server, peer.answer
                ));
            }
        }
    }
}

fn framing(request: &Recorded) -> (&str, &str, String) {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    // HAProxy leaves a target in absolute form as it is.
    let target = request.target.strip_prefix("http://").unwrap_or(&request.target);
    let path = target.find('/').map_or(target, |start| &target[start..]);
    (&request.method, path, body)
}

/// What no request of ours may have, whatever was asked.
fn fault(request: &Recorded) -> Option<&'static str> {
    let count = |wanted: &str| request.fields.iter().filter(|(name, _)| name == wanted).count();
    let lengths = count("content-length");
    match () {
        () if count("transfer-encoding") > 0 && lengths > 0 => Some("two kinds of framing"),
        () if lengths > 1 || count("transfer-encoding") > 1 => Some("framing twice"),
        () if count("host") != 1 => Some("not one host"),
        () if request
            .fields
            .iter()
            .any(|(name, _)| name.trim() != name || name.is_empty()) =>
        {
            Some("a name that is none")
        }
        () if request
            .fields
            .iter()
            .any(|(_, value)| value.contains(['\0', '\r', '\n'])) =>
        {
            Some("a value that is none")
        }
        () => None,
    }
}

/// Used by the table of cases, so that each says what it says once.
#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names: Vec<&str> = CORPUS.iter().map(|case: &Case| case.name).collect();
    names.extend(CORPUS_HTTP2.iter().map(|case| case.name));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

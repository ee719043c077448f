//! `ext.wasm`: a WebAssembly component decides about requests and changes heads.
//!
//! Each call has an instance of its own out of a pool, with fuel, time and memory to a limit. A module that computes for long
//! gives the worker back every few milliseconds, so that it slows down nobody but its own callers.

mod bindings;
mod changes;
mod engine;
mod host;
mod module;
mod turns;

use std::{
    net::IpAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use gatehouse_schemas::policy::{ExtWasmPolicy, OnFailure};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request};
use tokio::time::timeout;
use tracing::warn;
use wasmtime::{Store, Trap};

pub(crate) use self::module::Modules;
use self::{
    bindings::requests::gatehouse::policy::types::{Answer, Decision, HeaderChanges, Request, Response},
    changes::Changes,
    host::Host,
    module::Module,
    turns::in_turns,
};
use crate::proxy::problem::Problem;

/// How many bytes a module may say at once: an answer's body, for example.
const MAX_SAID_BYTES: usize = 1024 * 1024;

/// How long the name of a consumer may be that a module tells, in bytes.
const MAX_CONSUMER_BYTES: usize = 1024;

/// How long a note may be, in bytes: it is kept for as long as the request takes.
const MAX_NOTE_BYTES: usize = 16 * 1024;

/// How long a module may take to start when its policy is compiled.
const STARTING_TIME: Duration = Duration::from_secs(5);

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct Wasm {
    module: Arc<Module>,
    config: String,
    on_failure: OnFailure,
    fuel: u64,
    time: Duration,
    memory_mib: u32,
}

/// The request that a module is asked about.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) parts: &'a request::Parts,
    pub(crate) id: &'a str,
    pub(crate) secure: bool,
    pub(crate) host: &'a HeaderValue,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) address: IpAddr,
    pub(crate) consumer: Option<&'a str>,
}

/// What a module says of a request that it lets through.
#[derive(Debug, Default)]
pub(crate) struct Passage {
    pub(crate) changes: Changes,
    pub(crate) consumer: Option<Arc<str>>,
    pub(crate) note: Option<String>,
}

impl Wasm {
    /// Compiles the policy.
    pub(crate) fn compile(policy: &ExtWasmPolicy, modules: &Modules) -> Result<Self, String> {
        let wasm = Self {
            module: modules.get(policy)?,
            config: serde_json::to_string(&policy.config).map_err(|error| error.to_string())?,
            on_failure: policy.on_failure,
            fuel: policy.fuel,
            time: Duration::from_millis(policy.timeout_ms.into()),
            memory_mib: policy.memory_mib,
        };
        wasm.try_out()
            .map_err(|reason| format!("module `{}` cannot be started: {reason}", wasm.module.name))?;
        Ok(wasm)
    }

    /// Starts the module as each call does, which shows whether its functions are what they must be.
    fn try_out(&self) -> Result<(), String> {
        let began = Instant::now();
        let mut starting = pin!(self.start());
        loop {
            match starting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => return result.map_err(|error| self.why(&error)),
                Poll::Pending if began.elapsed() > STARTING_TIME => {
                    return Err(format!("it takes longer than {} s", STARTING_TIME.as_secs()));
                }
                Poll::Pending => {}
            }
        }
    }

    async fn start(&self) -> wasmtime::Result<()> {
        if let Some(requests) = &self.module.requests {
            requests.instantiate_async(&mut self.store()?).await?;
        }
        if let Some(responses) = &self.module.responses {
            responses.instantiate_async(&mut self.store()?).await?;
        }
        Ok(())
    }

    /// Whether the module is asked about requests.
    pub(crate) fn sees_requests(&self) -> bool {
        self.module.requests.is_some()
    }

    /// Whether the module is asked about answers.
    pub(crate) fn sees_answers(&self) -> bool {
        self.module.responses.is_some()
    }

    /// Asks the module about a request.
    pub(crate) async fn request(&self, asked: Asked<'_>) -> Result<Passage, Problem> {
        let said = self.within_limits(self.call_on_request(asked)).await;
        match said.and_then(Decided::read) {
            Ok(Decided::Passes(passage)) => Ok(passage),
            Ok(Decided::Answers(problem)) => Err(problem),
            Err(reason) => self.failed(&reason).map(|()| Passage::default()),
        }
    }

    /// Has the module change the head of an answer.
    pub(crate) async fn response(
        &self,
        id: &str,
        note: Option<String>,
        status: StatusCode,
        headers: &mut HeaderMap,
    ) -> Result<(), Problem> {
        let response = Response {
            request_id: id.to_owned(),
            status: status.as_u16(),
            headers: changes::shown(headers),
            note,
        };
        let said = self.within_limits(self.call_on_response(response)).await;
        match said.and_then(Changes::read) {
            Ok(changes) => {
                changes.apply(headers);
                Ok(())
            }
            Err(reason) => self.failed(&reason),
        }
    }

    async fn call_on_request(&self, asked: Asked<'_>) -> Result<Decision, String> {
        let Some(requests) = &self.module.requests else {
            return Err("it is not asked about requests".to_owned());
        };
        let request = asked.described();
        let called = async {
            let mut store = self.store()?;
            let instance = requests.instantiate_async(&mut store).await?;
            let phase = instance.gatehouse_policy_request_phase();
            phase.call_on_request(&mut store, &self.config, &request).await
        };
        in_turns(&self.module.is_long, called)
            .await
            .map_err(|error| self.why(&error))?
            .map_err(said)
    }

    async fn call_on_response(&self, response: Response) -> Result<HeaderChanges, String> {
        let Some(responses) = &self.module.responses else {
            return Err("it is not asked about answers".to_owned());
        };
        let called = async {
            let mut store = self.store()?;
            let instance = responses.instantiate_async(&mut store).await?;
            let phase = instance.gatehouse_policy_response_phase();
            phase.call_on_response(&mut store, &self.config, &response).await
        };
        in_turns(&self.module.is_long, called)
            .await
            .map_err(|error| self.why(&error))?
            .map_err(said)
    }

    /// One call's own memory and fuel.
    fn store(&self) -> wasmtime::Result<Store<Host>> {
        let max_memory = usize::try_from(u64::from(self.memory_mib) << 20)?;
        let host = Host::new(Arc::clone(&self.module.name), max_memory);
        let mut store = Store::new(&self.module.engine, host);
        store.limiter(|host| host);
        store.set_fuel(self.fuel)?;
        store.set_hostcall_fuel(MAX_SAID_BYTES);
        // The first turn is a whole one, whenever it begins, so that a short call does not wait behind long ones.
        store.set_epoch_deadline(2);
        store.epoch_deadline_async_yield_and_update(1);
        Ok(store)
    }

    /// A call that waits until there is memory for it, and ends in time.
    async fn within_limits<T>(&self, call: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        self.module.calls.fetch_add(1, Ordering::Relaxed);
        let bounded = async {
            let taken = self.module.room.take(self.memory_mib).await;
            let _taken = taken.map_err(|_| "there is no room for it".to_owned())?;
            call.await
        };
        timeout(self.time, bounded)
            .await
            .unwrap_or_else(|_| Err(format!("it takes longer than {} ms", self.time.as_millis())))
    }

    fn why(&self, error: &wasmtime::Error) -> String {
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => format!("it takes more than {} of fuel", self.fuel),
            _ => format!("it broke down: {error:#}"),
        }
    }

    fn failed(&self, reason: &str) -> Result<(), Problem> {
        self.module.failures.fetch_add(1, Ordering::Relaxed);
        let module = &*self.module.name;
        let consequence = match self.on_failure {
            OnFailure::Refuse => "the request is refused",
            OnFailure::Pass => "the request goes on without it",
        };
        warn!(
            policy.module = module,
            reason, "Module `{module}` failed; {consequence}"
        );
        match self.on_failure {
            OnFailure::Pass => Ok(()),
            OnFailure::Refuse => Err(Problem::policy_failed(
                "A policy of this API cannot be carried out; try again later.",
            )),
        }
    }
}

/// What the module itself calls its failure.
fn said(reason: String) -> String {
    let short: String = reason.chars().take(1_000).collect();
    format!("it says: {short:?}")
}

impl Asked<'_> {
    fn described(&self) -> Request {
        Request {
            id: self.id.to_owned(),
            method: self.parts.method.as_str().to_owned(),
            scheme: if self.secure { "https" } else { "http" }.to_owned(),
            host: self.host.to_str().unwrap_or_default().to_owned(),
            path: self.path.to_owned(),
            query: self.query.map(str::to_owned),
            headers: changes::shown(&self.parts.headers),
            client_address: self.address.to_canonical().to_string(),
            consumer: self.consumer.map(str::to_owned),
        }
    }
}

/// A decision that can be carried out.
enum Decided {
    Passes(Passage),
    Answers(Problem),
}

impl Decided {
    fn read(decision: Decision) -> Result<Self, String> {
        Ok(match decision {
            Decision::Continue(passage) => Self::Passes(Passage {
                changes: Changes::read(passage.headers)?,
                consumer: within("a consumer", passage.consumer, MAX_CONSUMER_BYTES)?.map(Arc::from),
                note: within("a note", passage.note, MAX_NOTE_BYTES)?,
            }),
            Decision::Respond(answer) => Self::Answers(answered(answer)?),
        })
    }
}

fn within(what: &str, text: Option<String>, max: usize) -> Result<Option<String>, String> {
    match &text {
        Some(text) if text.len() > max => Err(format!("{what} of {} bytes is longer than {max}", text.len())),
        _ => Ok(text),
    }
}

fn answered(answer: Answer) -> Result<Problem, String> {
    let status = StatusCode::from_u16(answer.status).ok();
    let status = status.filter(|status| (200..=599).contains(&status.as_u16()));
    let status = status.ok_or_else(|| format!("it answers with the status {}", answer.status))?;
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if bodiless {
        Bytes::new()
    } else {
        Bytes::from(answer.body)
    };
    let headers: Vec<(HeaderName, HeaderValue)> = changes::pairs(answer.headers)?;
    let problem = Problem::forbidden("A policy module answers.").answered(status, body);
    Ok(headers
        .into_iter()
        .fold(problem, |problem, (name, value)| problem.with(name, value)))
}

//! Holding a request to the policies of its route.

use std::{borrow::Cow, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header, request};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use super::{
    Exchange,
    body::{BodyError, Cut, CutFlag, Patient, RequestBody},
    budget::{BodyBudget, NoRoom},
    problem::Problem,
    text,
};
use crate::{
    api::Route,
    policy::{
        Chain, Check,
        conditions::Subject,
        external::{Asked, External},
        limits::{Limits, caller::Caller},
        wasm::{self, Wasm},
    },
    router::{
        Lookup,
        path::NormalPath,
        rule::{RequestView, decoded_equals, parameters},
    },
    table::Table,
};

/// The largest body that is taken in to be checked. Larger ones are refused.
const MAX_CHECKED_BYTES: u64 = 1024 * 1024;

/// How long a body that is taken in to be checked may stand still.
const CHECKED_IDLE_TIME: Duration = Duration::from_secs(30);

/// With which a request may ask frameworks to take it for one of another method.
static DISGUISES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// Refuses a request that an upstream may take for one of another method, unless the same policies hold for
/// that one.
pub(super) fn refuse_disguise(
    table: &Table,
    parts: &request::Parts,
    host: &HeaderValue,
    path: &NormalPath<'_>,
    query: Option<&str>,
    route: &Route,
) -> Result<(), Problem> {
    if !parts
        .headers
        .keys()
        .any(|name| name.as_str().starts_with("x-") && DISGUISES.contains(name))
    {
        return Ok(());
    }
    let mut disguises = DISGUISES.iter().flat_map(|name| parts.headers.get_all(name));
    let equal = disguises.all(|meant| {
        let Ok(method) = Method::from_bytes(&meant.as_bytes().to_ascii_uppercase()) else {
            return false;
        };
        let view = RequestView {
            method: &method,
            headers: &parts.headers,
            query,
        };
        let found = table.router.find(text(host), path, &view);
        matches!(found, Lookup::Found(other) if Arc::ptr_eq(&other.chain, &route.chain))
    });
    match equal {
        true => Ok(()),
        false => Err(Problem::bad_request(
            "The request names another method in a header, for which other policies hold; use that method itself.",
        )),
    }
}

impl Exchange<'_> {
    /// The answer to a browser's question whether a script may call, if it is one and the route it asks
    /// about has a policy on it. Browsers ask without credentials, so this comes before all checks but that of the
    /// address.
    pub(super) fn preflight(
        &mut self,
        table: &Table,
        parts: &request::Parts,
        host: &HeaderValue,
        path: &NormalPath<'_>,
        query: Option<&str>,
    ) -> Option<Result<HeaderMap, Problem>> {
        if parts.method != Method::OPTIONS {
            return None;
        }
        let origin = parts.headers.get(header::ORIGIN)?;
        let wanted = parts.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        let wanted = Method::from_bytes(wanted.as_bytes()).ok()?;
        let view = RequestView {
            method: &wanted,
            headers: &parts.headers,
            query,
        };
        let Lookup::Found(route) = table.router.find(text(host), path, &view) else {
            return None;
        };
        let cors = route.chain.cors.as_ref()?;
        self.route = Some(Arc::clone(route));
        let asked = parts.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        let admitted = route.chain.admits(self.address);
        Some(admitted.map(|()| cors.preflight(origin, &wanted, asked)))
    }

    /// Makes every check; the first that fails decides.
    pub(super) async fn admit(
        &mut self,
        route: &Route,
        parts: &request::Parts,
        path: &NormalPath<'_>,
        query: Option<&str>,
        host: &HeaderValue,
        has_body: bool,
    ) -> Result<(), Problem> {
        for check in &route.chain.checks {
            match check {
                Check::Addresses(addresses) => addresses.check(self.address)?,
                Check::Certificate(certificates) => {
                    let found = certificates.check(self.client);
                    self.consumer = Some(found.map_err(|problem| self.unless_misdirected(host, problem))?);
                }
                Check::Basic(basic) => self.consumer = Some(basic.check(&parts.headers)?),
                Check::Validation(validation) => {
                    let path = (path, route.base_segments);
                    validation.check(&parts.headers, query, path, has_body)?;
                }
                Check::ApiKey(keys) => self.consumer = Some(keys.check(&parts.headers, query)?),
                Check::Jwt(jwt) => {
                    let token = jwt.check(&parts.headers).await?;
                    if let Some(subject) = &token.subject {
                        self.consumer = Some(Arc::clone(subject));
                    }
                    self.token = Some(token);
                }
                Check::Conditions(conditions) => conditions.check(&Subject {
                    method: &parts.method,
                    path: &path.forward,
                    query,
                    host,
                    headers: &parts.headers,
                    address: self.address,
                    consumer: self.consumer.as_deref(),
                    claims: self.token.as_ref().map(|token| &token.claims),
                })?,
                Check::External(external) => self.authorise(external, parts, path, query, host).await?,
                // In a box, so that requests without modules have no room for them.
                Check::Wasm(wasm) => Box::pin(self.ask_module(wasm, parts, path, query, host)).await?,
                Check::OAuth2(oauth2) => {
                    if let Some(consumer) = oauth2.check(&parts.headers).await? {
                        self.consumer = Some(consumer);
                    }
                }
                Check::Limits(limits) => self.count(limits, parts).await?,
            }
        }
        Ok(())
    }

    /// Has a service decide, and keeps what it says of the request.
    async fn authorise(
        &mut self,
        external: &External,
        parts: &request::Parts,
        path: &NormalPath<'_>,
        query: Option<&str>,
        host: &HeaderValue,
    ) -> Result<(), Problem> {
        let asked = Asked {
            method: &parts.method,
            path: &path.forward,
            query,
            host,
            headers: &parts.headers,
            address: self.address,
            secure: self.client.secure,
        };
        let verdict = external.check(&self.client.worker.pool, asked).await?;
        if verdict.consumer.is_some() {
            self.consumer = verdict.consumer;
        }
        self.vouched.extend(verdict.headers);
        Ok(())
    }

    /// Has a module decide, and keeps what it says of the request.
    async fn ask_module(
        &mut self,
        wasm: &Arc<Wasm>,
        parts: &request::Parts,
        path: &NormalPath<'_>,
        query: Option<&str>,
        host: &HeaderValue,
    ) -> Result<(), Problem> {
        let passage = wasm
            .request(wasm::Asked {
                parts,
                id: self.request_id.as_ref().map(text).unwrap_or_default(),
                secure: self.client.secure,
                host,
                path: &path.forward,
                query,
                address: self.address,
                consumer: self.consumer.as_deref(),
            })
            .await?;
        if passage.consumer.is_some() {
            self.consumer = passage.consumer;
        }
        if let Some(note) = passage.note {
            self.notes.push((Arc::clone(wasm), note));
        }
        let changes = passage.changes;
        self.vouched.retain(|(name, _)| !changes.remove.contains(name));
        self.vouched.extend(changes.add);
        self.withheld.extend(changes.remove);
        Ok(())
    }

    /// Counts the request; whatever becomes of it, its answer says where the limits stand.
    async fn count(&mut self, limits: &Limits, parts: &request::Parts) -> Result<(), Problem> {
        let caller = Caller {
            address: self.address,
            consumer: self.consumer.as_deref(),
            claims: self.token.as_ref().map(|token| &token.claims),
            headers: &parts.headers,
        };
        let checked = limits.check(caller, self.started).await;
        self.limits = Some(checked.told);
        checked.result
    }

    /// Refuses a body that is announced to be too large, and watches one that is not announced.
    pub(super) fn limit(&mut self, chain: &Chain, body: Incoming) -> Result<RequestBody, Problem> {
        if body.is_end_stream() {
            return Ok(RequestBody::Empty);
        }
        let Some(max) = chain.max_body else {
            return Ok(RequestBody::Streaming(body));
        };
        match body.size_hint().exact() {
            // hyper holds the caller to the length it announced.
            Some(length) if length <= max => Ok(RequestBody::Streaming(body)),
            Some(_) => Err(too_large(max)),
            None => {
                let cut = self.cut_flag();
                Ok(RequestBody::Limited {
                    incoming: body,
                    max,
                    left: max,
                    cut,
                })
            }
        }
    }

    /// Has a body cut off that stands still. On HTTP/1.1 the connection would stand still with it, which is watched.
    pub(super) fn watched(&mut self, body: RequestBody, version: Version) -> RequestBody {
        // A gRPC call may be silent for as long as it likes: its two directions are one conversation.
        if version != Version::HTTP_2 || self.grpc || body.is_end_stream() {
            return body;
        }
        let time = self.client.worker.shared.stall_timeout;
        RequestBody::Patient(Box::new(Patient::new(body, time, self.cut_flag())))
    }

    /// Where it is told that the request's body was cut off.
    fn cut_flag(&mut self) -> CutFlag {
        Rc::clone(self.cut.get_or_insert_default())
    }

    /// The answer to a request whose body was cut off, if it was.
    pub(super) fn cut_off(&self) -> Option<Problem> {
        let cut = self.cut.as_ref().and_then(|cut| cut.get())?;
        Some(match cut {
            Cut::TooLarge(max) => too_large(max),
            Cut::TooSlow(time) => too_slow(time),
        })
    }
}

/// Takes in a body that checks look at, and makes them. A body that comes slowly takes up what has come of it.
pub(super) async fn checked(
    chain: &Chain,
    headers: &HeaderMap,
    body: RequestBody,
    budget: &Arc<BodyBudget>,
    stall_timeout: Duration,
) -> Result<RequestBody, Problem> {
    if body.is_end_stream() {
        // What must have a body was refused before.
        return Ok(body);
    }
    let mut checks = chain.body_checks(headers).peekable();
    if checks.peek().is_none() {
        return Ok(body);
    }
    let max = largest(chain);
    let whole = take_in(body, max, budget, stall_timeout).await?;
    for check in checks {
        check.check_body(headers, &whole)?;
    }
    Ok(RequestBody::Whole(whole))
}

/// The largest body that is looked into on a route.
pub(super) fn largest(chain: &Chain) -> u64 {
    chain.max_body.unwrap_or(MAX_CHECKED_BYTES).min(MAX_CHECKED_BYTES)
}

/// Takes in a whole body, up to so many bytes, as long as there is memory for it.
pub(super) async fn take_in(
    mut body: RequestBody,
    max: u64,
    budget: &Arc<BodyBudget>,
    stall_timeout: Duration,
) -> Result<Bytes, Problem> {
    if let RequestBody::Whole(whole) = body {
        return Ok(whole);
    }
    let mut whole = budget.body();
    while let Some(frame) = timeout(CHECKED_IDLE_TIME, body.frame())
        .await
        .map_err(|_| too_slow(CHECKED_IDLE_TIME))?
    {
        let frame = frame.map_err(|error| match error {
            BodyError::TooLarge => too_large(max),
            BodyError::TooSlow => too_slow(stall_timeout),
            BodyError::Broken(_) | BodyError::Superseded => {
                Problem::bad_request("The request's body broke off.").closing()
            }
        })?;
        let data = frame.into_data().unwrap_or_default();
        if whole.len() as u64 + data.len() as u64 > max {
            return Err(too_large(max));
        }
        whole.push(&data).map_err(|NoRoom| overloaded())?;
    }
    Ok(whole.freeze())
}

/// The answer to a body that there is no memory for. What is left of it is not read, so the connection ends.
pub(super) fn overloaded() -> Problem {
    Problem::overloaded("The gateway holds as many bodies as it can; try again later.")
        .with(header::RETRY_AFTER, HeaderValue::from_static("1"))
        .closing()
}

/// The answer to a body that stopped coming.
pub(super) fn too_slow(time: Duration) -> Problem {
    let seconds = time.as_secs_f32();
    Problem::too_slow(format!("Nothing of the request's body came for {seconds} s.")).closing()
}

/// The answer to a body beyond the limit. What is left of it is not read, so the connection ends.
pub(super) fn too_large(max: u64) -> Problem {
    Problem::too_large(format!("The request body may have at most {max} bytes.")).closing()
}

/// The query without the credentials that the upstream does not see.
pub(super) fn without_credentials<'q>(chain: &Chain, query: Option<&'q str>) -> Option<Cow<'q, str>> {
    let query = query?;
    if chain.hidden_parameters.is_empty() {
        return Some(Cow::Borrowed(query));
    }
    let hidden = |pair: &&str| {
        let mut names = parameters(pair).map(|(name, _)| name);
        names.any(|name| {
            chain
                .hidden_parameters
                .iter()
                .any(|hidden| decoded_equals(name, hidden))
        })
    };
    let shown: Vec<&str> = query.split('&').filter(|pair| !hidden(pair)).collect();
    (!shown.is_empty()).then(|| Cow::Owned(shown.join("&")))
}

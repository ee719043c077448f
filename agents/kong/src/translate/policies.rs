//! Which policies hold for an operation, and how faithfully Kong expresses each beside the others.

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{
        CachePolicy, CorsPolicy, HeaderChanges, Layer, Policy, QuotaPeriod, RateLimitKey, RespondPolicy,
        RewritePolicy, merge,
    },
    revision::{Operation, RevisionContent},
};

/// The policies of the whole API that Kong gets, in order.
pub(super) fn of_api(content: &RevisionContent) -> Vec<&Policy> {
    let layers = [Layer::of(&content.policies)];
    expressed(merge(&layers, None))
}

/// Those that hold for an operation; the same as those of the API if it has none of its own.
pub(super) fn of_operation<'a>(content: &'a RevisionContent, operation: &'a Operation) -> Vec<&'a Policy> {
    let layers = [Layer::of(&content.policies), Layer::of(&operation.policies)];
    expressed(merge(&layers, None))
}

/// Without those that Kong cannot express beside the ones before them.
fn expressed(policies: Vec<&Policy>) -> Vec<&Policy> {
    let mut expressed: Vec<&Policy> = Vec::new();
    for policy in policies {
        if !matches!(fidelity_beside(policy, &expressed), Fidelity::Unsupported { .. }) {
            expressed.push(policy);
        }
    }
    expressed
}

/// How faithfully a policy is expressed where others hold already.
pub(super) fn fidelity_beside(policy: &Policy, before: &[&Policy]) -> Fidelity {
    match clash(policy, before) {
        Some(reason) => unsupported(reason),
        None => fidelity_alone(policy),
    }
}

/// Why a policy cannot hold together with others: Kong takes one plugin of a name at a place, and lets in whom the last
/// authentication plugin knows.
fn clash(policy: &Policy, before: &[&Policy]) -> Option<&'static str> {
    let has = |is: fn(&Policy) -> bool| before.iter().any(|other| is(other));
    match policy {
        policy if is_authentication(policy) && has(is_authentication) => Some(
            "Kong checks groups of callers for one kind of credential only; keep one authentication policy at a place",
        ),
        Policy::IpFilter(filter) if !filter.allow.is_empty() => has(
            |other| matches!(other, Policy::IpFilter(other) if !other.allow.is_empty()),
        )
        .then_some("Kong has one list of allowed addresses at a place; put what both allow into one policy"),
        Policy::RateLimit(_) | Policy::Quota(_) => {
            let keys = before.iter().filter_map(|other| counting_key(other));
            let mut others = keys.filter(|key| Some(*key) != counting_key(policy));
            others.next().map(|_| "Kong counts all limits of a place by one key; give `ratelimit` and `quota` the same `key`")
        }
        _ => None,
    }
}

fn is_authentication(policy: &Policy) -> bool {
    matches!(
        policy,
        Policy::AuthApiKey(_) | Policy::AuthBasic(_) | Policy::AuthJwt(_) | Policy::AuthOAuth2(_)
    )
}

fn counting_key(policy: &Policy) -> Option<&RateLimitKey> {
    match policy {
        Policy::RateLimit(policy) => Some(&policy.key),
        Policy::Quota(policy) => Some(&policy.key),
        _ => None,
    }
}

fn counts_claims(policy: &Policy) -> bool {
    matches!(counting_key(policy), Some(RateLimitKey::Claim(_)))
}

fn fidelity_alone(policy: &Policy) -> Fidelity {
    match policy {
        Policy::AuthApiKey(keys) if keys.keys.iter().any(|key| key.expires_at.is_some()) => unsupported(
            "Kong counts the life of a key from its deploy, not up to a moment; take the key out when its time has come",
        ),
        Policy::AuthApiKey(_) | Policy::AuthBasic(_) | Policy::IpFilter(_) => Fidelity::Exact,
        Policy::RequestSize(_) => approximated(
            "Kong before 3.8 lets through a body without `Content-Length` that is larger than its buffer",
        ),
        Policy::AuthJwt(jwt) if !jwt.also_trusted.is_empty() => {
            unsupported("Kong takes the tokens of one issuer at a place; leave out `alsoTrusted`")
        }
        Policy::AuthJwt(_) => approximated(JWT),
        Policy::AuthOAuth2(_) => approximated(OAUTH2),
        Policy::AuthConditions(_) => {
            unsupported("no plugin of open-source Kong evaluates conditions; write one as a `native` policy")
        }
        Policy::ExtAuthz(_) => unsupported(
            "no plugin of open-source Kong asks a service about each request; write one as a `native` policy",
        ),
        Policy::ExtWasm(_) => unsupported(
            "Kong's WebAssembly filters have another interface and were a beta; write a plugin as a `native` policy",
        ),
        Policy::AuthMtls(_) => unsupported(
            "client certificates are checked by Kong Enterprise's `mtls-auth` only; write it as a `native` policy",
        ),
        Policy::RequestValidate(_) => unsupported(
            "requests are validated by Kong Enterprise's `request-validator` only; write it as a `native` policy",
        ),
        Policy::RateLimit(_) | Policy::Quota(_) if counts_claims(policy) => unsupported(
            "open-source Kong counts by consumer, address, API or header, not by a claim of a token",
        ),
        Policy::RateLimit(_) => approximated(
            "Kong counts in fixed windows, each node for itself, and begins anew with each revision",
        ),
        Policy::Quota(quota) => of_quota(quota.per),
        Policy::Cors(cors) => of_cors(cors),
        Policy::Headers(headers) => of_values(&[&headers.request, &headers.response]),
        Policy::Rewrite(rewrite) => of_rewrite(rewrite),
        Policy::Transform(_) => unsupported(
            "open-source Kong changes bodies with a plugin of its own for JSON only; write `request-transformer` as a `native` \
             policy",
        ),
        Policy::Respond(respond) => of_respond(respond),
        Policy::Timeout(_) => {
            approximated("Kong measures between two reads from the upstream, not up to the response's head")
        }
        Policy::Retry(retry) if !retry.statuses.is_empty() => approximated(
            "Kong sends again after connection failures and timeouts, whatever the method, and without a pause; not after answers, whatever their `statuses`",
        ),
        Policy::Retry(retry) if retry.per_try_timeout_ms.is_some() => approximated(
            "Kong sends again after connection failures and timeouts, whatever the method, and without a pause; each attempt has the times of the upstream, not `perTryTimeoutMs`",
        ),
        Policy::Retry(_) => approximated(
            "Kong sends again after connection failures and timeouts, whatever the method, and without a pause",
        ),
        Policy::Cache(cache) => of_cache(cache),
        Policy::Log(_) => unsupported(
            "what Kong logs of requests is set for the node; write a logging plugin as a `native` policy",
        ),
        Policy::Native(native) => super::plugins::native_fidelity(native),
    }
}

const JWT: &str = "open-source Kong checks `exp` and the signature, with the keys that the issuer publishes at the time of the deploy, which tokens must name by `kid`; it checks neither `iss`, `nbf`, `audiences` nor `requiredScopes`, and knows keys that the issuer adds only after the next deploy; Enterprise and Konnect check all of it (`openid-connect`)";
const OAUTH2: &str = "only Kong Enterprise and Konnect ask an authorization server about tokens (`openid-connect`); an open-source Kong refuses the deploy";
const TEMPLATE: &str = "Kong takes `$(…)` in values for a template; write the value otherwise";

fn of_quota(per: QuotaPeriod) -> Fidelity {
    match per {
        QuotaPeriod::Week => unsupported("Kong has no weekly quota; choose `day` or `month`"),
        QuotaPeriod::Hour | QuotaPeriod::Day | QuotaPeriod::Month => approximated(
            "each Kong node counts for itself, and begins anew with each revision and each restart",
        ),
    }
}

fn of_cors(cors: &CorsPolicy) -> Fidelity {
    match cors.allow_methods.is_empty() {
        false => Fidelity::Exact,
        true => approximated(
            "answers to preflight requests name the methods of all operations, not of those at the path",
        ),
    }
}

fn of_values(changes: &[&HeaderChanges]) -> Fidelity {
    let mut values = changes
        .iter()
        .flat_map(|changes| changes.set.values().chain(changes.add.values()));
    match values.find_map(|value| unwritable(value)) {
        Some(reason) => unsupported(reason),
        None => Fidelity::Exact,
    }
}

fn of_rewrite(rewrite: &RewritePolicy) -> Fidelity {
    if rewrite.host.is_some() {
        return unsupported(
            "another host is said to Kong for a whole service; write it into the upstream's URL",
        );
    }
    let query = &rewrite.query;
    let mut names = query.set.keys().chain(&query.remove);
    let is_template_of_path = rewrite.path.as_deref().is_some_and(is_template);
    let reason = query.set.values().find_map(|value| unwritable(value));
    match reason.or(is_template_of_path.then_some(TEMPLATE)) {
        Some(reason) => unsupported(reason),
        None if names.any(|name| name.contains(':')) => {
            unsupported("Kong takes the name of a query parameter only up to its first `:`")
        }
        None => Fidelity::Exact,
    }
}

/// Why Kong does not write a value as it is: it has names and values in one text, with `:` between them.
fn unwritable(value: &str) -> Option<&'static str> {
    match value {
        value if is_template(value) => Some(TEMPLATE),
        "" => Some("Kong sets no empty values; take the header or parameter away instead"),
        value if value.starts_with(':') => Some("Kong takes `:` at the beginning of a value away"),
        _ => None,
    }
}

fn is_template(value: &str) -> bool {
    value.contains("$(")
}

fn of_respond(respond: &RespondPolicy) -> Fidelity {
    if respond.example.is_some() {
        return unsupported("Kong does not know the definition's examples; write `status` and `body`");
    }
    if respond.redirect.is_some() {
        return unsupported(
            "Kong's own answers are the same for all paths; write its `redirect` plugin as a `native` policy",
        );
    }
    let other = respond
        .headers
        .keys()
        .any(|name| !name.eq_ignore_ascii_case("content-type"));
    let has_body = respond.body.as_deref().is_some_and(|body| !body.is_empty());
    match (other, has_body || matches!(respond.status, 204 | 304)) {
        (true, _) => unsupported(
            "Kong's own answers have a `content-type` and no other headers of yours; add a `headers` policy for those",
        ),
        (false, true) => Fidelity::Exact,
        (false, false) => approximated("Kong writes a message of its own where the answer has no body"),
    }
}

fn of_cache(cache: &CachePolicy) -> Fidelity {
    match cache.per_consumer {
        true => approximated(
            "each Kong node has a cache of its own, which `Cache-Control` of answers does not change",
        ),
        false => approximated(
            "each Kong node has a cache of its own, which `Cache-Control` of answers does not change, and authenticated callers have answers of their own",
        ),
    }
}

pub(super) fn approximated(difference: &str) -> Fidelity {
    Fidelity::Approximated {
        difference: difference.to_owned(),
    }
}

pub(super) fn unsupported(reason: &str) -> Fidelity {
    Fidelity::Unsupported {
        reason: reason.to_owned(),
    }
}

//! Working examples: one for each kind and each policy. A test reads every one of them.

/// Examples by the kind or policy type they show.
pub const EXAMPLES: [(&str, &str); 28] = [
    ("Project", include_str!("examples/project.yaml")),
    ("Environment", include_str!("examples/environment.yaml")),
    ("Api", include_str!("examples/api.yaml")),
    ("Policy", include_str!("examples/policy.yaml")),
    ("Secret", include_str!("examples/secret.yaml")),
    ("auth.apiKey", include_str!("examples/auth-api-key.yaml")),
    ("auth.jwt", include_str!("examples/auth-jwt.yaml")),
    ("auth.basic", include_str!("examples/auth-basic.yaml")),
    ("auth.oauth2", include_str!("examples/auth-oauth2.yaml")),
    ("auth.mtls", include_str!("examples/auth-mtls.yaml")),
    ("auth.conditions", include_str!("examples/auth-conditions.yaml")),
    ("ext.authz", include_str!("examples/ext-authz.yaml")),
    ("ext.wasm", include_str!("examples/ext-wasm.yaml")),
    ("ip.filter", include_str!("examples/ip-filter.yaml")),
    ("request.validate", include_str!("examples/request-validate.yaml")),
    ("request.size", include_str!("examples/request-size.yaml")),
    ("ratelimit", include_str!("examples/ratelimit.yaml")),
    ("quota", include_str!("examples/quota.yaml")),
    ("cors", include_str!("examples/cors.yaml")),
    ("headers", include_str!("examples/headers.yaml")),
    ("rewrite", include_str!("examples/rewrite.yaml")),
    ("transform", include_str!("examples/transform.yaml")),
    ("respond", include_str!("examples/respond.yaml")),
    ("timeout", include_str!("examples/timeout.yaml")),
    ("retry", include_str!("examples/retry.yaml")),
    ("cache", include_str!("examples/cache.yaml")),
    ("log", include_str!("examples/log.yaml")),
    ("native", include_str!("examples/native.yaml")),
];

/// The example of a kind or policy type.
pub(super) fn of(name: &str) -> Option<&'static str> {
    let found = EXAMPLES.iter().find(|(shown, _)| *shown == name);
    found.map(|(_, example)| *example)
}

//! Working examples: one for each kind and each policy. A test reads every one of them.

/// Examples by the kind or policy type they show.
pub const EXAMPLES: [(&str, &str); 11] = [
    ("Project", include_str!("examples/project.yaml")),
    ("Environment", include_str!("examples/environment.yaml")),
    ("Api", include_str!("examples/api.yaml")),
    ("Policy", include_str!("examples/policy.yaml")),
    ("Secret", include_str!("examples/secret.yaml")),
    ("auth.apiKey", include_str!("examples/auth-api-key.yaml")),
    ("auth.jwt", include_str!("examples/auth-jwt.yaml")),
    ("cors", include_str!("examples/cors.yaml")),
    ("headers", include_str!("examples/headers.yaml")),
    ("ratelimit", include_str!("examples/ratelimit.yaml")),
    ("request.size", include_str!("examples/request-size.yaml")),
];

/// The example of a kind or policy type.
pub(super) fn of(name: &str) -> Option<&'static str> {
    let found = EXAMPLES.iter().find(|(shown, _)| *shown == name);
    found.map(|(_, example)| *example)
}

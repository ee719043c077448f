//! Texts that need no example, and why.

/// How a text begins, and why no test holds it.
pub(crate) const EXCEPTIONS: &[(&str, &str)] = &[
    ("what is known of environment", "a part of a line of the log"),
    ("it comes from an approved plan", WITHHELD),
    ("it takes over an object in place", WITHHELD),
    ("an attempt at it took steps", WITHHELD),
    ("it has policies or fields that protocol 1", WITHHELD),
    ("an agent looks at {}", "progress, written over by the next line"),
    ("a plan takes off `{}`", NEVER),
    ("plan {} moved under", NEVER),
    ("what was observed cannot be written as JSON", NEVER),
    ("what was read of it is not JSON", NEVER),
    ("cannot compare the desired state", NEVER),
    ("a policy cannot be shown", NEVER),
    ("it cannot be read", NEVER),
    ("it ended without a result", NEVER),
    (
        "nobody has looked since it was deployed",
        "a report of a deploy is a look, so only what an earlier version recorded is without one",
    ),
    (
        "the agent answered another question than it was asked",
        "the Agent API refuses such an answer before",
    ),
    ("say which API to deploy", "clap refuses the command line before"),
    (
        "what the gateway of environment `{environment}` holds of api `{api}` cannot be merged",
        NEVER,
    ),
    (
        "the security policy `{policy}` of api `{api}` is not on the gateway",
        "a policy acts alone: it is logged",
    ),
    ("the next step was not taken", UNHEARD),
    ("something newer is desired, or another agent", UNHEARD),
    ("the lease ended, or the agent stops", UNHEARD),
    ("the control plane refused page {number}", DISAGREE),
    ("the control plane did not take what was observed", DISAGREE),
    ("it was not compared with the catalog", RACE),
    ("it was changed here at the same time", RACE),
    ("what the gateway holds is not known any more", RACE),
    ("discovery `{}` ended while the page came in", RACE),
    ("the report was not recorded, because others", RACE),
    ("there is no secret {}; create it", RACE),
    (
        "the body broke off before its end",
        "whoever sent it has gone away",
    ),
    (
        "the token expired at {end}",
        "tokens live for minutes; `agent_token` has tests of their end",
    ),
];

/// Our own fault if it happens: the types rule it out.
const NEVER: &str = "the types rule it out; the branch is there so that nothing panics";
/// Why a deployment is not handed to an older agent.
const WITHHELD: &str = "a part of a line of the log; `agent_api/older.rs` tests that it is withheld";
/// Nobody is told.
const UNHEARD: &str = "ends an attempt that another one has taken the place of, so it is not reported";
/// Agent and control plane disagree.
const DISAGREE: &str = "agent and control plane disagree about the protocol, which versions rule out";
/// Two things at the same time.
const RACE: &str = "needs two requests within the same milliseconds";

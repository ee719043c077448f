//! All behaviours: each line of the contract beside its test, in the order of the contract.

mod agent;
mod check;
mod deploy;
mod discover;
mod estimate;
mod interrupted;
mod observe;
mod ownership;
mod rivals;
mod telling;
mod translate;
mod undeploy;

use crate::behaviour::Behaviour;

/// Lines of the contract: operation, level, test, what else the test needs, the line itself.
macro_rules! behaviours {
    ($($operation:ident $level:ident $test:path [$($need:ident),*] $sentence:literal;)*) => {
        vec![$(Behaviour {
            id: crate::behaviours::last_segment(stringify!($test)),
            operation: crate::behaviour::Operation::$operation,
            level: crate::Level::$level,
            sentence: $sentence,
            needs: &[$(crate::behaviour::Operation::$need),*],
            test: |subject| Box::pin($test(subject)),
        }),*]
    };
}
use behaviours;

pub(crate) fn all() -> Vec<Behaviour> {
    [
        check::behaviours(),
        discover::behaviours(),
        observe::behaviours(),
        translate::behaviours(),
        estimate::behaviours(),
        deploy::behaviours(),
        undeploy::behaviours(),
        agent::behaviours(),
    ]
    .concat()
}

/// The name of a test without its room.
fn last_segment(path: &'static str) -> &'static str {
    path.rsplit("::").next().map_or(path, str::trim)
}

//! What `translate` must do.

use super::behaviours;
use crate::{
    behaviour::Behaviour,
    sample,
    subject::Subject,
    verdict::{Verdict, ensure},
};

pub(super) fn behaviours() -> Vec<Behaviour> {
    behaviours![
        Translate Core translations_are_the_same_at_every_call [] "The same input gives the same output.";
        Translate Core every_policy_is_reported [] "Every policy of the desired API appears in the report.";
    ]
}

async fn translations_are_the_same_at_every_call(subject: Subject) -> Verdict {
    let desired = sample::guarded(1);
    let once = subject
        .connector
        .translate(&subject.context().environment, &desired);
    let again = subject
        .restarted()
        .connector
        .translate(&subject.context().environment, &desired);
    ensure(once == again, || {
        format!("once the translation was {once:?}, and then {again:?}")
    })
}

async fn every_policy_is_reported(subject: Subject) -> Verdict {
    let desired = sample::guarded(1);
    let report = subject
        .connector
        .translate(&subject.context().environment, &desired)
        .fidelity;
    for policy in &desired.content.policies {
        let reported = report.iter().any(|entry| entry.policy == policy.type_name());
        ensure(reported, || {
            format!(
                "`{}` is desired, and the report says {report:?}",
                policy.type_name()
            )
        })?;
    }
    Ok(())
}

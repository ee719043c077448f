use super::*;
use crate::memory::test_support;

#[test]
fn what_stands_in_the_way_is_told_with_what_to_do() {
    let mark = test_support::mark(1);
    let mut foreign = test_support::observed(1, "/orders");
    foreign.mark = None;
    let error = ours(&foreign, &mark).unwrap_err();
    assert_eq!(
        error.message(),
        format!(
            "`{}` on the gateway does not carry the mark of `api-1` and stays as it is; remove it there to finish the undeploy",
            foreign.external_ref
        )
    );
    assert_eq!(
        unknown(&mark, "it timed out").message(),
        "what the gateway holds of `api-1` is not known (it timed out); nothing was changed; it is looked at again"
    );
}

#[test]
fn what_has_no_effect_says_what_is_there_instead() {
    let desired = test_support::desired(1, "/orders");
    let mut foreign = test_support::observed(1, "/orders");
    foreign.mark = None;
    for (observation, there) in [
        (
            Observation::Present(Box::new(foreign)),
            "it does not carry our mark",
        ),
        (Observation::Absent, "it is not there"),
        (
            Observation::Present(Box::new(test_support::observed(1, "/other"))),
            "different there: `/basePath`",
        ),
    ] {
        assert_eq!(
            not_as_desired(&desired, &observation).message(),
            format!(
                "the gateway took the deploy of `api-1` and does not show what is desired ({there}); it is looked at again"
            )
        );
    }
}

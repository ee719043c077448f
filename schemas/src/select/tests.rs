use expect_test::expect;
use proptest::prelude::*;

use super::*;

fn changed(change_class: ChangeClass) -> Classification {
    Classification::Changed {
        changes: Vec::new(),
        change_class,
        consumers: Vec::new(),
    }
}

fn new() -> Classification {
    Classification::New {
        duplicates: Vec::new(),
    }
}

fn matches(
    selection: &str,
    name: &str,
    tags: &[&str],
    managed: bool,
    classification: &Classification,
) -> bool {
    let tags: Vec<String> = tags.iter().map(|&tag| tag.to_owned()).collect();
    Selection::parse(selection)
        .expect("a selection")
        .matches(&Selectable {
            name,
            tags: &tags,
            managed,
            classification,
        })
}

#[test]
fn different_keys_hold_together_and_one_key_twice_means_either() {
    let breaking = changed(ChangeClass::Breaking);
    for (selection, expected) in [
        ("status=new", true),
        ("status=changed", false),
        ("status=changed,status=new", true),
        (" status = new , tag = public ", true),
        ("status=new,tag=private", false),
        ("tag=private,tag=public", true),
        ("name=orders-*", true),
        ("name=orders", false),
        ("managed=false", true),
        ("managed=true", false),
        ("class=cosmetic", false),
    ] {
        assert_eq!(
            matches(selection, "orders-v2", &["public", "eu"], false, &new()),
            expected,
            "{selection}"
        );
    }
    assert!(matches(
        "class=breaking,class=compatible",
        "x",
        &[],
        true,
        &breaking
    ));
    assert!(!matches("class=cosmetic", "x", &[], true, &breaking));
}

#[test]
fn every_status_can_be_chosen() {
    let reason = String::new;
    let all = [
        new(),
        changed(ChangeClass::Cosmetic),
        Classification::Unchanged,
        Classification::Gone { message: reason() },
        Classification::Ignored { reason: reason() },
        Classification::Conflict { reason: reason() },
        Classification::Error { reason: reason() },
    ];
    for (chosen, name) in all.iter().zip(STATUSES) {
        let selection = format!("status={name}");
        for other in &all {
            assert_eq!(
                matches(&selection, "x", &[], false, other),
                other == chosen,
                "{selection}"
            );
        }
    }
}

#[test]
fn a_refusal_says_where_and_what_would_be_right() {
    let refusals = [
        "",
        "new",
        "status=new,",
        "status=new, stat=old",
        "Tags=x",
        "colour=red",
        "status=newer",
        "managed=yes",
        "tag=",
        "name=ü, class=bad",
    ]
    .map(|text| Selection::parse(text).expect_err("refused").to_string());
    expect![[r#"
        at character 1 of the selection: expected `key=value`, found ``; for example `status=new,tag=public`
        at character 1 of the selection: expected `key=value`, found `new`; for example `status=new,tag=public`
        at character 12 of the selection: expected `key=value`, found ``; for example `status=new,tag=public`
        at character 13 of the selection: there is no key `stat`; did you mean `status`?
        at character 1 of the selection: there is no key `Tags`; did you mean `tag`?
        at character 1 of the selection: there is no key `colour`; there are `status`, `tag`, `name`, `managed`, `class`
        at character 8 of the selection: `status` is one of `new`, `changed`, `unchanged`, `gone`, `ignored`, `conflict`, `error`, not `newer`
        at character 9 of the selection: `managed` is one of `true`, `false`, not `yes`
        at character 5 of the selection: `tag` has no value
        at character 15 of the selection: `class` is one of `breaking`, `compatible`, `cosmetic`, not `bad`"#]].assert_eq(&refusals.join("\n"));
}

#[test]
fn patterns_stand_for_names() {
    for (name, pattern, expected) in [
        ("orders", "orders", true),
        ("orders", "order", false),
        ("orders", "*", true),
        ("", "*", true),
        ("", "", true),
        ("", "?", false),
        ("orders-v2", "orders-*", true),
        ("orders-v2", "*-v?", true),
        ("orders-v22", "*-v?", false),
        ("a-b-a-b", "a*b", true),
        ("a-b-a-c", "a*b", false),
        ("übung", "?bung", true),
        ("Orders", "orders", false),
        ("a.b", "a?b", true),
        ("[a]", "[a]", true),
    ] {
        assert_eq!(is_like(name, pattern), expected, "{name} {pattern}");
    }
}

#[test]
fn a_filter_lets_through_what_has_one_of_its_tags_and_one_of_its_names() {
    let words = |list: &[&str]| -> Vec<String> { list.iter().map(|&word| word.to_owned()).collect() };
    let filter = |tags: &[&str], names: &[&str]| DiscoveryFilter {
        tags: words(tags),
        names: words(names),
        ..DiscoveryFilter::default()
    };
    let tags = words(&["public"]);
    assert!(filter(&[], &[]).admits("orders", &[]));
    assert!(filter(&["private", "public"], &["or*", "x"]).admits("orders", &tags));
    assert!(!filter(&["private"], &["or*"]).admits("orders", &tags));
    assert!(!filter(&["public"], &["x*"]).admits("orders", &tags));
}

/// What patterns mean, said slowly.
fn is_like_slowly(name: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['*', rest @ ..] => (0..=name.len()).any(|skipped| is_like_slowly(&name[skipped..], rest)),
        ['?', rest @ ..] => !name.is_empty() && is_like_slowly(&name[1..], rest),
        [first, rest @ ..] => name.first() == Some(first) && is_like_slowly(&name[1..], rest),
    }
}

proptest! {
    #[test]
    fn patterns_mean_what_they_say(name in "[ab]{0,8}", pattern in "[ab*?]{0,6}") {
        let (names, patterns): (Vec<char>, Vec<char>) = (name.chars().collect(), pattern.chars().collect());
        prop_assert_eq!(is_like(&name, &pattern), is_like_slowly(&names, &patterns));
    }

    #[test]
    fn any_text_is_a_selection_that_reads_back_or_is_refused_at_a_place_in_it(
        text in "(status|tag|name|managed|class|[a-z]{1,4})?=?(new|true|breaking|[a-z*é ]{0,5})(,[a-z]{2,4}=[a-z]{0,3}){0,2}"
    ) {
        match Selection::parse(&text) {
            Ok(selection) => {
                let back = Selection::parse(&selection.to_string()).expect("what is written reads back");
                prop_assert_eq!(back.to_string(), selection.to_string());
            }
            Err(error) => prop_assert!(error.position <= text.chars().count() + 1),
        }
    }
}

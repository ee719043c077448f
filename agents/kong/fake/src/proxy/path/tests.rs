//! Paths, as tables.

use super::{escaped, normalised, upstream_path};

#[test]
fn a_path_is_normalised_before_it_is_routed() {
    let cases = [
        ("/", "/"),
        ("//pets///1", "/pets/1"),
        ("/pets/", "/pets/"),
        ("/a/./b/../c", "/a/c"),
        ("/a/b/..", "/a/"),
        ("/../a", "/a"),
        ("/a%20b/%7Euser", "/a b/~user"),
        ("/a%2fb", "/a%2Fb"),
        ("/50%", "/50%"),
    ];
    for (asked, expected) in cases {
        assert_eq!(normalised(asked), expected, "{asked}");
    }
}

#[test]
fn the_upstreams_path_is_the_services_and_what_is_left() {
    let cases = [
        ("/", "/pets/1", None, "/pets/1"),
        ("/api", "/pets/1", None, "/api/pets/1"),
        ("/api/", "/pets/1", None, "/api/pets/1"),
        ("/api", "/", None, "/api"),
        ("/api", "/pets/1", Some("/pets"), "/api/1"),
        ("/api/", "/pets/1", Some("/pets"), "/api/1"),
        ("/api", "/pets", Some("/pets"), "/api"),
        ("/api/", "/pets", Some("/pets"), "/api"),
        ("/api", "/pets/", Some("/pets/"), "/api/"),
        ("/api", "/petshop", Some("/pets"), "/api/hop"),
        ("/", "/pets", Some("/pets"), "/"),
        ("/api", "/pets../secret", Some("/pets"), "/api/secret"),
    ];
    for (base, asked, stripped, expected) in cases {
        assert_eq!(
            upstream_path(base, asked, stripped),
            expected,
            "{base} {asked} {stripped:?}"
        );
    }
}

#[test]
fn a_path_is_escaped_for_the_upstream() {
    assert_eq!(escaped("/a b/é%2F"), "/a%20b/%C3%A9%2F");
}

//! Paths of requests: what is below a base path, and what a route's template stands for.

/// What is left of a path below a base path; none if it is not below it.
pub(super) fn below<'a>(base_path: &str, path: &'a str) -> Option<&'a str> {
    if base_path == "/" {
        return Some(path);
    }
    match path.strip_prefix(base_path)? {
        "" => Some("/"),
        rest if rest.starts_with('/') => Some(rest),
        _ => None,
    }
}

/// Whether a path would leave its place at the upstream.
pub(super) fn leaves_its_place(path: &str) -> bool {
    let plain = path.to_ascii_lowercase().replace("%2e", ".");
    let plain = plain.replace("%2f", "/").replace("%5c", "/").replace('\\', "/");
    plain.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Whether a template stands for a path: `{name}` for a segment or a part of one, `{name...}` for the rest.
pub(super) fn matches(template: &str, path: &str) -> bool {
    let Some((literal, rest)) = template.split_once('{') else {
        return template == path;
    };
    let Some(path) = path.strip_prefix(literal) else {
        return false;
    };
    let (name, rest) = rest.split_once('}').unwrap_or((rest, ""));
    if name.ends_with("...") {
        return true;
    }
    let segment = path.split('/').next().map_or(0, str::len);
    let ends = (1..=segment).filter(|end| path.is_char_boundary(*end));
    ends.rev().any(|end| matches(rest, &path[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_stand_for_what_they_say() {
        for (template, path, expected) in [
            ("/items", "/items", true),
            ("/items", "/items/", false),
            ("/items/{id}", "/items/7", true),
            ("/items/{id}", "/items/", false),
            ("/items/{id}", "/items/7/parts", false),
            ("/items/{id}/parts", "/items/7/parts", true),
            ("/{name}.json", "/a.b.json", true),
            ("/{name}.json", "/.json", false),
            ("/{from}-{to}", "/a-b", true),
            ("/{rest...}", "/", true),
            ("/files/{rest...}", "/files/a/b", true),
            ("/files/{rest...}", "/other/a", false),
        ] {
            assert_eq!(matches(template, path), expected, "{template} {path}");
        }
    }

    #[test]
    fn only_whole_segments_are_below() {
        assert_eq!(below("/a", "/a/b"), Some("/b"));
        assert_eq!(below("/a", "/a"), Some("/"));
        assert_eq!(below("/a", "/ab"), None);
        assert_eq!(below("/", "/ab"), Some("/ab"));
    }

    #[test]
    fn dots_are_seen_however_they_are_written() {
        for path in ["/a/../b", "/a/%2E%2e/b", "/a/..%2fb", "/a/..\\b", "/./a"] {
            assert!(leaves_its_place(path), "{path}");
        }
        assert!(!leaves_its_place("/a/...b/c.d"));
    }
}

//! Which of an API's paths a request is for: text before a variable, a variable before one that takes the rest.

use std::cmp::Reverse;

/// What a path has matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match<T> {
    pub(crate) found: T,
    pub(crate) variables: Vec<(String, String)>,
}

/// The path that fits best among several: `/pets/{id}`, `/files/{path+}`.
pub(crate) fn best<'a, T>(path: &str, all: impl Iterator<Item = (&'a str, T)>) -> Option<Match<T>> {
    let sent: Vec<&str> = segments(path);
    let fitting = all.filter_map(|(pattern, found)| {
        let (score, variables) = fit(&segments(pattern), &sent)?;
        Some((score, Match { found, variables }))
    });
    fitting
        .min_by_key(|(score, _)| Reverse(score.clone()))
        .map(|(_, found)| found)
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

/// How well each part fits: 2 for the same text, 1 for a variable, 0 for the rest of the path.
type Fit = (Vec<u8>, Vec<(String, String)>);

fn fit(pattern: &[&str], sent: &[&str]) -> Option<Fit> {
    let (mut score, mut variables) = (Vec::new(), Vec::new());
    for (at, part) in pattern.iter().enumerate() {
        let name = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match (name, sent.get(at)) {
            (_, None) => return None,
            (None, Some(text)) if text == part => score.push(2),
            (None, Some(_)) => return None,
            (Some(name), Some(text)) => match name.strip_suffix('+') {
                Some(name) => {
                    variables.push((name.to_owned(), sent[at..].join("/")));
                    score.push(0);
                    return Some((score, variables));
                }
                None => {
                    variables.push((name.to_owned(), (*text).to_owned()));
                    score.push(1);
                }
            },
        }
    }
    (pattern.len() == sent.len()).then_some((score, variables))
}

#[cfg(test)]
mod tests {
    use super::best;

    fn check(path: &str, expected: Option<&str>) {
        let paths = [
            "/",
            "/pets",
            "/pets/{id}",
            "/pets/mine",
            "/{proxy+}",
            "/pets/{id}/toys",
            "/pets/{id}/{rest+}",
        ];
        let all = paths.iter().map(|path| (*path, *path));
        assert_eq!(best(path, all).map(|found| found.found), expected, "{path}");
    }

    #[test]
    fn text_goes_before_variables_and_variables_before_the_rest() {
        check("/", Some("/"));
        check("/pets", Some("/pets"));
        check("/pets/", Some("/pets"));
        check("/pets/mine", Some("/pets/mine"));
        check("/pets/7", Some("/pets/{id}"));
        check("/pets/7/toys", Some("/pets/{id}/toys"));
        check("/pets/7/toys/8", Some("/pets/{id}/{rest+}"));
        check("/other/7", Some("/{proxy+}"));
    }

    #[test]
    fn variables_are_what_stands_in_their_place() {
        let found = best("/pets/7/a/b", [("/pets/{id}/{rest+}", ())].into_iter()).unwrap();
        let expected =
            [("id", "7"), ("rest", "a/b")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found.variables, expected);
    }
}

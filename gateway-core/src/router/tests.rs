//! Which route wins, case by case, and against a list that is searched one by one.

use std::cmp::Reverse;

use gatehouse_schemas::api::OperationMatch;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::json;

use super::{pattern::Segment, *};

/// One route as it is written.
#[derive(Debug, Clone)]
struct Written {
    host: &'static str,
    wanted: OperationMatch,
}

fn written(host: &'static str, method: &str, path: &str) -> Written {
    let wanted = json!({"method": method, "path": path});
    Written {
        host,
        wanted: serde_json::from_value(wanted).expect("a match"),
    }
}

impl Written {
    fn hosts(&self) -> Vec<HostPattern> {
        match self.host {
            "" => vec![HostPattern::Any],
            host => vec![HostPattern::parse(host).expect("a host")],
        }
    }

    fn pattern(&self) -> PathPattern {
        PathPattern::of("/", &self.wanted).expect("a path")
    }

    fn place(&self, number: usize) -> Vec<Placed<usize>> {
        let rule = Rule::new(&self.wanted, 0, reference(number), 0, Arc::new(number)).expect("a rule");
        vec![Placed {
            pattern: self.pattern(),
            rule: Arc::new(rule),
        }]
    }
}

fn reference(number: usize) -> ExternalRef {
    ExternalRef(format!("{number:04}"))
}

fn router(routes: &[Written]) -> Router<usize> {
    let mut router = Router::default();
    for (number, route) in routes.iter().enumerate() {
        router.insert(&route.hosts(), &route.place(number));
    }
    router
}

/// A request, as far as routing looks at it.
#[derive(Debug, Clone)]
struct Asked {
    host: &'static str,
    path: String,
    method: Method,
    headers: HeaderMap,
    query: Option<&'static str>,
}

fn asked(host: &'static str, method: &str, path: &str) -> Asked {
    Asked {
        host,
        path: path.to_owned(),
        method: method.parse().expect("a method"),
        headers: HeaderMap::new(),
        query: None,
    }
}

fn found(router: &Router<usize>, asked: &Asked) -> Result<usize, String> {
    let view = RequestView {
        method: &asked.method,
        headers: &asked.headers,
        query: asked.query,
    };
    let path = NormalPath::parse(&asked.path).expect("a path");
    match router.find(asked.host, &path, &view) {
        Lookup::Found(number) => Ok(**number),
        Lookup::OtherMethods(methods) => Err(methods.into_iter().collect::<Vec<_>>().join(" ")),
        Lookup::Ambiguous => Err("ambiguous".to_owned()),
        Lookup::Nothing => Err(String::new()),
    }
}

/// Host, method, path.
type Line<'a> = (&'static str, &'a str, &'a str);

fn check(routes: &[Line<'_>], cases: &[(Line<'_>, Result<usize, &str>)]) {
    let routes: Vec<_> = routes
        .iter()
        .map(|(host, method, path)| written(host, method, path))
        .collect();
    let router = router(&routes);
    for ((host, method, path), expected) in cases {
        let result = found(&router, &asked(host, method, path));
        assert_eq!(result, expected.map_err(str::to_owned), "{method} {host} {path}");
    }
}

#[test]
fn an_exact_host_comes_before_the_longest_wildcard_before_any() {
    check(
        &[
            ("", "GET", "/"),
            ("*.test", "GET", "/"),
            ("*.b.test", "GET", "/"),
            ("a.b.test", "GET", "/"),
        ],
        &[
            (("A.b.Test:8080", "GET", "/"), Ok(3)),
            (("a.b.test.", "GET", "/"), Ok(3)),
            (("x.b.test", "GET", "/"), Ok(2)),
            (("x.y.b.test", "GET", "/"), Ok(2)),
            (("b.test", "GET", "/"), Ok(1)),
            (("test", "GET", "/"), Ok(0)),
            (("[::1]:80", "GET", "/"), Ok(0)),
        ],
    );
}

#[test]
fn a_less_specific_host_serves_what_the_more_specific_lacks() {
    check(
        &[("a.test", "GET", "/a"), ("", "GET", "/b")],
        &[
            (("a.test", "GET", "/b"), Ok(1)),
            (("b.test", "GET", "/a"), Err("")),
        ],
    );
}

#[test]
fn literals_come_before_mixed_before_parameters_before_the_rest() {
    check(
        &[
            ("", "GET", "/{rest...}"),
            ("", "GET", "/{x}"),
            ("", "GET", "/{x}.json"),
            ("", "GET", "/a.json"),
            ("", "GET", "/{x}/b"),
            ("", "GET", "/a/{x}"),
        ],
        &[
            (("", "GET", "/a.json"), Ok(3)),
            (("", "GET", "/b.json"), Ok(2)),
            (("", "GET", "/b"), Ok(1)),
            (("", "GET", "/a/b"), Ok(5)),
            (("", "GET", "/c/b"), Ok(4)),
            (("", "GET", "/c/d"), Ok(0)),
            (("", "GET", "/"), Ok(0)),
        ],
    );
}

#[test]
fn a_path_that_leads_nowhere_below_is_tried_again_with_a_parameter() {
    check(
        &[("", "GET", "/a/b/c"), ("", "GET", "/{x}/b/d")],
        &[(("", "GET", "/a/b/d"), Ok(1))],
    );
}

#[test]
fn another_method_may_match_a_less_specific_path() {
    check(
        &[
            ("", "GET", "/users/me"),
            ("", "DELETE", "/users/{id}"),
            ("", "*", "/any"),
        ],
        &[
            (("", "DELETE", "/users/me"), Ok(1)),
            (("", "HEAD", "/users/me"), Ok(0)),
            (("", "POST", "/users/me"), Err("DELETE GET HEAD")),
            (("", "PURGE", "/any"), Ok(2)),
        ],
    );
}

#[test]
fn a_final_slash_matters_only_where_both_forms_are_served() {
    check(
        &[
            ("", "GET", "/a"),
            ("", "GET", "/a/"),
            ("", "GET", "/b"),
            ("", "GET", "/c/"),
        ],
        &[
            (("", "GET", "/a"), Ok(0)),
            (("", "GET", "/a/"), Ok(1)),
            (("", "GET", "/b/"), Ok(2)),
            (("", "GET", "/c"), Ok(3)),
        ],
    );
}

#[test]
fn no_spelling_of_a_path_passes_by_its_route() {
    check(
        &[
            ("", "GET", "/admin/users"),
            ("", "GET", "/{rest...}"),
            ("", "GET", "/files/{name}"),
        ],
        &[
            (("", "GET", "/admin//users"), Ok(0)),
            (("", "GET", "/x/../admin/users"), Ok(0)),
            (("", "GET", "/x/%2e%2e/admin/users/"), Ok(0)),
            (("", "GET", "/%61dmin/us%65rs"), Ok(0)),
            (("", "GET", "/admin%2Fusers"), Err("ambiguous")),
            (("", "GET", "/admin%5cusers"), Err("ambiguous")),
            (("", "GET", "/admin;v=1/users"), Err("ambiguous")),
            (("", "GET", "/other%2Fusers"), Ok(1)),
        ],
    );
}

#[test]
fn an_escaped_slash_stays_within_a_parameter() {
    check(
        &[("", "GET", "/files/{name}")],
        &[
            (("", "GET", "/files/a%2Fb"), Ok(0)),
            (("", "GET", "/files/a/b"), Err("")),
        ],
    );
}

#[test]
fn more_headers_then_more_query_parameters_come_first() {
    let mut header = written("", "GET", "/");
    header.wanted.headers = [("x-a".to_owned(), "1".to_owned())].into();
    let mut query = written("", "GET", "/");
    query.wanted.query = [("q q".to_owned(), "ä".to_owned())].into();
    let router = router(&[written("", "GET", "/"), query, header]);
    let mut request = asked("", "GET", "/");
    assert_eq!(found(&router, &request), Ok(0));
    request.query = Some("a&q+q=%C3%A4");
    assert_eq!(found(&router, &request), Ok(1));
    request.headers.insert("x-a", HeaderValue::from_static("1"));
    assert_eq!(found(&router, &request), Ok(2));
    request.headers.insert("x-a", HeaderValue::from_static("2"));
    assert_eq!(found(&router, &request), Ok(1));
}

#[test]
fn expressions_match_whole_values_and_count_like_exact_ones() {
    let conditional = |fields: serde_json::Value| {
        let mut route = written("", "GET", "/");
        let mut matched = serde_json::json!({"method": "GET", "path": "/"});
        for (field, value) in fields.as_object().expect("fields") {
            matched[field] = value.clone();
        }
        route.wanted = serde_json::from_value(matched).expect("a match");
        route
    };
    let router = router(&[
        written("", "GET", "/"),
        conditional(serde_json::json!({"headerRegex": {"x-version": "2|3"}})),
        conditional(serde_json::json!({"headerRegex": {"x-version": "2|3"}, "headers": {"x-a": "1"}})),
        conditional(serde_json::json!({"queryRegex": {"q q": "[ä+]+ [0-9]"}})),
        conditional(serde_json::json!({"queryRegex": {"q q": "[ä+]+ [0-9]"}, "query": {"b": "1"}})),
    ]);
    let ask = |version: Option<&'static str>, more: Option<&'static str>, query: Option<&'static str>| {
        let mut request = asked("", "GET", "/");
        let mut add = |name: &'static str, value: Option<&'static str>| {
            request
                .headers
                .extend(value.map(|value| (HeaderName::from_static(name), HeaderValue::from_static(value))));
        };
        add("x-version", version);
        add("x-a", more);
        request.query = query;
        found(&router, &request)
    };
    assert_eq!(ask(Some("2"), None, None), Ok(1));
    assert_eq!(ask(Some("23"), None, None), Ok(0), "the whole value");
    assert_eq!(ask(Some("x2"), None, None), Ok(0));
    assert_eq!(ask(Some("3"), Some("1"), None), Ok(2), "more headers");
    assert_eq!(ask(None, Some("1"), None), Ok(0));
    assert_eq!(ask(None, None, Some("q+q=%C3%A4%2B+7")), Ok(3), "decoded");
    assert_eq!(
        ask(None, None, Some("q%20q=%C3%A4+7&q+q=x")),
        Ok(3),
        "one of several"
    );
    assert_eq!(ask(None, None, Some("q+q=7")), Ok(0));
    assert_eq!(
        ask(None, None, Some("b=1&q+q=%C3%A4+7")),
        Ok(4),
        "more parameters"
    );
    assert_eq!(
        ask(Some("2"), None, Some("b=1&q+q=%C3%A4+7")),
        Ok(1),
        "headers before parameters"
    );
}

#[test]
fn a_change_leaves_readers_of_the_old_router_alone() {
    let routes = [written("", "GET", "/a"), written("", "GET", "/b")];
    let old = router(&routes);
    let mut new = old.clone();
    new.remove(&routes[0].hosts(), &routes[0].place(0), &reference(0));
    assert_eq!(found(&old, &asked("", "GET", "/a")), Ok(0));
    assert_eq!(found(&new, &asked("", "GET", "/a")), Err(String::new()));
    assert_eq!(found(&new, &asked("", "GET", "/b")), Ok(1));
}

#[test]
fn a_regular_expression_takes_whole_paths_that_no_template_takes() {
    let regex = |host, path: &str, regex: &str| {
        let mut route = written(host, "GET", path);
        route.wanted.path_regex = Some(regex.to_owned());
        route
    };
    let router = router(&[
        regex("", "/", "/[a-z]+/[0-9]+"),
        regex("", "/a", "/a/.+"),
        written("", "GET", "/a/7"),
        written("", "GET", "/{x}/8"),
        regex("a.test", "/", "/(b|c)/?"),
    ]);
    for (host, path, expected) in [
        ("", "/b/7", Ok(0)),
        ("", "/b/7x", Err(String::new())),
        ("", "/x/b/7", Err(String::new())),
        ("", "/a/7", Ok(2)),
        ("", "/a/8", Ok(3)),
        ("", "/a/9", Ok(1)),
        ("", "/a/%39", Ok(1)),
        ("a.test", "/b/8", Ok(3)),
        ("a.test", "/c/", Ok(4)),
        ("a.test", "/c", Ok(4)),
        ("a.test", "/b/7/", Err(String::new())),
    ] {
        assert_eq!(
            found(&router, &asked(host, "GET", path)),
            expected,
            "{host}{path}"
        );
    }
}

#[test]
fn a_regular_expression_sees_the_path_below_the_base_path() {
    let mut route = written("", "GET", "/");
    route.wanted.path_regex = Some("/[0-9]+".to_owned());
    let rule = Rule::new(&route.wanted, 1, reference(0), 0, Arc::new(0)).expect("a rule");
    let placed = Placed {
        pattern: PathPattern::of("/orders", &route.wanted).expect("a path"),
        rule: Arc::new(rule),
    };
    let mut router = Router::default();
    router.insert(&[HostPattern::Any], &[placed]);
    assert_eq!(found(&router, &asked("", "GET", "/orders/7")), Ok(0));
    assert_eq!(found(&router, &asked("", "GET", "/7")), Err(String::new()));
}

#[test]
fn an_expression_that_does_not_compile_or_stands_beside_parameters_makes_no_rule() {
    let mut wanted = written("", "GET", "/{x}").wanted;
    wanted.path_regex = Some("/a".to_owned());
    PathPattern::of("/", &wanted).expect_err("not literal");
    for refused in ["(", "a)|(b", "(a{1000}){1000}"] {
        wanted.path_regex = Some(refused.to_owned());
        Rule::new(&wanted, 0, reference(0), 0, Arc::new(0)).expect_err(refused);
    }
}

#[test]
fn a_route_may_say_that_a_final_slash_makes_another_path() {
    let mut exact = written("", "GET", "/a");
    exact.wanted.exact_slash = true;
    let router = router(&[exact, written("", "GET", "/{x}")]);
    assert_eq!(found(&router, &asked("", "GET", "/a")), Ok(0));
    assert_eq!(found(&router, &asked("", "GET", "/a/")), Ok(1));
}

#[test]
fn all_candidates_are_visited_in_the_order_in_which_they_are_looked_at() {
    let mut regex = written("", "GET", "/");
    regex.wanted.path_regex = Some("/a.*".to_owned());
    let router = router(&[
        regex,
        written("", "*", "/{rest...}"),
        written("", "GET", "/a"),
        written("*.test", "POST", "/{x}"),
        written("", "POST", "/b"),
    ]);
    let mut visited = Vec::new();
    let path = NormalPath::parse("/a").expect("a path");
    router.visit("a.test", &path, &mut |host, rule| {
        visited.push((host, *rule.target));
    });
    assert_eq!(visited, [(0, 3), (1, 2), (1, 1), (1, 0)]);
}

/// Whether one route takes a path, and how specific it is there: smaller comes first.
fn rank(route: &Written, asked: &str) -> Option<(bool, Vec<u8>)> {
    let pattern = route.pattern();
    if let Some(regex) = &route.wanted.path_regex {
        let literal = &route.wanted.path;
        let below = literal == "/" || asked == literal || asked.starts_with(&format!("{literal}/"));
        let matches = regex::Regex::new(&format!("^({regex})$")).expect("a regex");
        let length = u8::try_from(pattern.segments.len()).expect("short");
        return (below && matches.is_match(asked)).then(|| (true, vec![u8::MAX - length]));
    }
    let path: Vec<&str> = asked.split('/').filter(|part| !part.is_empty()).collect();
    let slash = !path.is_empty() && asked.ends_with('/');
    if route.wanted.exact_slash && !pattern.rest && pattern.trailing_slash != slash {
        return None;
    }
    rank_of_template(&pattern, &path).map(|ranks| (false, ranks))
}

fn rank_of_template(pattern: &PathPattern, path: &[&str]) -> Option<Vec<u8>> {
    let fits = path.len() == pattern.segments.len() || (pattern.rest && path.len() > pattern.segments.len());
    if !fits {
        return None;
    }
    let mut ranks = Vec::new();
    for (index, text) in path.iter().enumerate() {
        ranks.push(match pattern.segments.get(index) {
            Some(Segment::Literal(literal)) if **literal == *text.as_bytes() => 0,
            Some(Segment::Literal(_)) => return None,
            Some(Segment::Mixed(mixed)) if mixed.matches(text.as_bytes()) => 1,
            Some(Segment::Mixed(_)) => return None,
            Some(Segment::Parameter) => 2,
            None => 3,
        });
    }
    ranks.push(u8::from(pattern.rest));
    Some(ranks)
}

/// The route that wins, found by looking at all of them.
fn naive(routes: &[(usize, Written)], asked: &Asked) -> Option<usize> {
    let slash = asked.path.len() > 1 && asked.path.ends_with('/');
    let candidates = routes.iter().filter_map(|(number, route)| {
        let host = match route.host {
            "" => Reverse(0),
            host if host == asked.host => Reverse(usize::MAX),
            host => Reverse(
                host.strip_prefix('*')
                    .filter(|suffix| asked.host.ends_with(suffix))?
                    .len(),
            ),
        };
        let pattern = route.pattern();
        let ranks = rank(route, &asked.path)?;
        let wanted = &route.wanted;
        let as_get = asked.method == Method::HEAD && wanted.method == "GET";
        if !(wanted.method == "*" || wanted.method == asked.method.as_str() || as_get) {
            return None;
        }
        let has =
            |(name, value): (&String, &String)| asked.headers.get(name).is_some_and(|given| given == value);
        let asks = |(name, value): (&String, &String)| asked.query == Some(&format!("{name}={value}"));
        if !wanted.headers.iter().all(has) || !wanted.query.iter().all(asks) {
            return None;
        }
        let other_slash = wanted.path_regex.is_none() && !pattern.rest && pattern.trailing_slash != slash;
        let counts = (Reverse(wanted.headers.len()), Reverse(wanted.query.len()));
        Some((
            host,
            ranks,
            other_slash,
            as_get,
            wanted.method == "*",
            counts,
            *number,
        ))
    });
    candidates.min().map(|candidate| candidate.6)
}

fn any_route() -> impl Strategy<Value = Written> {
    let host = prop::sample::select(vec!["", "", "a.b.test", "*.b.test", "*.test"]);
    let segment = prop::sample::select(vec!["a", "b", "{}", "b{}"]);
    let end = prop::sample::select(vec!["", "/", "/{rest...}"]);
    let method = prop::sample::select(vec!["GET", "POST", "*"]);
    let path = (prop::collection::vec(segment, 0..4), end);
    let regex = prop::sample::select(vec!["/.*", "/a(/[ab])*", "/[a-c]/(bb|a)/?"]);
    let regex = prop::option::weighted(0.2, regex);
    let conditions = (any::<bool>(), any::<bool>(), any::<bool>(), regex);
    (host, method, path, conditions).prop_map(
        |(host, method, (segments, end), (header, query, exact_slash, regex))| {
            let named = |(number, segment): (usize, &&str)| {
                format!("/{}", segment.replace("{}", &format!("{{x{number}}}")))
            };
            let literal = segments.iter().take_while(|segment| !segment.contains('{'));
            let path = match regex {
                Some(_) => literal.map(|segment| format!("/{segment}")).collect(),
                None => segments.iter().enumerate().map(named).collect::<String>() + end,
            };
            let mut route = written(host, method, if path.is_empty() { "/" } else { &path });
            route.wanted.path_regex = regex.map(str::to_owned);
            route.wanted.exact_slash = exact_slash && regex.is_none();
            if header {
                route.wanted.headers.insert("x-a".to_owned(), "1".to_owned());
            }
            if query {
                route.wanted.query.insert("q".to_owned(), "1".to_owned());
            }
            route
        },
    )
}

fn any_request() -> impl Strategy<Value = Asked> {
    let host = prop::sample::select(vec!["a.b.test", "c.b.test", "c.test", "other"]);
    let segment = prop::sample::select(vec!["a", "b", "bb", "c"]);
    let method = prop::sample::select(vec!["GET", "POST", "HEAD"]);
    let path = prop::collection::vec(segment, 0..5);
    (host, method, path, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(host, method, segments, slash, header, query)| {
            let path = format!(
                "/{}{}",
                segments.join("/"),
                if slash && !segments.is_empty() { "/" } else { "" }
            );
            let mut request = asked(host, method, &path);
            if header {
                let name = HeaderName::from_static("x-a");
                request.headers.insert(name, HeaderValue::from_static("1"));
            }
            request.query = query.then_some("q=1");
            request
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_tree_finds_what_a_search_through_all_routes_finds(
        routes in prop::collection::vec(any_route(), 0..25),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        put_back in any::<bool>(),
        requests in prop::collection::vec(any_request(), 1..20),
    ) {
        let mut router = router(&routes);
        let mut left: Vec<(usize, Written)> = routes.iter().cloned().enumerate().collect();
        for index in removed {
            if left.is_empty() {
                break;
            }
            let (number, route) = left.remove(index.index(left.len()));
            router.remove(&route.hosts(), &route.place(number), &reference(number));
            if put_back && number % 2 == 0 {
                router.insert(&route.hosts(), &route.place(number));
                left.push((number, route));
            }
        }
        for request in &requests {
            prop_assert_eq!(found(&router, request).ok(), naive(&left, request), "{:?} among {:?}", request, left);
        }
        for (number, route) in left {
            router.remove(&route.hosts(), &route.place(number), &reference(number));
        }
        prop_assert!(router.any.is_empty() && router.exact.is_empty() && router.wildcard.is_empty());
    }
}

/// Prints how long a lookup takes; run it in a release build with `--ignored --nocapture`.
#[test]
#[ignore = "it measures, and fails nothing"]
fn a_lookup_among_fifty_thousand_routes() {
    const ROUTES: usize = 50_000;
    let path = |number: usize| format!("/group{}/item{number}/{{id}}", number % 100);
    for hosts in [false, true] {
        let mut router = Router::default();
        for number in 0..ROUTES {
            let route = written("", "GET", &path(number));
            let host = match hosts {
                true => vec![HostPattern::Exact(format!("host{}.test", number % 5000))],
                false => vec![HostPattern::Any],
            };
            router.insert(&host, &route.place(number));
        }
        for number in [0, ROUTES / 2, ROUTES - 1] {
            let host = format!("host{}.test", number % 5000);
            let asked = asked("", "GET", &path(number).replace("{id}", "7"));
            let view = RequestView {
                method: &asked.method,
                headers: &asked.headers,
                query: None,
            };
            let started = std::time::Instant::now();
            for _ in 0..100_000 {
                let path = NormalPath::parse(&asked.path).expect("a path");
                let found = router.find(std::hint::black_box(&host), &path, &view);
                assert!(matches!(found, Lookup::Found(target) if **target == number));
            }
            let each = started.elapsed() / 100_000;
            eprintln!("{ROUTES} routes, own hosts: {hosts}, route {number}: {each:?} a lookup, path parsed");
        }
    }
}

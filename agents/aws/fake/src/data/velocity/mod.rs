//! Mapping templates, in as much of Velocity as answers of mocks need: `#set`, `#if`, references, comparisons.

mod expression;
mod reader;
mod template;

pub(crate) use self::template::{Rendered, render};

/// Where the values of references come from: `$input.params("x")`, `$context.stage`, `$stageVariables.a`.
pub(crate) trait Scope {
    /// A parameter of the request, wherever it stands; empty if there is none.
    fn parameter(&self, name: &str) -> String;

    /// What is known under a name with dots: `context.stage`.
    fn value(&self, name: &str) -> Option<String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Scope for Fixed {
        fn parameter(&self, name: &str) -> String {
            if name == "Origin" {
                "https://a.example".to_owned()
            } else {
                String::new()
            }
        }

        fn value(&self, name: &str) -> Option<String> {
            (name == "context.stage").then(|| "prod".to_owned())
        }
    }

    fn check(template: &str, expected: &str) {
        assert_eq!(
            render(template, &Fixed).map(|rendered| rendered.body).as_deref(),
            Some(expected),
            "{template}"
        );
    }

    #[test]
    fn text_stays_and_references_are_filled_in() {
        check("{\"a\": 1}", "{\"a\": 1}");
        check("at $context.stage.", "at prod.");
        check("${context.stage}x $nothing", "prodx $nothing");
        check("#set($dollar = '$')Costs ${dollar}5", "Costs $5");
        check("$5 and # and #x", "$5 and # and #x");
        check("$input.params('Origin')", "https://a.example");
    }

    #[test]
    fn conditions_choose() {
        check("#if(\"a\" == \"b\")1#elseif(\"a\" == 'a')2#else 3#end", "2");
        check("#if($input.params(\"x\") != \"\")1#else2#end", "2");
        check(
            "#if(\"a\" == \"b\" || \"a\" == \"a\" && !(\"a\" == \"b\"))yes#end",
            "yes",
        );
        check(
            "#set($o = $input.params(\"Origin\"))\n#if($o.matches(\"https://[^/]+[.]example\"))in#end",
            "in",
        );
        check("#if($o.matches(\"x\"))in#end", "");
        check("#if(true)#if(false)1#else2#end#end", "2");
    }

    #[test]
    fn headers_and_status_are_overridden() {
        let template = "#set($context.responseOverride.header.X-A = $context.stage)\n\
                        #set($context.responseOverride.status = 201)\nbody";
        let rendered = render(template, &Fixed).unwrap();
        assert_eq!(rendered.headers, [("X-A".to_owned(), "prod".to_owned())]);
        assert_eq!((rendered.status, rendered.body.as_str()), (Some(201), "body"));
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for template in [
            "#if(\"a\" == \"a\")x",
            "#set($a)",
            "#set($a = )",
            "#if($a == \"b)x#end",
        ] {
            assert!(render(template, &Fixed).is_none(), "{template}");
        }
    }
}

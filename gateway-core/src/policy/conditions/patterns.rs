//! `matches` in conditions: nothing that a policy says is compiled while a request waits.

use std::{collections::HashMap, fmt, sync::Arc};

use cel::{
    ExecutionError, FunctionContext, Program,
    common::{types::CelBool, types::CelString, value::CowVal},
};
use gatehouse_schemas::policy::{patterns, strange_pattern};
use quick_cache::sync::Cache;
use regex::Regex;

/// How many of the regular expressions are kept that requests bring along.
const STRANGE: usize = 32;

/// The regular expressions of one policy.
pub(super) struct Patterns {
    /// Those that stand in its expressions.
    own: HashMap<String, Regex>,
    /// Those that come with requests, out of a claim for example; none for what is no regular expression.
    strange: Cache<String, Option<Regex>>,
}

/// A function as contexts take it.
pub(super) type Function = Box<
    dyn for<'context, 'call> Fn(
            &mut FunctionContext<'context, 'call>,
        ) -> Result<CowVal<'context, 'call>, ExecutionError>
        + Send
        + Sync,
>;

impl fmt::Debug for Patterns {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Patterns").finish_non_exhaustive()
    }
}

impl Patterns {
    /// Those of some expressions. None if no expression matches anything.
    pub(super) fn of<'p>(programs: impl Iterator<Item = &'p Program>) -> Result<Option<Arc<Self>>, String> {
        let (mut own, mut any) = (HashMap::new(), false);
        for program in programs {
            any |= program.references().has_function("matches");
            own.extend(patterns(program)?);
        }
        let strange = Cache::new(STRANGE);
        Ok(any.then(|| Arc::new(Self { own, strange })))
    }

    /// `matches`, called of a text or as a function of two.
    pub(super) fn function(self: &Arc<Self>) -> Function {
        let patterns = Arc::clone(self);
        Box::new(move |call| {
            let mut given = call
                .this
                .iter()
                .chain(&call.args)
                .map(|value| value.downcast_ref::<CelString<'_>>());
            let [text, pattern]: [Option<&CelString<'_>>; 2] = [(); 2].map(|()| given.next().flatten());
            let (Some(text), Some(pattern), None) = (text, pattern, given.next()) else {
                return Err(call.error("it takes a text and a regular expression"));
            };
            match patterns.matches(text, pattern) {
                Some(is) => Ok(CowVal::owned(CelBool::from(is))),
                None => Err(call.error("that is not a regular expression")),
            }
        })
    }

    /// None if the pattern is none.
    fn matches(&self, text: &str, pattern: &str) -> Option<bool> {
        if let Some(own) = self.own.get(pattern) {
            return Some(own.is_match(text));
        }
        let strange = self.strange.get(pattern).unwrap_or_else(|| {
            let compiled = strange_pattern(pattern);
            self.strange.insert(pattern.to_owned(), compiled.clone());
            compiled
        });
        strange.map(|strange| strange.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_schemas::policy::condition;

    use super::*;

    fn patterns_of(expressions: &[&str]) -> Option<Arc<Patterns>> {
        let programs: Vec<Program> = expressions
            .iter()
            .map(|text| condition(text).expect("it is well"))
            .collect();
        Patterns::of(programs.iter()).expect("they are well")
    }

    #[test]
    fn what_stands_in_expressions_is_compiled_once() {
        let patterns =
            patterns_of(&["consumer.matches('^a+$')", "matches(consumer, 'b')"]).expect("there are some");
        assert_eq!(patterns.matches("aaa", "^a+$"), Some(true));
        assert_eq!(patterns.matches("abc", "b"), Some(true));
        assert_eq!(patterns.matches("acc", "b"), Some(false));
        assert_eq!(patterns.strange.len(), 0);
        assert!(patterns_of(&["consumer == 'a'"]).is_none());
    }

    #[test]
    fn what_comes_with_requests_is_kept_within_limits() {
        let patterns = patterns_of(&["consumer.matches(claims.pattern)"]).expect("there are some");
        for number in 0..1_000 {
            let pattern = format!("^{number}$");
            assert_eq!(patterns.matches(&number.to_string(), &pattern), Some(true));
        }
        assert!(patterns.strange.len() <= STRANGE, "{}", patterns.strange.len());
        // Once remembered, twice the same.
        for _ in 0..2 {
            assert_eq!(patterns.matches("(", "("), None);
            assert_eq!(patterns.matches("a", "\\w{1000}"), None);
        }
    }
}

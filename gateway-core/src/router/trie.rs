//! The routes of one host: a tree of path segments that shares what a change leaves alone.
//!
//! Changing a tree copies only the nodes on the way to the change (`Arc::make_mut`); a reader keeps the
//! tree it began with.

use std::sync::Arc;

use gatehouse_schemas::identity::ExternalRef;

use super::{
    pattern::{Mixed, PathPattern, Segment},
    rule::{RequestView, Rule, Rules, WholePath},
    shared_map::SharedMap,
};

/// One node: the segments so far lead here.
#[derive(Debug)]
pub(crate) struct Node<T> {
    literals: SharedMap<Arc<[u8]>, Arc<Node<T>>>,
    mixed: Vec<(Mixed, Arc<Node<T>>)>,
    parameter: Option<Arc<Node<T>>>,
    end: Rules<T>,
    end_with_slash: Rules<T>,
    rest: Rules<T>,
    /// Those whose regular expression is tried below here.
    regexes: Rules<T>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            literals: SharedMap::default(),
            mixed: Vec::new(),
            parameter: None,
            end: Rules::default(),
            end_with_slash: Rules::default(),
            rest: Rules::default(),
            regexes: Rules::default(),
        }
    }
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        Self {
            literals: self.literals.clone(),
            mixed: self.mixed.clone(),
            parameter: self.parameter.clone(),
            end: self.end.clone(),
            end_with_slash: self.end_with_slash.clone(),
            rest: self.rest.clone(),
            regexes: self.regexes.clone(),
        }
    }
}

impl<T> Node<T> {
    /// Whether nothing is reached through here.
    pub(crate) fn is_empty(&self) -> bool {
        self.literals.is_empty()
            && self.mixed.is_empty()
            && self.parameter.is_none()
            && self.end.is_empty()
            && self.end_with_slash.is_empty()
            && self.rest.is_empty()
            && self.regexes.is_empty()
    }

    /// Adds a rule at the end of the pattern.
    pub(crate) fn insert(&mut self, pattern: &PathPattern, rule: Arc<Rule<T>>) {
        self.insert_below(&pattern.segments, pattern, rule);
    }

    fn insert_below(&mut self, segments: &[Segment], pattern: &PathPattern, rule: Arc<Rule<T>>) {
        let Some((first, others)) = segments.split_first() else {
            return self.rules_mut(pattern).insert(rule);
        };
        let insert = |child: &mut Arc<Self>| Arc::make_mut(child).insert_below(others, pattern, rule);
        match first {
            Segment::Literal(text) => self.literals.change(Arc::from(&**text), insert),
            Segment::Parameter => insert(self.parameter.get_or_insert_default()),
            Segment::Mixed(form) => {
                let place = match self.mixed.binary_search_by(|(other, _)| other.cmp(form)) {
                    Ok(place) => place,
                    Err(place) => {
                        self.mixed.insert(place, (form.clone(), Arc::default()));
                        place
                    }
                };
                insert(&mut self.mixed[place].1);
            }
        }
    }

    /// Takes away all rules of an API at the end of the pattern, and what becomes empty thereby.
    pub(crate) fn remove(&mut self, pattern: &PathPattern, api: &ExternalRef) {
        self.remove_below(&pattern.segments, pattern, api);
    }

    fn remove_below(&mut self, segments: &[Segment], pattern: &PathPattern, api: &ExternalRef) {
        let Some((first, others)) = segments.split_first() else {
            self.rules_mut(pattern).remove(api);
            return;
        };
        let Some(child) = self.child_mut(first) else {
            return;
        };
        let child = Arc::make_mut(child);
        child.remove_below(others, pattern, api);
        if child.is_empty() {
            self.drop_child(first);
        }
    }

    fn rules_mut(&mut self, pattern: &PathPattern) -> &mut Rules<T> {
        match (pattern.regex, pattern.rest, pattern.trailing_slash) {
            (true, ..) => &mut self.regexes,
            (_, true, _) => &mut self.rest,
            (_, false, true) => &mut self.end_with_slash,
            (_, false, false) => &mut self.end,
        }
    }

    fn child_mut(&mut self, segment: &Segment) -> Option<&mut Arc<Self>> {
        match segment {
            Segment::Literal(text) => self.literals.get_mut(&**text),
            Segment::Parameter => self.parameter.as_mut(),
            Segment::Mixed(form) => self
                .mixed
                .iter_mut()
                .find(|(other, _)| other == form)
                .map(|(_, child)| child),
        }
    }

    fn drop_child(&mut self, segment: &Segment) {
        match segment {
            Segment::Literal(text) => self.literals.remove(&**text),
            Segment::Parameter => self.parameter = None,
            Segment::Mixed(form) => self.mixed.retain(|(other, _)| other != form),
        }
    }

    /// The most specific rule that takes the request: segment by segment from the left a literal before
    /// literals mixed with parameters before a parameter before the rest.
    pub(crate) fn find(&self, key: &[u8], slash: bool, request: &RequestView<'_>) -> Option<&Arc<Rule<T>>> {
        let found = if key.is_empty() {
            let [same, other] = self.ends(slash);
            same.find(request, |_| true)
                .or_else(|| other.find(request, |rule| !rule.exact_slash))
        } else {
            let (segment, below) = split(key);
            self.children(segment)
                .find_map(|child| child.find(below, slash, request))
        };
        found.or_else(|| self.rest.find(request, |_| true))
    }

    /// The rule whose regular expression takes the path, the one with the longest literal path before it first.
    pub(crate) fn find_regex(
        &self,
        path: &WholePath<'_>,
        below: &[u8],
        request: &RequestView<'_>,
    ) -> Option<&Arc<Rule<T>>> {
        let deeper = self
            .next_literal(below)
            .and_then(|(child, below)| child.find_regex(path, below, request));
        deeper.or_else(|| self.regexes.find(request, |rule| rule.takes(path)))
    }

    fn next_literal<'k>(&self, key: &'k [u8]) -> Option<(&Arc<Self>, &'k [u8])> {
        let (segment, below) = Some(key).filter(|key| !key.is_empty()).map(split)?;
        Some((self.literals.get(segment)?, below))
    }

    /// Calls `visit` with all rules at templates that match the path, whatever else they ask for, in the order in
    /// which they are looked at.
    pub(crate) fn visit<'a>(&'a self, key: &[u8], slash: bool, visit: &mut dyn FnMut(&'a Arc<Rule<T>>)) {
        if key.is_empty() {
            let [same, other] = self.ends(slash);
            same.iter().for_each(&mut *visit);
            other
                .iter()
                .filter(|rule| !rule.exact_slash)
                .for_each(&mut *visit);
        } else {
            let (segment, below) = split(key);
            for child in self.children(segment) {
                child.visit(below, slash, visit);
            }
        }
        self.rest.iter().for_each(visit);
    }

    /// The same for regular expressions that match the path.
    pub(crate) fn visit_regexes<'a>(
        &'a self,
        path: &WholePath<'_>,
        below: &[u8],
        visit: &mut dyn FnMut(&'a Arc<Rule<T>>),
    ) {
        if let Some((child, below)) = self.next_literal(below) {
            child.visit_regexes(path, below, visit);
        }
        self.regexes
            .iter()
            .filter(|rule| rule.takes(path))
            .for_each(visit);
    }

    /// A slash at the end tells two operations apart only where both are written down.
    fn ends(&self, slash: bool) -> [&Rules<T>; 2] {
        match slash {
            true => [&self.end_with_slash, &self.end],
            false => [&self.end, &self.end_with_slash],
        }
    }

    fn children<'a>(&'a self, segment: &[u8]) -> impl Iterator<Item = &'a Arc<Self>> {
        let mixed = self
            .mixed
            .iter()
            .filter(move |(form, _)| form.matches(segment))
            .map(|(_, child)| child);
        self.literals
            .get(segment)
            .into_iter()
            .chain(mixed)
            .chain(&self.parameter)
    }
}

fn split(key: &[u8]) -> (&[u8], &[u8]) {
    match key.iter().position(|byte| *byte == b'/') {
        Some(end) => (&key[..end], &key[end + 1..]),
        None => (key, &[]),
    }
}

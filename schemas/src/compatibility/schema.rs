//! What changes of a schema mean. What callers send may become wider, what they get may become narrower.

use std::{
    collections::{BTreeSet, HashSet},
    rc::Rc,
};

use serde_json::Value;

use super::{ChangeClass, Changes, view::View};
use crate::openapi::references::resolve;

/// Which way values of a schema go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    /// From callers.
    Request,
    /// To callers.
    Response,
}

impl Direction {
    /// What fewer possibilities mean.
    fn narrower(self) -> ChangeClass {
        match self {
            Self::Request => ChangeClass::Breaking,
            Self::Response => ChangeClass::Compatible,
        }
    }

    /// What more possibilities mean.
    fn wider(self) -> ChangeClass {
        match self {
            Self::Request => ChangeClass::Compatible,
            Self::Response => ChangeClass::Breaking,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Request => "in requests",
            Self::Response => "in responses",
        }
    }
}

/// Compares schemas of two documents. Each pair is compared once for each direction, and none within another, so that
/// references in circles come to an end and deep ones do no harm.
pub(super) struct Schemas<'a> {
    before: &'a Value,
    after: &'a Value,
    seen: HashSet<(*const Value, *const Value, Direction)>,
    waiting: Vec<(Place, &'a Value, &'a Value)>,
    /// Schemas with a name that are written differently.
    rewritten: BTreeSet<Rc<str>>,
}

/// A place within a schema: what it belongs to, and the field in it.
#[derive(Clone)]
struct Place {
    of: Rc<str>,
    field: String,
    direction: Direction,
}

impl Place {
    fn below(&self, step: &str) -> Self {
        let field = match step {
            "[]" | "{}" => format!("{}{step}", self.field),
            step if self.field.is_empty() => step.to_owned(),
            step => format!("{}.{step}", self.field),
        };
        Self {
            field,
            ..self.clone()
        }
    }

    /// The field as the subject of a sentence.
    fn subject(&self) -> String {
        match self.field.as_str() {
            "" => "the value".to_owned(),
            field => format!("`{field}`"),
        }
    }
}

impl<'a> Schemas<'a> {
    pub(super) fn new(before: &'a Value, after: &'a Value) -> Self {
        Self {
            before,
            after,
            seen: HashSet::new(),
            waiting: Vec::new(),
            rewritten: BTreeSet::new(),
        }
    }

    /// Two schemas at a place, to be compared.
    pub(super) fn compare(&mut self, place: &str, before: &'a Value, after: &'a Value, direction: Direction) {
        let place = Place {
            of: place.into(),
            field: String::new(),
            direction,
        };
        self.waiting.push((place, before, after));
    }

    /// Compares what waits, what that consists of, and what that refers to.
    pub(super) fn compare_waiting(&mut self, changes: &mut Changes) {
        while let Some((place, before, after)) = self.waiting.pop() {
            self.pair(place, before, after, changes);
        }
    }

    /// Tells of the schemas with a name that are written differently and mean the same.
    pub(super) fn tell_decoration(self, changes: &mut Changes) {
        let told: BTreeSet<String> = changes.found.iter().map(|change| change.place.clone()).collect();
        for place in self.rewritten.iter().filter(|place| !told.contains(&***place)) {
            changes.cosmetic(place, "its texts, examples or order changed");
        }
    }

    fn pair(&mut self, place: Place, before: &'a Value, after: &'a Value, changes: &mut Changes) {
        let (Some(earlier), Some(later)) = (resolve(self.before, before), resolve(self.after, after)) else {
            if before != after {
                changes.breaking(&place.of, format!("{} refers to something else", place.subject()));
            }
            return;
        };
        if !self.seen.insert((earlier, later, place.direction)) {
            return;
        }
        let place = match (reference(before), reference(after)) {
            (Some(one), Some(other)) if one == other => self.named(one, place.direction, earlier != later),
            _ => place,
        };
        self.views(&place, earlier, later, changes);
    }

    fn named(&mut self, name: &str, direction: Direction, is_rewritten: bool) -> Place {
        let of: Rc<str> = format!("schema {name} {}", direction.words()).into();
        if is_rewritten {
            self.rewritten.insert(Rc::clone(&of));
        }
        Place {
            of,
            field: String::new(),
            direction,
        }
    }

    fn views(&mut self, place: &Place, before: &'a Value, after: &'a Value, changes: &mut Changes) {
        let (before, after) = (View::of(self.before, before), View::of(self.after, after));
        types(place, &before, &after, changes);
        values(place, &before, &after, changes);
        limits(place, &before, &after, changes);
        self.properties(place, &before, &after, changes);
        self.alternatives(place, &before, &after, changes);
        if let (Some(before), Some(after)) = (before.items, after.items) {
            self.waiting.push((place.below("[]"), before, after));
        }
        if let (Some(before), Some(after)) = (before.others, after.others) {
            self.waiting.push((place.below("{}"), before, after));
        }
    }

    fn properties(&mut self, place: &Place, before: &View<'a>, after: &View<'a>, changes: &mut Changes) {
        for (name, earlier) in &before.properties {
            let field = place.below(name);
            if is_hidden(self.before, earlier, place.direction) {
                continue;
            }
            let Some(later) = after.properties.get(name) else {
                let verb = match place.direction {
                    Direction::Request => "taken",
                    Direction::Response => "sent",
                };
                changes.breaking(&place.of, format!("{} is not {verb} any more", field.subject()));
                continue;
            };
            let (was, is) = (before.required.contains(name), after.required.contains(name));
            match (was, is) {
                (false, true) => {
                    let class = place.direction.narrower();
                    changes.add(class, &place.of, format!("{} is required", field.subject()));
                }
                (true, false) => {
                    let class = place.direction.wider();
                    changes.add(class, &place.of, format!("{} is optional", field.subject()));
                }
                _ => {}
            }
            self.waiting.push((field, earlier, later));
        }
        for (name, later) in &after.properties {
            if before.properties.contains_key(name) || is_hidden(self.after, later, place.direction) {
                continue;
            }
            let subject = place.below(name).subject();
            match (place.direction, after.required.contains(name)) {
                (Direction::Request, true) => {
                    changes.breaking(&place.of, format!("{subject} is new and required"));
                }
                _ => changes.compatible(&place.of, format!("{subject} is new")),
            }
        }
        closing(place, before, after, changes);
    }

    fn alternatives(&mut self, place: &Place, before: &View<'a>, after: &View<'a>, changes: &mut Changes) {
        if before.alternatives.is_empty() != after.alternatives.is_empty() {
            changes.breaking(
                &place.of,
                format!("{} is described in another way", place.subject()),
            );
            return;
        }
        for (name, earlier) in &before.alternatives {
            match after.alternatives.get(name) {
                Some(later) => self.waiting.push((place.clone(), earlier, later)),
                None => {
                    let message = format!("{} cannot be `{name}` any more", place.subject());
                    changes.add(place.direction.narrower(), &place.of, message);
                }
            }
        }
        for name in after
            .alternatives
            .keys()
            .filter(|name| !before.alternatives.contains_key(*name))
        {
            let message = format!("{} may be `{name}` too", place.subject());
            changes.add(place.direction.wider(), &place.of, message);
        }
    }
}

/// What a schema that is nothing but a reference refers to.
fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.rsplit('/').next()
}

/// Whether callers neither send a property nor get it.
fn is_hidden(document: &Value, schema: &Value, direction: Direction) -> bool {
    let keyword = match direction {
        Direction::Request => "readOnly",
        Direction::Response => "writeOnly",
    };
    let target = resolve(document, schema).unwrap_or(schema);
    [schema, target]
        .iter()
        .any(|schema| schema.get(keyword) == Some(&Value::Bool(true)))
}

fn closing(place: &Place, before: &View<'_>, after: &View<'_>, changes: &mut Changes) {
    let subject = place.subject();
    match (before.closed, after.closed) {
        (false, true) => {
            let message = format!("{subject} takes no fields beside the named ones");
            changes.add(place.direction.narrower(), &place.of, message);
        }
        (true, false) => changes.compatible(&place.of, format!("{subject} may have other fields too")),
        _ => {}
    }
}

fn types(place: &Place, before: &View<'_>, after: &View<'_>, changes: &mut Changes) {
    if before.types == after.types {
        return;
    }
    let any = BTreeSet::new();
    let (was, is) = (before.types.as_ref(), after.types.as_ref());
    let takes = |types: Option<&BTreeSet<String>>, name: &str| {
        types.is_none_or(|types| types.contains(name) || name == "integer" && types.contains("number"))
    };
    let narrowed = was.is_none() || was.unwrap_or(&any).iter().any(|name| !takes(is, name));
    let widened = is.is_none() || is.unwrap_or(&any).iter().any(|name| !takes(was, name));
    let message = format!("{} is {}, not {}", place.subject(), kinds(is), kinds(was));
    let class = match (narrowed, widened) {
        (true, true) => ChangeClass::Breaking,
        (true, false) => place.direction.narrower(),
        (false, _) => place.direction.wider(),
    };
    changes.add(class, &place.of, message);
}

fn kinds(types: Option<&BTreeSet<String>>) -> String {
    types.map_or_else(
        || "anything".to_owned(),
        |types| types.iter().cloned().collect::<Vec<_>>().join(" or "),
    )
}

fn values(place: &Place, before: &View<'_>, after: &View<'_>, changes: &mut Changes) {
    let subject = place.subject();
    let (narrower, wider) = (place.direction.narrower(), place.direction.wider());
    match (&before.values, &after.values) {
        (None, None) => {}
        (None, Some(_)) => changes.add(
            narrower,
            &place.of,
            format!("{subject} has one of certain values only"),
        ),
        (Some(_), None) => changes.add(wider, &place.of, format!("{subject} may have any value")),
        (Some(before), Some(after)) => {
            for value in before.difference(after) {
                changes.add(
                    narrower,
                    &place.of,
                    format!("{subject} cannot be {value} any more"),
                );
            }
            for value in after.difference(before) {
                changes.add(wider, &place.of, format!("{subject} may be {value} too"));
            }
        }
    }
}

/// Keywords of which a smaller number lets more through.
const LOWER: [&str; 5] = [
    "minimum",
    "exclusiveMinimum",
    "minLength",
    "minItems",
    "minProperties",
];
/// Keywords of which a greater number lets more through.
const UPPER: [&str; 5] = [
    "maximum",
    "exclusiveMaximum",
    "maxLength",
    "maxItems",
    "maxProperties",
];

fn limits(place: &Place, before: &View<'_>, after: &View<'_>, changes: &mut Changes) {
    let keywords: BTreeSet<&&str> = before.limits.keys().chain(after.limits.keys()).collect();
    for keyword in keywords {
        let (was, is) = (
            before.limits.get(*keyword).copied(),
            after.limits.get(*keyword).copied(),
        );
        if was == is {
            continue;
        }
        let class = limit(keyword, was, is, place.direction);
        let shown = |value: Option<&Value>| value.map_or("without a limit".to_owned(), ToString::to_string);
        let message = format!(
            "`{keyword}` of {} is {}, not {}",
            place.subject(),
            shown(is),
            shown(was)
        );
        changes.add(class, &place.of, message);
    }
}

/// What one more, one fewer or another limit means. Numbers within other bounds are no surprise in a response.
fn limit(keyword: &str, was: Option<&Value>, is: Option<&Value>, direction: Direction) -> ChangeClass {
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    let known =
        LOWER.contains(&keyword) || UPPER.contains(&keyword) || matches!(keyword, "pattern" | "multipleOf");
    match (direction, was, is) {
        (Direction::Response, ..) if known => ChangeClass::Compatible,
        (Direction::Request, Some(_), None) => ChangeClass::Compatible,
        (Direction::Response, None, Some(_)) if keyword == "format" => ChangeClass::Compatible,
        (Direction::Response, Some(_), None) if keyword == "format" => ChangeClass::Compatible,
        _ => match (number(was), number(is)) {
            (Some(was), Some(is)) if LOWER.contains(&keyword) && is <= was => ChangeClass::Compatible,
            (Some(was), Some(is)) if UPPER.contains(&keyword) && is >= was => ChangeClass::Compatible,
            _ => ChangeClass::Breaking,
        },
    }
}

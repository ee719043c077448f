//! Three-way merge of values: what two sides made of a common base, field by field.

mod order;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    diff::Change,
    named::{self, Name, Named},
    pointer,
};

/// What came of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The base with the changes of both sides; where they disagree, ours.
    pub value: Value,
    /// What they changed and we did not: taken.
    pub taken: Vec<Change>,
    /// What we changed and they did not: kept.
    pub kept: Vec<Change>,
    /// What both changed, differently: ours was kept.
    pub conflicts: Vec<MergeConflict>,
}

/// One place that both sides changed differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MergeConflict {
    /// Where, as a JSON Pointer.
    pub path: String,
    /// What was there; absent if nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub base: Option<Value>,
    /// What we made of it; absent if we removed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub ours: Option<Value>,
    /// What they made of it; absent if they removed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub theirs: Option<Value>,
}

/// The base with the changes of both sides. Objects are merged field by field; lists of operations and policies by
/// what names their elements, if each name is there once; everything else as a whole. Indexes in paths are those of
/// our list, for what we do not have those of theirs, else of the base.
///
/// Laws, held by property tests: who changed nothing gets what the other made of it; equal changes are one; without
/// a conflict it makes no difference who is who; nothing is in the result that nobody wrote.
pub fn merge(base: &Value, ours: &Value, theirs: &Value) -> Merged {
    let mut merged = Merged {
        value: Value::Null,
        taken: Vec::new(),
        kept: Vec::new(),
        conflicts: Vec::new(),
    };
    let sides = Sides {
        base: Some(base),
        ours: Some(ours),
        theirs: Some(theirs),
    };
    // All three are there, so something is left.
    merged.value = merged.at("", sides).unwrap_or_default();
    merged
}

/// One place, three ways; none where it is not there.
#[derive(Clone, Copy)]
struct Sides<'a> {
    base: Option<&'a Value>,
    ours: Option<&'a Value>,
    theirs: Option<&'a Value>,
}

impl<'a> Sides<'a> {
    /// All three sides as the same kind of container.
    fn all<T: ?Sized>(self, read: impl Fn(&'a Value) -> Option<&'a T>) -> Option<[&'a T; 3]> {
        Some([read(self.base?)?, read(self.ours?)?, read(self.theirs?)?])
    }
}

impl Merged {
    fn at(&mut self, path: &str, sides: Sides<'_>) -> Option<Value> {
        let Sides { base, ours, theirs } = sides;
        if ours == theirs {
            return ours.cloned();
        }
        if let Some(objects) = sides.all(Value::as_object) {
            return Some(self.objects(path, objects));
        }
        if let Some(lists) = sides.all(|value| value.as_array()?.as_slice().into()) {
            let [base, ours, theirs] = lists.map(named::unique);
            if let (Some(base), Some(ours), Some(theirs)) = (base, ours, theirs) {
                return Some(self.lists(path, [&base, &ours, &theirs]));
            }
        }
        let change = |after: Option<&Value>| Change {
            path: path.to_owned(),
            before: base.cloned(),
            after: after.cloned(),
        };
        if ours == base {
            self.taken.push(change(theirs));
            return theirs.cloned();
        }
        if theirs == base {
            self.kept.push(change(ours));
        } else {
            self.conflicts.push(conflict(path, sides));
        }
        ours.cloned()
    }

    fn objects(&mut self, path: &str, objects: [&Map<String, Value>; 3]) -> Value {
        let keys: BTreeSet<&String> = objects.iter().flat_map(|fields| fields.keys()).collect();
        let mut merged = Map::new();
        for key in keys {
            let [base, ours, theirs] = objects.map(|fields| fields.get(key));
            let sides = Sides { base, ours, theirs };
            if let Some(value) = self.at(&pointer::join(path, key), sides) {
                merged.insert(key.clone(), value);
            }
        }
        Value::Object(merged)
    }

    fn lists(&mut self, path: &str, lists: [&Named<'_>; 3]) -> Value {
        let [base, ours, theirs] = lists;
        let mut elements: BTreeMap<&Name, Value> = BTreeMap::new();
        for (name, index) in places(lists) {
            let sides = Sides {
                base: base.get(name),
                ours: ours.get(name),
                theirs: theirs.get(name),
            };
            if let Some(value) = self.at(&format!("{path}/{index}"), sides) {
                elements.insert(name, value);
            }
        }
        let left: BTreeSet<&Name> = elements.keys().copied().collect();
        let order = order::merge(base.names(), ours.names(), theirs.names(), &left);
        if order.is_contradictory {
            self.conflicts.push(conflict_of_order(path, lists));
        } else if order::differs(base.names(), theirs.names()) {
            self.taken.extend(change_of_order(path, base, theirs, ours));
        } else if order::differs(base.names(), ours.names()) {
            self.kept.extend(change_of_order(path, base, ours, theirs));
        }
        let in_order = order.names.into_iter().filter_map(|name| elements.remove(name));
        Value::Array(in_order.collect())
    }
}

/// Every name once, with the index that stands for it in paths.
fn places<'a>([base, ours, theirs]: [&'a Named<'_>; 3]) -> BTreeMap<&'a Name, usize> {
    let mut places: BTreeMap<&Name, usize> = base.iter().collect();
    places.extend(theirs.iter());
    places.extend(ours.iter());
    places
}

fn conflict(path: &str, sides: Sides<'_>) -> MergeConflict {
    MergeConflict {
        path: path.to_owned(),
        base: sides.base.cloned(),
        ours: sides.ours.cloned(),
        theirs: sides.theirs.cloned(),
    }
}

/// One side put the same elements in another order, and the other did not: the orders are told, by name.
fn change_of_order(path: &str, base: &Named<'_>, side: &Named<'_>, other: &Named<'_>) -> Option<Change> {
    order::differs(side.names(), other.names()).then(|| Change {
        path: path.to_owned(),
        before: Some(Value::from(base.titles())),
        after: Some(Value::from(side.titles())),
    })
}

/// Both put the same elements in different orders: the orders are told, by name.
fn conflict_of_order(path: &str, lists: [&Named<'_>; 3]) -> MergeConflict {
    let [base, ours, theirs] = lists.map(|list| Some(Value::from(list.titles())));
    MergeConflict {
        path: path.to_owned(),
        base,
        ours,
        theirs,
    }
}

#[cfg(test)]
mod tests;

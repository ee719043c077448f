//! The tree of resources that paths make.

use serde_json::json;

use super::import::Import;
use crate::place::{Entity, entity, new_id, text};

/// The id of the resource at a path, which is made with all those above it if it is not there.
pub(super) fn resource(import: &mut Import<'_>, path: &str) -> Option<String> {
    let mut id = text(&import.definition.api, "rootResourceId").to_owned();
    let mut above = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let full = format!("{above}/{part}");
        if !is_part(part) {
            import.errors.push(format!(
                "Unable to create resource at path '{full}': Resource's path part only allow a-zA-Z0-9._-: or a valid \
                 greedy path variable and curly braces at the beginning and the end."
            ));
            return None;
        }
        id = match import.definition.resource_at(&full) {
            Some(known) => text(known, "id").to_owned(),
            None => child(import, &id, part, &full)?,
        };
        above = full;
    }
    Some(id)
}

fn child(import: &mut Import<'_>, parent: &str, part: &str, path: &str) -> Option<String> {
    if let Some(why) = refusal(import, parent, part) {
        import
            .errors
            .push(format!("Unable to create resource at path '{path}': {why}"));
        return None;
    }
    let id = new_id(6);
    let made = json!({ "id": id, "parentId": parent, "pathPart": part, "path": path });
    import.definition.resources.insert(id.clone(), entity(made));
    Some(id)
}

fn refusal(import: &Import<'_>, parent: &str, part: &str) -> Option<String> {
    let above = import.definition.resources.get(parent)?;
    if text(above, "pathPart").ends_with("+}") {
        return Some(format!(
            "Cannot create a child of a resource with a greedy path variable: {}",
            text(above, "pathPart")
        ));
    }
    let variable = |it: &&Entity| text(it, "parentId") == parent && text(it, "pathPart").starts_with('{');
    let sibling = import.definition.resources.values().find(variable)?;
    part.starts_with('{').then(|| {
        format!(
            "A sibling ({}) of this resource already has a variable path part -- only one is allowed",
            text(sibling, "pathPart")
        )
    })
}

/// Whether a part of a path may be: text, or one variable.
pub(crate) fn is_part(part: &str) -> bool {
    let allowed = |sign: char| sign.is_ascii_alphanumeric() || "._-:".contains(sign);
    match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => {
            let name = name.strip_suffix('+').unwrap_or(name);
            !name.is_empty() && name.chars().all(allowed)
        }
        None => part.chars().all(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::is_part;

    #[test]
    fn a_part_is_text_or_one_variable() {
        for part in ["pets", "{id}", "{proxy+}", "v1.2", "a:b", "_x-"] {
            assert!(is_part(part), "{part}");
        }
        for part in ["a b", "x{id}", "{id}x", "{}", "{+}", "a*", "a,b", "a%20b"] {
            assert!(!is_part(part), "{part}");
        }
    }
}

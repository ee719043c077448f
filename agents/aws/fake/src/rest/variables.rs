//! Stage variables: how many there may be, and of what characters.

use serde_json::Value;

use crate::control::AwsError;
use crate::place::Entity;

const MOST: usize = 100;
const LONGEST_NAME: usize = 64;
const LONGEST_VALUE: usize = 512;

/// Refuses variables that a stage cannot have.
pub(crate) fn check(variables: &Entity) -> Result<(), AwsError> {
    if variables.len() > MOST {
        return Err(AwsError::bad_request(format!(
            "Stage variables per stage are limited to {MOST}"
        )));
    }
    for (name, value) in variables {
        check_one(name, value.as_str().unwrap_or_default())?;
    }
    Ok(())
}

fn check_one(name: &str, value: &str) -> Result<(), AwsError> {
    let named = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(named) {
        return Err(AwsError::bad_request(format!(
            "Stage variable name '{name}' is invalid: it can contain only alphanumeric characters and underscores, and \
             at most {LONGEST_NAME} of them"
        )));
    }
    let allowed = |sign: char| sign.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(sign);
    if value.len() > LONGEST_VALUE || !value.chars().all(allowed) {
        return Err(AwsError::bad_request(format!(
            "Stage variable value of '{name}' is invalid: it must match [A-Za-z0-9-._~:/?#&=,]+ and have at most \
             {LONGEST_VALUE} characters"
        )));
    }
    Ok(())
}

/// The variables of a body, checked; none if there are none.
pub(crate) fn given(members: &Entity, name: &str) -> Result<Option<Value>, AwsError> {
    let Some(variables) = members.get(name).and_then(Value::as_object) else {
        return Ok(None);
    };
    check(variables)?;
    Ok((!variables.is_empty()).then(|| Value::Object(variables.clone())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::place::entity;

    #[test]
    fn a_value_has_at_most_512_characters_of_those_of_urls() {
        let variable = |value: &str| check(&entity(json!({ "record0": value }))).is_ok();
        assert!(variable(&"a".repeat(512)));
        assert!(!variable(&"a".repeat(513)));
        assert!(variable("a-b_c.d~e:/?#&=,"));
        assert!(!variable("a b"));
        assert!(!variable("{}"));
    }

    #[test]
    fn a_name_is_of_letters_digits_and_underscores() {
        assert!(check(&entity(json!({ "gatehouse_1": "" }))).is_ok());
        assert!(check(&entity(json!({ "gatehouse-1": "" }))).is_err());
    }
}

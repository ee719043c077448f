//! What an authorization server says of a token (RFC 7662, section 2.2).

use std::sync::Arc;

use serde_json::Value;

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The token is unknown, expired, revoked, or not for us to know.
    Inactive,
    Active(Grant),
}

/// What an active token stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Grant {
    /// Whose it is: the subject, else the user's name, else the client.
    pub(super) consumer: Option<Arc<str>>,
    pub(super) scopes: Vec<String>,
    pub(super) audiences: Vec<String>,
    /// Seconds since 1970.
    pub(super) expires: Option<u64>,
    pub(super) not_before: Option<u64>,
    /// Whether only the holder of a key may present it.
    pub(super) is_bound: bool,
}

impl Answer {
    /// Reads a server's document; the error says what is wrong with it.
    pub(super) fn read(document: &Value) -> Result<Self, String> {
        match document.get("active") {
            Some(Value::Bool(false)) => return Ok(Self::Inactive),
            Some(Value::Bool(true)) => {}
            _ => return Err("it does not say whether the token is active".to_owned()),
        }
        let named = |name: &str| document.get(name).and_then(Value::as_str);
        let named = |name: &str| named(name).filter(|text| !text.is_empty());
        let consumer = named("sub")
            .or_else(|| named("username"))
            .or_else(|| named("client_id"));
        Ok(Self::Active(Grant {
            consumer: consumer.map(Arc::from),
            scopes: words(document, "scope")?,
            audiences: list(document, "aud")?,
            expires: seconds(document, "exp")?,
            not_before: seconds(document, "nbf")?,
            is_bound: document.get("cnf").is_some_and(|bound| !bound.is_null()),
        }))
    }

    /// About how many bytes it takes up.
    pub(super) fn weight(&self) -> u64 {
        let Self::Active(grant) = self else {
            return 64;
        };
        let texts = grant.scopes.iter().chain(&grant.audiences);
        let texts: usize = texts.map(|text| text.len() + 24).sum();
        let consumer = grant.consumer.as_ref().map_or(0, |consumer| consumer.len());
        (texts + consumer + 192) as u64
    }
}

fn words(document: &Value, name: &str) -> Result<Vec<String>, String> {
    match document.get(name) {
        Some(Value::String(words)) => Ok(words.split_ascii_whitespace().map(str::to_owned).collect()),
        _ => list(document, name),
    }
}

fn list(document: &Value, name: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("its `{name}` is not a text or a list of texts");
    match document.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(items)) => {
            let items = items.iter().map(|item| item.as_str().map(str::to_owned));
            items.collect::<Option<_>>().ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate, and times before 1970 have passed"
)]
fn seconds(document: &Value, name: &str) -> Result<Option<u64>, String> {
    match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) => Ok(Some(seconds as u64)),
            None => Err(format!("its `{name}` is not a number of seconds")),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whose_a_token_is_comes_from_subject_user_name_or_client_in_this_order() {
        for (document, consumer) in [
            (
                json!({"active": true, "sub": "s", "username": "u", "client_id": "c"}),
                Some("s"),
            ),
            (
                json!({"active": true, "sub": "", "username": "u", "client_id": "c"}),
                Some("u"),
            ),
            (json!({"active": true, "client_id": "c"}), Some("c")),
            (json!({"active": true}), None),
        ] {
            let Ok(Answer::Active(grant)) = Answer::read(&document) else {
                panic!("{document}");
            };
            assert_eq!(grant.consumer.as_deref(), consumer);
        }
    }

    #[test]
    fn scopes_audiences_and_times_are_read_in_every_form_that_servers_write() {
        let expected = Answer::Active(Grant {
            scopes: vec!["a".to_owned(), "b".to_owned()],
            audiences: vec!["x".to_owned()],
            expires: Some(12),
            not_before: Some(3),
            is_bound: true,
            ..Grant::default()
        });
        for (scope, audience, expires) in [
            (json!("a  b"), json!("x"), json!(12)),
            (json!(["a", "b"]), json!(["x"]), json!(12.5)),
        ] {
            let document = json!({
                "active": true, "scope": scope, "aud": audience, "exp": expires, "nbf": 3, "cnf": {"jkt": "k"},
            });
            assert_eq!(Answer::read(&document), Ok(expected.clone()));
        }
    }

    #[test]
    fn an_inactive_token_is_told_by_the_flag_alone_and_a_wrong_document_is_no_answer() {
        assert_eq!(
            Answer::read(&json!({"active": false, "exp": "x"})),
            Ok(Answer::Inactive)
        );
        for wrong in [
            json!({}),
            json!([true]),
            json!({"active": "true"}),
            json!({"active": 1}),
            json!({"active": true, "exp": "tomorrow"}),
            json!({"active": true, "aud": [1]}),
            json!({"active": true, "scope": {}}),
        ] {
            Answer::read(&wrong).expect_err("wrong");
        }
    }
}

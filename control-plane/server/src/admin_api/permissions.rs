//! Permissions: what the gateway's own access control should allow an agent, and not more.

use axum::{Json, extract::State};
use gatehouse_control_plane_api::{
    admin::Permissions,
    problem::{Problem, ProblemKind},
};
use gatehouse_schemas::{
    descriptor::{Descriptor, PermissionSet},
    environment::{EnvironmentSpec, Mode},
    identity::ResourceName,
    resource::Kind,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    extract::{Path, Query},
    failure::{Answer, Failure},
    state::AppState,
    write::deploy::environment_spec,
};

/// For which mode.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PermissionsQuery {
    /// The mode; without it, the environment's own.
    #[param(inline)]
    mode: Option<Mode>,
}

/// Reads the least-privilege policy, in the vendor's language, for a mode of an environment. What its connector says
/// is filled in with the environment's settings.
#[utoipa::path(get, path = "/api/v1/environments/{name}/permissions", operation_id = "readPermissions", tag = "environments",
    params(("name" = ResourceName, Path, description = "Which environment"), PermissionsQuery),
    responses(
        (status = 200, description = "The policy", body = Permissions),
        (status = 404, description = "There is no such environment, or the connector offers no policy for the mode", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "No agent of the gateway type has connected yet, or a setting is missing", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(
    State(state): State<AppState>,
    Path(name): Path<ResourceName>,
    Query(query): Query<PermissionsQuery>,
) -> Answer<Json<Permissions>> {
    let environment = state.store.resource(Kind::Environment, &name).await?;
    let environment = environment.ok_or_else(|| Failure::not_found("environment", &name))?;
    let spec = environment_spec(&environment)?;
    let descriptor = state.store.descriptor(&spec.gateway_type).await?;
    let descriptor = descriptor.ok_or_else(|| never_connected(&spec))?;
    let mode = query.mode.unwrap_or(spec.mode);
    let offered = descriptor.permissions.iter().find(|set| set.mode == mode);
    let offered = offered.ok_or_else(|| not_offered(&descriptor, mode))?;
    permissions(&name, &spec, &descriptor, offered).map(Json)
}

fn permissions(
    name: &ResourceName,
    spec: &EnvironmentSpec,
    descriptor: &Descriptor,
    offered: &PermissionSet,
) -> Answer<Permissions> {
    let settings = Settings {
        given: &spec.settings,
        defaults: &descriptor.settings_schema["properties"],
    };
    let missing = |setting: String| {
        let detail = format!(
            "the policy refers to the setting `{setting}`, which environment `{name}` does not have; \
             add `spec.settings.{setting}` to it"
        );
        Failure::new(ProblemKind::WrongState, detail)
    };
    Ok(Permissions {
        environment: name.clone(),
        mode: offered.mode,
        language: offered.language.clone(),
        document: settings
            .filled(&offered.document_with(&spec.settings))
            .map_err(missing)?,
        instructions: settings.filled_text(&offered.instructions).map_err(missing)?,
    })
}

fn never_connected(spec: &EnvironmentSpec) -> Failure {
    let gateway_type = &spec.gateway_type;
    Failure::new(
        ProblemKind::WrongState,
        format!(
            "no agent for gateway type `{gateway_type}` has connected yet, and only its connector knows the permissions; \
             start one with a token from `gatehouse agent join-token --type {gateway_type}`"
        ),
    )
}

fn not_offered(descriptor: &Descriptor, mode: Mode) -> Failure {
    let gateway_type = &descriptor.gateway_type;
    let detail = if descriptor.permissions.is_empty() {
        format!(
            "the connector for gateway type `{gateway_type}` offers no permission policies; \
             its documentation says what its credential needs"
        )
    } else {
        let offered: Vec<String> = descriptor
            .permissions
            .iter()
            .map(|set| format!("`{}`", word(set.mode)))
            .collect();
        format!(
            "the connector for gateway type `{gateway_type}` offers no permission policy for mode `{}`, only for {}; ask for \
             one of those with `--mode` (`mode`)",
            word(mode),
            offered.join(", ")
        )
    };
    Failure::new(ProblemKind::NotFound, detail)
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::ReadOnly => "read-only",
        Mode::WriteOnly => "write-only",
        Mode::ReadWrite => "read-write",
    }
}

/// An environment's settings, and the defaults of those it does not have.
struct Settings<'a> {
    given: &'a Map<String, Value>,
    defaults: &'a Value,
}

impl Settings<'_> {
    /// The value with `{settings.NAME}` replaced in its texts; fails with the name of a setting that is not there.
    fn filled(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => Value::String(self.filled_text(text)?),
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.filled(item))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(fields) => {
                let field = |(key, value): (&String, &Value)| Ok((key.clone(), self.filled(value)?));
                Value::Object(fields.iter().map(field).collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    fn filled_text(&self, text: &str) -> Result<String, String> {
        const BEGIN: &str = "{settings.";
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once(BEGIN) {
            let Some((name, behind)) = after.split_once('}') else {
                break;
            };
            filled.push_str(before);
            filled.push_str(&self.setting(name)?);
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn setting(&self, name: &str) -> Result<String, String> {
        let default = || self.defaults.get(name).and_then(|schema| schema.get("default"));
        match self.given.get(name).or_else(default) {
            None | Some(Value::Null) => Err(name.to_owned()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Ok(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let given = json!({"region": "eu-central-1", "account": 123, "nested": {"a": "{settings.region}"}});
        let defaults = json!({"stage": {"default": "live"}});
        let settings = Settings {
            given: given.as_object().expect("an object"),
            defaults: &defaults,
        };
        settings.filled_text(text)
    }

    #[test]
    fn settings_are_filled_in_as_plain_text() {
        for (text, expected) in [
            ("nothing", Ok("nothing")),
            (
                "arn:aws:apigateway:{settings.region}::/restapis/*",
                Ok("arn:aws:apigateway:eu-central-1::/restapis/*"),
            ),
            ("{settings.account}-{settings.region}", Ok("123-eu-central-1")),
            ("{settings.stage}", Ok("live")),
            // What was filled in is not read again, and what is not whole is text.
            ("{settings.nested}", Ok("{\"a\":\"{settings.region}\"}")),
            ("{settings.region", Ok("{settings.region")),
            ("{other.region}", Ok("{other.region}")),
            ("{settings.zone}", Err("zone")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(filled(text), expected, "{text}");
        }
    }

    #[test]
    fn documents_are_filled_in_at_any_depth() {
        let given = json!({"region": "eu"});
        let settings = Settings {
            given: given.as_object().expect("an object"),
            defaults: &Value::Null,
        };
        let document = json!({"Statement": [{"Resource": ["{settings.region}/*"], "Sid": 1, "{settings.region}": null}]});
        assert_eq!(
            settings.filled(&document),
            Ok(json!({"Statement": [{"Resource": ["eu/*"], "Sid": 1, "{settings.region}": null}]}))
        );
    }
}

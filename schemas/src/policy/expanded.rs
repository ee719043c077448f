//! What a revision takes out of its definition for the policies that refer to it, so that a gateway needs no document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::OperationMatch;

/// What of a request is held against the definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DefinitionPart {
    /// Parameters in path, query, headers and cookies.
    Parameters,
    /// The type of the body.
    ContentType,
    /// The type of the body, whether it must be there, and what a JSON body contains.
    Body,
}

/// What the definition says of requests, for the operations that a policy holds for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpandedRequests {
    /// By operation, in the revision's order.
    pub operations: Vec<ExpandedRequest>,
    /// JSON Schemas (2020-12) that those of the operations refer to as `#/$defs/NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub schemas: BTreeMap<String, Value>,
}

impl ExpandedRequests {
    /// What is said of one operation of the revision.
    pub fn of(&self, operation: &OperationMatch) -> Option<&ExpandedRequest> {
        self.operations.iter().find(|it| it.r#match == *operation)
    }
}

/// What the definition says of the requests of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpandedRequest {
    /// The operation, as the revision has it.
    pub r#match: OperationMatch,
    /// Its parameters, without those that anything is right for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ExpandedParameter>,
    /// Its body; absent means that nothing is said of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<ExpandedBody>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpandedParameter {
    /// Its name; of one in the path, the one that the revision's path has for it.
    pub name: String,
    /// Where it is.
    pub r#in: ParameterLocation,
    /// Whether it must be there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// Whether it may be there without a value.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_empty: bool,
    /// How lists and objects are written.
    pub style: ParameterStyle,
    /// Whether each item or field of it is written for itself.
    #[serde(default, skip_serializing_if = "is_false")]
    pub explode: bool,
    /// What its value must satisfy: a JSON Schema (2020-12).
    #[schema(value_type = Object)]
    pub schema: Value,
}

/// Where a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum ParameterLocation {
    Path,
    Query,
    Header,
    Cookie,
}

impl ParameterLocation {
    /// As documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// How lists and objects are written in a parameter, in OpenAPI's words, and `json`: the value is a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are OpenAPI's")]
pub enum ParameterStyle {
    Simple,
    Form,
    Label,
    SpaceDelimited,
    TabDelimited,
    PipeDelimited,
    DeepObject,
    Json,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpandedBody {
    /// Whether it must be there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// JSON Schemas (2020-12) by media type or range (`text/*`), in lower case and without parameters; `true` is
    /// satisfied by anything, and what is no JSON is not looked into.
    #[schema(value_type = Object)]
    pub content: BTreeMap<String, Value>,
}

/// What the definition's examples answer, for the operations that a policy holds for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpandedAnswers {
    /// By operation, in the revision's order.
    pub operations: Vec<ExpandedAnswer>,
}

impl ExpandedAnswers {
    /// The examples of one operation of the revision.
    pub fn of(&self, operation: &OperationMatch) -> Option<&ExpandedAnswer> {
        self.operations.iter().find(|it| it.r#match == *operation)
    }
}

/// The examples of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpandedAnswer {
    /// The operation, as the revision has it.
    pub r#match: OperationMatch,
    /// Its examples; the first one says which status is usual.
    pub examples: Vec<ExpandedExample>,
}

/// One example of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpandedExample {
    /// Its status.
    pub status: u16,
    /// Its type; absent means that it has no body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// What the definition calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its body as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

fn is_false(truth: &bool) -> bool {
    !truth
}

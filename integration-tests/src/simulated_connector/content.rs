//! What the vendor holds, back in our words.
//!
//! A deployment of ours carries the content that it expresses. Where the vendor holds exactly what that content
//! becomes, the content is what is there, with what the vendor cannot say; where it holds something else, that is
//! put into our words piece by piece. So a difference shows in just the field in which it is.

use gatehouse_schemas::{
    api::{OperationMatch, Upstream},
    canonical::Fingerprint,
    openapi,
    policy::{Policy, SecretVersion},
    revision::{DefinitionSummary, Operation, RevisionContent},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    form::{Form, FormBackend, FormPolicy, FormRoute},
    policies::from_vendor,
    translate,
};

/// What a deployment of ours expresses, by its own tags.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) content: RevisionContent,
    pub(super) secrets: Vec<SecretVersion>,
}

/// The content of what the vendor holds. `form` is in the normal order.
pub(super) fn content(
    form: &Form,
    base: Option<&Base>,
    definition: Option<&Value>,
) -> (RevisionContent, Option<Value>) {
    let form = form.clone().without_digests();
    let expressed = base.map(|base| translate::form(&base.content, &base.secrets));
    if let Some(base) = base.filter(|_| expressed.as_ref() == Some(&form)) {
        return (base.content.clone(), None);
    }
    let pieces = Pieces {
        base: base.map(|base| &base.content),
        expressed: expressed.unwrap_or_default(),
        form: &form,
    };
    let mut content = pieces.content();
    match base {
        Some(base) => {
            content.definition.clone_from(&base.content.definition);
            (content, None)
        }
        None => with_definition(content, definition),
    }
}

/// With the document that an API of somebody else came from, as far as it can be read.
fn with_definition(
    mut content: RevisionContent,
    document: Option<&Value>,
) -> (RevisionContent, Option<Value>) {
    let read = document.and_then(|document| openapi::read(document).ok());
    let Some(definition) = read else {
        return (content, None);
    };
    content.definition = Some(DefinitionSummary {
        fingerprint: Fingerprint::of_value(&definition.canonical),
        format: definition.format,
        title: definition.title,
        version: definition.version,
    });
    (content, Some(definition.canonical))
}

struct Pieces<'a> {
    base: Option<&'a RevisionContent>,
    /// What the base becomes in the vendor's words.
    expressed: Form,
    form: &'a Form,
}

impl Pieces<'_> {
    fn content(&self) -> RevisionContent {
        let settings = &self.form.settings;
        let backends = settings.backends.iter();
        RevisionContent {
            display_name: settings.title.clone(),
            version: settings.api_version.clone(),
            r#type: spoken(&settings.protocol),
            direction: spoken(&settings.direction),
            definition: None,
            hostnames: settings.hostnames.clone(),
            base_path: settings.base_path.clone(),
            upstreams: backends.map(|(name, it)| (name.clone(), upstream(it))).collect(),
            policies: self.policies(
                translate::EVERY_ROUTE,
                self.base.map(|base| base.policies.as_slice()),
            ),
            operations: self.operations(),
        }
    }

    fn operations(&self) -> Vec<Operation> {
        if self.form.routes == [translate::everything()] {
            return Vec::new();
        }
        let mut operations: Vec<Operation> = self
            .form
            .routes
            .iter()
            .map(|route| self.operation(route))
            .collect();
        operations.sort_by(|a, b| a.order().cmp(&b.order()));
        operations
    }

    fn operation(&self, route: &FormRoute) -> Operation {
        let scope = route.scope();
        let mut known = self.base.into_iter().flat_map(|base| &base.operations);
        let known = known.find(|operation| translate::route(operation).scope() == scope);
        Operation {
            id: route.operation_name.clone(),
            r#match: OperationMatch {
                method: match route.method.as_str() {
                    "ANY" => "*".to_owned(),
                    method => method.to_owned(),
                },
                path: route.path.replace("+}", "...}"),
                headers: route.headers.clone(),
                query: route.query.clone(),
                ..OperationMatch::default()
            },
            summary: route.summary.clone(),
            deprecated: route.deprecated,
            policies: self.policies(&scope, known.map(|operation| operation.policies.as_slice())),
            upstream: route.backend.clone(),
            traffic: None,
        }
    }

    /// The policies of a scope: those of the base that are still there, or cannot be; then what is there besides.
    fn policies(&self, scope: &str, base: Option<&[Policy]>) -> Vec<Policy> {
        let mut there: Vec<&FormPolicy> = self.form.policies.iter().filter(|it| it.scope == scope).collect();
        let mut found = Vec::new();
        for (position, policy) in base.unwrap_or_default().iter().enumerate() {
            let name = format!("{scope}#{position:03}:{}", policy.type_name());
            let Some(expressed) = self.expressed.policies.iter().find(|it| it.name == name) else {
                found.push(policy.clone());
                continue;
            };
            if let Some(index) = there.iter().position(|it| it.name == name) {
                let present = there.remove(index);
                let same = present == expressed;
                found.push(if same {
                    policy.clone()
                } else {
                    from_vendor(present)
                });
            }
        }
        found.extend(there.into_iter().map(from_vendor));
        found
    }
}

/// A word of the vendor as ours; the usual one for a word that we do not have.
fn spoken<T: Default + DeserializeOwned>(word: &str) -> T {
    serde_json::from_value(json!(word.to_lowercase())).unwrap_or_default()
}

fn upstream(backend: &FormBackend) -> Upstream {
    Upstream {
        timeout_ms: backend.timeout_ms,
        connect_timeout_ms: backend.connect_timeout_ms,
        ..Upstream::at(backend.url.clone())
    }
}

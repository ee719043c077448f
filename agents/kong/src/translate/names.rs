//! Identities and tags of what we make: they can be computed, so an attempt after a crash finds what the one before it
//! made, and there is never a second one.

use gatehouse_connector_sdk::schemas::{
    desired::{DesiredApi, Mark},
    identity::{EnvironmentId, ExternalRef},
};
use uuid::Uuid;

/// The namespace of all our identities on a Kong (UUID version 5, RFC 9562); any other constant would do as well.
const NAMESPACE: Uuid = Uuid::from_u128(0x3c8f_52ae_7b1d_5e07_9a64_d0f1_6b2c_8e35);

/// Everything of ours carries it.
pub(crate) const TAG: &str = "gatehouse";

/// The tags of everything that belongs to an API: `:` separates, since Kong takes neither `,` nor `/` in tags.
pub(crate) fn tags(mark: &Mark) -> [String; 3] {
    [
        TAG.to_owned(),
        environment_tag(mark.environment_id),
        api_tag(mark),
    ]
}

/// What tells whose an entity is.
pub(crate) fn environment_tag(environment: EnvironmentId) -> String {
    format!("gatehouse-environment:{environment}")
}

fn api_tag(mark: &Mark) -> String {
    format!("gatehouse-api:{}", mark.api_id)
}

/// The tags of a service of an API: people find it by what Gatehouse calls it.
pub(crate) fn service_tags(mark: &Mark, reference: &ExternalRef) -> Vec<String> {
    let mut tags = tags(mark).to_vec();
    tags.push(format!(
        "gatehouse-reference:{}",
        reference.0.replace(['/', ','], "-")
    ));
    tags
}

/// Makes the identities of one generation of an API.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    generation: Uuid,
    environment: EnvironmentId,
}

impl Names {
    /// `number` tells generations of the same desired state apart: one that somebody changed is replaced by another.
    pub(crate) fn new(desired: &DesiredApi, number: u64) -> Self {
        let Mark {
            environment_id,
            api_id,
            ..
        } = &desired.mark;
        let text = format!("{environment_id}/{api_id}/{}/{number}", desired.fingerprint);
        Self {
            generation: named(NAMESPACE, &text),
            environment: *environment_id,
        }
    }

    /// The identity of something of this generation.
    pub(crate) fn of(&self, what: &str) -> String {
        named(self.generation, what).to_string()
    }

    /// The identity of something that generations and APIs of the environment share.
    pub(crate) fn shared(&self, what: &str) -> String {
        let text = format!("{}/{what}", self.environment);
        named(NAMESPACE, &text).to_string()
    }
}

/// What the gateway's identity of an API is that nobody made before us: it stays the same over all generations.
pub(crate) fn reference(mark: &Mark) -> String {
    let text = format!("{}/{}", mark.environment_id, mark.api_id);
    named(NAMESPACE, &text).to_string()
}

fn named(namespace: Uuid, text: &str) -> Uuid {
    Uuid::new_v5(&namespace, text.as_bytes())
}

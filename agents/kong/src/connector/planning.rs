//! The generation that a deploy makes: decided before anything is touched.

use gatehouse_connector_sdk::{
    context::Context,
    error::Result,
    schemas::{desired::DesiredApi, policy::Policy},
};
use uuid::Uuid;

use super::{
    conflicts,
    deploying::{self, Deploying, Generation},
    strangers, versions,
};
use crate::{
    holding::Holding,
    record::Record,
    translate::{IssuerKeys, Names, Occasion, Secrets},
};

impl Deploying<'_> {
    /// The next generation of the API, beside what is held of it, and the secrets in it. Nothing is touched before it is
    /// sure that the Kong can take it and nobody else's is in its way; what is adopted is held then.
    pub(super) async fn prepare(
        self,
        holding: &mut Holding,
        keys: &IssuerKeys,
    ) -> Result<(Generation, Secrets)> {
        let (client, request, node) = (self.client, self.request, self.node);
        let secrets = resolved(self.context, &request.desired).await?;
        let mut generation = self.generation(holding, &secrets, keys);
        versions::fit(client, &mut generation).await?;
        let name = request.desired.mark.api_name.as_str();
        conflicts::refuse_missing_plugins(&generation.form, node, name)?;
        conflicts::refuse_templates(&generation.form, node, name)?;
        strangers::adopted(client, request, holding).await?;
        strangers::refuse_places(client, request, holding).await?;
        Ok((generation, secrets))
    }

    fn generation(self, holding: &Holding, secrets: &Secrets, keys: &IssuerKeys) -> Generation {
        let desired = &self.request.desired;
        let current = holding.current().map(|current| current.record);
        let number = current.as_ref().map_or(1, |record| record.number + 1);
        let names = Names::new(desired, number);
        let external_ref = deploying::reference(self.request, current.as_ref());
        let occasion = Occasion {
            desired,
            names: &names,
            secrets,
            edition: self.node.edition,
            keys,
            flavor: self.node.flavor,
            reference: &external_ref,
            is_probed: self.settings.proxy_url.is_some(),
        };
        let hidden = Occasion {
            secrets: &Secrets::default(),
            ..occasion
        };
        // Without a policy of security, nobody gets in for a moment who must stay out.
        let is_gated = occasion.is_probed && desired.content.all_policies().any(Policy::is_security);
        let gate = is_gated.then(|| occasion.gate(&Uuid::new_v4().to_string()));
        let (form, shown) = (occasion.form(), hidden.form());
        Generation {
            form,
            gate: gate.unwrap_or_default(),
            record: Record::new(desired, external_ref, number, shown),
        }
    }
}

/// Secrets come first: without its keys, nothing of the API is written.
async fn resolved(context: &Context, desired: &DesiredApi) -> Result<Secrets> {
    let names: Vec<_> = desired.content.secret_names().into_iter().cloned().collect();
    Ok(match names.is_empty() {
        true => Secrets::default(),
        false => Secrets::new(context.secrets.resolve(&names).await?),
    })
}

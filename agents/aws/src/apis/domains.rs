//! Custom domain names: what leads from them to the stages of APIs.
//!
//! The second version of API Gateway's own API maps APIs of both kinds, and to paths of several segments.

use aws_sdk_apigatewayv2::types::ApiMapping;
use gatehouse_connector_sdk::error::{Error, ErrorKind, Result};

use super::unless_missing;
use crate::client::Account;

const LONGEST_PAGE: &str = "500";

/// What leads from a path of a domain name to a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// AWS's identity of it.
    pub(crate) id: String,
    /// The path, without slashes at its ends; empty for all.
    pub(crate) path: String,
    pub(crate) api: String,
    pub(crate) stage: String,
}

/// The mappings of the environment's domain name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Domain<'a> {
    pub(crate) account: &'a Account<'a>,
    pub(crate) name: &'a str,
    /// What it is about, for messages.
    pub(crate) object: &'a str,
}

impl Domain<'_> {
    /// Every mapping of the domain name.
    pub(crate) async fn mappings(&self) -> Result<Vec<Mapping>> {
        let mut all = Vec::new();
        let mut token = None;
        loop {
            let next = token.clone();
            let page = self
                .account
                .call("GetApiMappings", &self.said(), |clients| {
                    let call = clients.http.get_api_mappings().domain_name(self.name);
                    call.max_results(LONGEST_PAGE).set_next_token(next.clone()).send()
                })
                .await?;
            all.extend(page.items.unwrap_or_default().into_iter().map(mapping));
            token = page.next_token.filter(|next| !next.is_empty());
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    /// Leads a path to a stage, unless it leads there already. One that leads elsewhere belongs to somebody else.
    pub(crate) async fn lead(&self, path: &str, api: &str) -> Result<()> {
        let stage = &self.account.settings.stage;
        let mappings = self.mappings().await?;
        if let Some(taken) = mappings.iter().find(|mapping| mapping.path == path) {
            return match taken.api == api && taken.stage == *stage {
                true => Ok(()),
                false => Err(self.taken(taken)),
            };
        }
        self.account
            .call("CreateApiMapping", &self.said(), |clients| {
                let call = clients.http.create_api_mapping().domain_name(self.name);
                call.api_mapping_key(path).api_id(api).stage(stage).send()
            })
            .await
            .map(drop)
    }

    /// Removes what leads to the environment's stage of an API, but for one path that stays.
    pub(crate) async fn lead_no_more(&self, api: &str, but: Option<&str>) -> Result<()> {
        let stage = &self.account.settings.stage;
        for mapping in self.mappings().await? {
            let is_own = mapping.api == api && mapping.stage == *stage;
            if !is_own || but == Some(mapping.path.as_str()) {
                continue;
            }
            let removed = self
                .account
                .call("DeleteApiMapping", &self.said(), |clients| {
                    let call = clients.http.delete_api_mapping().domain_name(self.name);
                    call.api_mapping_id(&mapping.id).send()
                })
                .await;
            unless_missing(removed)?;
        }
        Ok(())
    }

    fn said(&self) -> String {
        format!("the domain name `{}` for {}", self.name, self.object)
    }

    fn taken(&self, taken: &Mapping) -> Error {
        Error::new(
            ErrorKind::Conflict,
            format!(
                "the path `/{}` of `{}` leads to the stage `{}` of API `{}`, which is not {}; choose another base path, or remove that mapping on AWS",
                taken.path, self.name, taken.stage, taken.api, self.object
            ),
        )
    }
}

fn mapping(listed: ApiMapping) -> Mapping {
    Mapping {
        id: listed.api_mapping_id.unwrap_or_default(),
        path: listed.api_mapping_key.unwrap_or_default(),
        api: listed.api_id.unwrap_or_default(),
        stage: listed.stage.unwrap_or_default(),
    }
}

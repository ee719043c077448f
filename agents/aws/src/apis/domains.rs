//! Custom domain names: what leads from them to the stages of APIs.
//!
//! The second version of API Gateway's own API maps APIs of both kinds, and to paths of several segments.

use aws_sdk_apigatewayv2::{operation::get_api_mappings::GetApiMappingsOutput, types::ApiMapping};
use gatehouse_connector_sdk::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::unless_missing;
use crate::client::{Account, Clients, LONGEST_PAGE};

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

/// The certificates of authorities that a domain name trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Truststore {
    /// The object in S3.
    pub(crate) uri: String,
    /// The version of that object, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
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
        let send = |clients: &Clients, token| {
            let call = clients.http.get_api_mappings().domain_name(self.name);
            let call = call.max_results(LONGEST_PAGE.to_string());
            call.set_next_token(token).send()
        };
        let page = |page: GetApiMappingsOutput| (page.items, page.next_token);
        let said = self.said();
        let all = self.account.every("GetApiMappings", &said, send, page);
        Ok(all.await?.into_iter().map(mapping).collect())
    }

    /// Refuses a path that leads elsewhere than to one of these APIs: it belongs to somebody else.
    pub(crate) async fn may_lead(&self, path: &str, own: &[&str]) -> Result<()> {
        self.led(path, own).await.map(drop)
    }

    /// Leads a path to a stage, unless it leads there already; in one call if it leads to the same stage of `other`, which the
    /// API takes the place of.
    pub(crate) async fn lead(&self, path: &str, api: &str, other: Option<&str>) -> Result<()> {
        let stage = &self.account.settings.stage;
        let own: Vec<&str> = [Some(api), other].into_iter().flatten().collect();
        match self.led(path, &own).await? {
            Some(mapping) if mapping.api == api => Ok(()),
            Some(mapping) => self
                .account
                .call("UpdateApiMapping", &self.said(), |clients| {
                    let call = clients.http.update_api_mapping().domain_name(self.name);
                    call.api_mapping_id(&mapping.id).api_id(api).stage(stage).send()
                })
                .await
                .map(drop),
            None => self
                .account
                .call("CreateApiMapping", &self.said(), |clients| {
                    let call = clients.http.create_api_mapping().domain_name(self.name);
                    call.api_mapping_key(path).api_id(api).stage(stage).send()
                })
                .await
                .map(drop),
        }
    }

    /// What leads from a path to the stage of one of these APIs.
    async fn led(&self, path: &str, own: &[&str]) -> Result<Option<Mapping>> {
        let stage = &self.account.settings.stage;
        let mut mappings = self.mappings().await?.into_iter();
        match mappings.find(|mapping| mapping.path == path) {
            Some(taken) if taken.stage != *stage || !own.contains(&taken.api.as_str()) => {
                Err(self.taken(&taken))
            }
            led => Ok(led),
        }
    }

    /// Removes what leads to the environment's stage of an API, but for one path that stays. A domain name that is gone leads
    /// nowhere.
    pub(crate) async fn lead_no_more(&self, api: &str, but: Option<&str>) -> Result<()> {
        let stage = &self.account.settings.stage;
        let mappings = unless_missing(self.mappings().await)?;
        for mapping in mappings.unwrap_or_default() {
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

    /// The truststore against which it checks callers' certificates; none if it asks for none, or is not there.
    pub(crate) async fn truststore(&self) -> Result<Option<Truststore>> {
        let found = self
            .account
            .call("GetDomainName", &self.said(), |clients| {
                clients.http.get_domain_name().domain_name(self.name).send()
            })
            .await;
        let trusted = unless_missing(found)?.and_then(|found| found.mutual_tls_authentication);
        Ok(trusted.and_then(|trusted| {
            Some(Truststore {
                uri: trusted.truststore_uri.filter(|uri| !uri.is_empty())?,
                version: trusted.truststore_version.filter(|version| !version.is_empty()),
            })
        }))
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

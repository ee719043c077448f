//! Lets known tenants in, and tells the upstream which one calls.
//!
//! The policy's `config` says who is known: `{"tenants": ["blue", "green"]}`.

use serde::Deserialize;

use self::{
    exports::gatehouse::policy::{request_phase, response_phase},
    gatehouse::policy::{
        log::{Level, log},
        types::{Answer, Decision, Header, HeaderChanges, Passage, Request, Response},
    },
};

wit_bindgen::generate!({
    path: "wit",
    world: "policy",
});

struct Tenants;

export!(Tenants);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    tenants: Vec<String>,
}

impl request_phase::Guest for Tenants {
    fn on_request(config: String, request: Request) -> Result<Decision, String> {
        // What goes wrong here is for the gateway's log; the request is then refused.
        let config: Config = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        let tenant = tenant(&request.headers).filter(|tenant| config.tenants.contains(tenant));
        Ok(match tenant {
            Some(tenant) => Decision::Continue(Passage {
                headers: HeaderChanges {
                    remove: vec!["x-api-tenant".to_owned()],
                    set: vec![header("x-tenant-id", &tenant)],
                    add: Vec::new(),
                },
                // Rate limits and quotas count by consumer.
                consumer: Some(tenant.clone()),
                note: Some(tenant),
            }),
            None => {
                log(Level::Info, "refused a request of no known tenant");
                Decision::Respond(Answer {
                    status: 403,
                    headers: vec![header("content-type", "text/plain")],
                    body: b"Say which tenant you are in `X-Api-Tenant`.\n".to_vec(),
                })
            }
        })
    }
}

impl response_phase::Guest for Tenants {
    fn on_response(_config: String, response: Response) -> Result<HeaderChanges, String> {
        let tenant = response.note.unwrap_or_default();
        Ok(HeaderChanges {
            remove: vec!["server".to_owned()],
            set: vec![header("x-served-tenant", &tenant)],
            add: Vec::new(),
        })
    }
}

/// Which tenant a request says it is of.
fn tenant(headers: &[Header]) -> Option<String> {
    let found = headers.iter().find(|header| header.name == "x-api-tenant")?;
    String::from_utf8(found.value.clone()).ok()
}

fn header(name: &str, value: &str) -> Header {
    Header {
        name: name.to_owned(),
        value: value.as_bytes().to_vec(),
    }
}

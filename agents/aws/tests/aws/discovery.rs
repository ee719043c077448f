//! Discovery of what an account has, and how many calls it takes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gatehouse_agent_aws::{ACCESS_KEY_ID, AwsConnector, SECRET_ACCESS_KEY};
use gatehouse_connector_conformance::{Connection, Operator};
use gatehouse_connector_sdk::{
    connector::{Connector as _, PageRequest},
    error::{ErrorKind, Result},
    schemas::{
        environment::DiscoveryFilter,
        identity::ExternalRef,
        observed::{DiscoveredItem, ObservedApi},
    },
};
use gatehouse_fake_aws::{FakeAws, FakeAwsOptions, Fault};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const REGION: &str = "eu-central-1";
const STAGE: &str = "live";

/// An account, and what discovers it.
struct Account {
    aws: FakeAws,
    operator: Operator<Arc<AwsConnector>>,
    /// What listens, if anybody does.
    listener: Option<JoinHandle<()>>,
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

impl Account {
    async fn new() -> Self {
        let aws = FakeAws::start(FakeAwsOptions::default()).await.unwrap();
        let settings = json!({
            "region": REGION, "stage": STAGE,
            "endpointUrl": aws.control_url(), "stsEndpointUrl": aws.control_url(),
        });
        let keys = [
            (ACCESS_KEY_ID, "AKIAIOSFODNN7EXAMPLE"),
            (SECRET_ACCESS_KEY, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ];
        let connection = Connection {
            settings: settings.as_object().cloned().unwrap(),
            credentials: keys
                .map(|(name, value)| (name.to_owned(), SecretString::from(value)))
                .into(),
        };
        let operator = Operator::new(Arc::new(AwsConnector::new()), connection);
        Self {
            aws,
            operator,
            listener: None,
        }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.aws.call(REGION, method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Lets AWS tell of changes from now on, through a queue that is read all the time.
    fn listen(&mut self) {
        let arn = self.aws.listen(REGION, "changes");
        let environment = Arc::get_mut(&mut self.operator.context.environment).unwrap();
        let more = [("eventQueueArn", arn), ("sqsEndpointUrl", self.aws.control_url())];
        environment
            .settings
            .extend(more.map(|(name, value)| (name.to_owned(), json!(value))));
        let (connector, context) = (self.operator.connector.clone(), self.operator.context.clone());
        self.listener = Some(tokio::spawn(async move {
            loop {
                connector.hints(&context).await.unwrap();
            }
        }));
    }

    /// Waits until everything is heard that there is to hear.
    async fn hear(&self) {
        while self.aws.messages(REGION, "changes") > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Makes a REST API of one operation, without a stage.
    fn make(&self, name: &str) -> String {
        let made = self.call("POST", "/restapis?mode=import", &document(name, "items"));
        made["id"].as_str().unwrap().to_owned()
    }

    fn deploy(&self, id: &str, stage: &str) {
        let path = format!("/restapis/{id}/deployments");
        self.call("POST", &path, &json!({"stageName": stage}));
    }

    /// Makes a REST API and deploys it to a stage.
    fn serve(&self, name: &str, stage: &str) -> String {
        let id = self.make(name);
        self.deploy(&id, stage);
        id
    }

    async fn list(&self, request: PageRequest) -> Result<Vec<DiscoveredItem>> {
        let mut items = Vec::new();
        let mut request = request;
        loop {
            let page = self
                .operator
                .connector
                .discover(&self.operator.context, request.clone());
            let page = page.await?;
            items.extend(page.items);
            match page.next {
                Some(next) => request.position = Some(next),
                None => return Ok(items),
            }
        }
    }

    /// What is found, and how many calls of each operation it takes.
    async fn discover(&self, known: &Versions) -> (Vec<DiscoveredItem>, BTreeMap<String, usize>) {
        self.aws.forget_calls();
        let items = self.list(pages(known)).await.unwrap();
        let mut calls = BTreeMap::new();
        for call in self.aws.calls() {
            *calls.entry(call.operation).or_default() += 1;
        }
        (items, calls)
    }
}

type Versions = BTreeMap<ExternalRef, String>;

fn pages(known: &Versions) -> PageRequest {
    PageRequest {
        limit: 100,
        known: Arc::new(known.clone()),
        ..PageRequest::default()
    }
}

fn document(name: &str, path: &str) -> Value {
    let integration = json!({
        "type": "http_proxy", "httpMethod": "GET", "uri": format!("https://{name}.internal/{path}"),
        "passthroughBehavior": "when_no_match",
    });
    let get = json!({
        "operationId": "list", "responses": {"200": {"description": "It"}},
        "x-amazon-apigateway-integration": integration,
    });
    json!({
        "openapi": "3.0.1", "info": {"title": name, "version": "1"},
        "paths": {format!("/{path}"): {"get": get}},
    })
}

fn found(items: &[DiscoveredItem]) -> Vec<&ObservedApi> {
    let found = items.iter().filter_map(|item| match item {
        DiscoveredItem::Api(api) => Some(&**api),
        _ => None,
    });
    found.collect()
}

fn versions(items: &[DiscoveredItem]) -> Versions {
    let found = found(items).into_iter();
    found
        .map(|api| (api.external_ref.clone(), api.version.clone().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn six_hundred_apis_are_found_and_not_read_again() {
    let account = Account::new().await;
    for number in 0..600 {
        account.serve(&format!("api-{number}"), STAGE);
    }
    let (items, first) = account.discover(&Versions::new()).await;
    assert_eq!(found(&items).len(), 600);
    let api = found(&items)[0];
    assert_eq!(
        api.content.upstreams["main"].url,
        format!("https://{}.internal", api.name)
    );
    assert!(api.definition.is_some());

    let known = versions(&items);
    let (items, again) = account.discover(&known).await;
    let unchanged = |item: &&DiscoveredItem| matches!(item, DiscoveredItem::Unchanged { .. });
    assert_eq!(items.iter().filter(unchanged).count(), 600);
    let (all, repeated): (usize, usize) = (first.values().sum(), again.values().sum());
    println!("600 APIs: {all} calls at first {first:?}, {repeated} when nothing changed {again:?}");
    assert!(all <= 2 * 600 + 10, "{first:?}");
    assert!(repeated <= 600 + 10, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn six_hundred_apis_that_no_event_names_are_not_looked_at_again() {
    let mut account = Account::new().await;
    for number in 0..600 {
        account.serve(&format!("api-{number}"), STAGE);
    }
    account.listen();
    let changed = account.serve("changed", STAGE);
    account.hear().await;
    let (items, first) = account.discover(&Versions::new()).await;
    assert_eq!(found(&items).len(), 601);

    let known = versions(&items);
    let (items, again) = account.discover(&known).await;
    let unchanged = |item: &&DiscoveredItem| matches!(item, DiscoveredItem::Unchanged { .. });
    assert_eq!(items.iter().filter(unchanged).count(), 601);
    let (all, repeated): (usize, usize) = (first.values().sum(), again.values().sum());
    println!(
        "601 APIs and events: {all} calls at first {first:?}, {repeated} when nothing changed {again:?}"
    );
    assert!(repeated * 5 <= all, "{again:?}");

    let throttle = json!({"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "5"});
    let stage = format!("/restapis/{changed}/stages/{STAGE}");
    account.call("PATCH", &stage, &json!({"patchOperations": [throttle]}));
    account.hear().await;
    let (items, calls) = account.discover(&known).await;
    let names: Vec<&str> = found(&items).iter().map(|api| api.name.as_str()).collect();
    assert_eq!(names, ["changed"]);
    assert_eq!((calls["GetStage"], calls["GetExport"]), (1, 1), "{calls:?}");

    // What listings say needs no event: nobody hears of this one.
    let rename = json!({"patchOperations": [{"op": "replace", "path": "/name", "value": "renamed"}]});
    account.call("PATCH", &format!("/restapis/{changed}"), &rename);
    let (items, _) = account.discover(&versions_with(&known, &items)).await;
    assert_eq!(found(&items)[0].name, "renamed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_removal_nobody_knows_of_is_heard() {
    let mut account = Account::new().await;
    let id = account.serve("orders", STAGE);
    account.listen();
    account.serve("stock", STAGE);
    account.hear().await;
    let (items, _) = account.discover(&Versions::new()).await;
    let known = versions(&items);
    account.aws.fail_operation("DeleteMessageBatch", Fault::LoseReply);
    let throttle = json!({"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "5"});
    let stage = format!("/restapis/{id}/stages/{STAGE}");
    account.call("PATCH", &stage, &json!({"patchOperations": [throttle]}));
    account.hear().await;
    let (items, _) = account.discover(&known).await;
    let names: Vec<&str> = found(&items).iter().map(|api| api.name.as_str()).collect();
    assert_eq!(names, ["orders"]);
}

/// What is known once more was found.
fn versions_with(known: &Versions, items: &[DiscoveredItem]) -> Versions {
    let mut all = known.clone();
    all.extend(versions(items));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_changes_makes_another_version() {
    let account = Account::new().await;
    let id = account.serve("orders", STAGE);
    let (items, _) = account.discover(&Versions::new()).await;
    let mut known = versions(&items);
    let patch = |operation: Value| json!({"patchOperations": [operation]});
    let stage = format!("/restapis/{id}/stages/{STAGE}");
    let rename = patch(json!({"op": "replace", "path": "/name", "value": "renamed"}));
    let throttle = patch(json!({"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "5"}));
    let variable = patch(json!({"op": "replace", "path": "/variables/colour", "value": "red"}));
    let changes: [(&str, String, Value); 4] = [
        ("PATCH", format!("/restapis/{id}"), rename),
        ("PATCH", stage.clone(), throttle),
        ("PATCH", stage, variable),
        (
            "POST",
            format!("/restapis/{id}/deployments"),
            json!({"stageName": STAGE}),
        ),
    ];
    for (method, path, body) in changes {
        account.call(method, &path, &body);
        let (items, _) = account.discover(&known).await;
        assert_eq!(found(&items).len(), 1, "{method} {path} {body}");
        known = versions(&items);
        let (items, _) = account.discover(&known).await;
        assert_eq!(found(&items).len(), 0, "{method} {path} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stage_serves_is_read_and_not_what_was_changed_since() {
    let account = Account::new().await;
    let id = account.serve("orders", STAGE);
    let path = format!("/restapis/{id}?mode=overwrite");
    account.call("PUT", &path, &document("orders", "lines"));
    let (items, _) = account.discover(&Versions::new()).await;
    assert_eq!(found(&items)[0].content.operations[0].r#match.path, "/items");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_and_the_listing_goes_on() {
    let account = Account::new().await;
    account.make("draft");
    account.serve("elsewhere", "test");
    let broken = account.serve("broken", STAGE);
    account.serve("orders", STAGE);
    let export = format!("/restapis/{broken}/stages/{STAGE}/exports/oas30*");
    account
        .aws
        .fail_next("GET", &export, Fault::service_unavailable());
    let (items, _) = account.discover(&Versions::new()).await;
    let mut told: Vec<String> = items
        .iter()
        .map(|item| match item {
            DiscoveredItem::Api(api) => format!("{}: found", api.name),
            DiscoveredItem::Unchanged { name, .. } => format!("{name}: unchanged"),
            DiscoveredItem::Unreadable { name, reason, .. } => {
                let reason = reason.split(';').next().unwrap_or_default();
                format!("{name}: {}", reason.replace(&broken, "ID"))
            }
        })
        .collect();
    told.sort();
    expect_test::expect![[r#"
        broken: AWS refused GetExport of `broken` (restapis/ID) in environment `under-test` (eu-central-1) with 503 ServiceUnavailableException: Service Unavailable
        draft: `draft` has no stage `live`
        elsewhere: `elsewhere` has no stage `live`
        orders: found"#]].assert_eq(&told.join("\n"));
    assert_eq!(account.aws.pending_faults(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_fails_is_an_error_and_no_empty_page() {
    let account = Account::new().await;
    account.serve("orders", STAGE);
    for operation in ["GetRestApis", "GetUsagePlans", "GetStage"] {
        account
            .aws
            .fail_operation(operation, Fault::service_unavailable());
        let error = account.list(pages(&Versions::new())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{operation}");
        assert!(error.message().contains(operation), "{}", error.message());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_leave_out_what_does_not_have_them() {
    let account = Account::new().await;
    let tagged = account.serve("tagged", STAGE);
    account.serve("plain", STAGE);
    let arn = format!("arn%3Aaws%3Aapigateway%3A{REGION}%3A%3A%2Frestapis%2F{tagged}");
    account.call("PUT", &format!("/tags/{arn}"), &json!({"tags": {"team": "shop"}}));
    for (tag, count) in [("team", 1), ("team=shop", 1), ("team=other", 0)] {
        let mut request = pages(&Versions::new());
        request.filter.tags = vec![tag.to_owned()];
        assert_eq!(found(&account.list(request).await.unwrap()).len(), count, "{tag}");
    }
    let selector = json!({"kind": "rest"}).as_object().cloned().unwrap();
    let filter = DiscoveryFilter {
        selector,
        ..DiscoveryFilter::default()
    };
    let request = PageRequest {
        filter,
        ..pages(&Versions::new())
    };
    let error = account.list(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_limits_of_usage_plans_are_read_without_values() {
    let account = Account::new().await;
    let mut keyed = document("orders", "items");
    keyed["components"] =
        json!({"securitySchemes": {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}});
    keyed["paths"]["/items"]["get"]["security"] = json!([{"api_key": []}]);
    let made = account.call("POST", "/restapis?mode=import", &keyed);
    let id = made["id"].as_str().unwrap();
    account.deploy(id, STAGE);
    let plan = json!({
        "name": "gold", "apiStages": [{"apiId": id, "stage": STAGE}],
        "throttle": {"rateLimit": 50.0, "burstLimit": 50}, "quota": {"limit": 1000, "period": "MONTH"},
    });
    let plan = account.call("POST", "/usageplans", &plan);
    let value = "a-value-of-more-than-twenty-characters";
    let key = json!({"name": "alice", "enabled": true, "value": value});
    let key = account.call("POST", "/apikeys", &key);
    let path = format!("/usageplans/{}/keys", plan["id"].as_str().unwrap());
    account.call("POST", &path, &json!({"keyId": key["id"], "keyType": "API_KEY"}));
    let (items, calls) = account.discover(&Versions::new()).await;
    let content = serde_json::to_value(&found(&items)[0].content.policies).unwrap();
    expect_test::expect![[r#"
        [{"type":"auth.apiKey","with":{"forward":true,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"}],"name":"x-api-key"}},{"type":"ratelimit","with":{"key":"consumer","limits":[{"per":"second","requests":50}]}},{"type":"quota","with":{"key":"consumer","per":"month","requests":1000}}]
        {"GetApiKeys": 1, "GetApis": 1, "GetDomainNames": 1, "GetExport": 1, "GetRestApis": 1, "GetStage": 1, "GetUsagePlanKeys": 1, "GetUsagePlans": 1}"#]].assert_eq(&format!("{content}\n{calls:?}"));
    assert!(!format!("{items:?}").contains(value));
}

#[tokio::test(flavor = "multi_thread")]
async fn http_apis_are_found_and_not_read_again() {
    let account = Account::new().await;
    let written = document("pets", "pets").to_string();
    let made = account.call("PUT", "/v2/apis", &json!({"body": written}));
    let id = made["apiId"].as_str().unwrap();
    let deployed = account.call("POST", &format!("/v2/apis/{id}/deployments"), &json!({}));
    let stage = json!({"stageName": STAGE, "deploymentId": deployed["deploymentId"]});
    account.call("POST", &format!("/v2/apis/{id}/stages"), &stage);
    let (items, _) = account.discover(&Versions::new()).await;
    let found = found(&items);
    assert_eq!(found[0].external_ref.0, format!("apis/{id}"));
    assert_eq!(found[0].content.upstreams["main"].url, "https://pets.internal");
    let known = versions(&items);
    let (items, calls) = account.discover(&known).await;
    assert!(
        matches!(items[..], [DiscoveredItem::Unchanged { .. }]),
        "{items:?}"
    );
    assert_eq!(calls.get("ExportApi"), None, "{calls:?}");
}

//! Many APIs at once, as a company has them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json, value::to_raw_value};

use super::{
    edits::SIMULATION,
    model::{Api, Backend, Deployment, Policy, Route, Settings, Snapshot, Stage},
    vendor::{Inner, now_ms},
};

/// How many APIs, and of what kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SeedRequest {
    account: String,
    count: u64,
    #[serde(default = "five")]
    operations_min: u64,
    #[serde(default = "forty")]
    operations_max: u64,
    #[serde(default = "prefix")]
    prefix: String,
    /// The same seed gives the same APIs.
    #[serde(default)]
    seed: u64,
    /// Tags of all of them.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// The stage that serves them.
    #[serde(default = "stage")]
    stage: String,
}

fn five() -> u64 {
    5
}

fn forty() -> u64 {
    40
}

fn prefix() -> String {
    "service".to_owned()
}

fn stage() -> String {
    "live".to_owned()
}

const NOUNS: [&str; 16] = [
    "orders",
    "customers",
    "invoices",
    "payments",
    "shipments",
    "products",
    "prices",
    "carts",
    "returns",
    "vouchers",
    "suppliers",
    "warehouses",
    "contracts",
    "tickets",
    "reviews",
    "sessions",
];

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Puts them in; how many operations they have together.
pub(super) fn seed(inner: &mut Inner, request: &SeedRequest) -> u64 {
    let mut dice = Dice(request.seed.wrapping_add(0x5851_F42D_4C95_7F2D));
    let mut operations = 0;
    for number in 0..request.count {
        let api = api(inner, request, number, &mut dice);
        operations += u64::try_from(api.draft.routes.len()).unwrap_or_default();
        inner.put(&request.account, api, SIMULATION, now_ms());
    }
    operations
}

/// Numbers that look random and are the same every time (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

fn api(inner: &mut Inner, request: &SeedRequest, number: u64, dice: &mut Dice) -> Api {
    let range = request.operations_max.saturating_sub(request.operations_min) + 1;
    let wanted = request.operations_min + dice.below(range);
    let name = format!("{}-{number:05}", request.prefix);
    let snapshot = snapshot(&name, wanted, dice);
    let (id, deployment_id) = (inner.store.next_id(), inner.store.next_id());
    let tier = if dice.below(4) == 0 { "public" } else { "internal" };
    let mut tags = request.tags.clone();
    tags.insert("tier".to_owned(), tier.to_owned());
    tags.insert("team".to_owned(), format!("team-{}", dice.below(40)));
    let deployment = Deployment {
        id: deployment_id.clone(),
        name: "initial".to_owned(),
        number: inner.store.next(),
        created_ms: now_ms(),
        tags: BTreeMap::new(),
        snapshot: snapshot.clone(),
    };
    let stage = Stage {
        deployment_id: deployment_id.clone(),
        version: inner.store.next(),
    };
    Api {
        id,
        name,
        tags,
        version: 0,
        created_ms: now_ms(),
        draft: snapshot,
        deployments: BTreeMap::from([(deployment_id, deployment)]),
        stages: BTreeMap::from([(request.stage.clone(), stage)]),
    }
}

fn snapshot(name: &str, wanted: u64, dice: &mut Dice) -> Snapshot {
    let routes = routes(wanted, dice);
    let backend = Backend {
        url: format!("https://{name}.internal.example"),
        timeout_ms: 30_000,
        connect_timeout_ms: 5_000,
    };
    let settings = Settings {
        title: name.to_owned(),
        api_version: format!("v{}", 1 + dice.below(4)),
        protocol: "REST".to_owned(),
        direction: "INGRESS".to_owned(),
        hostnames: Vec::new(),
        base_path: format!("/{name}"),
        backends: BTreeMap::from([("main".to_owned(), backend)]),
    };
    let limit = Policy {
        name: "limit".to_owned(),
        scope: "*".to_owned(),
        kind: "RATE_LIMIT".to_owned(),
        config: json!({"limits": [{"requests": 100, "per": "second"}], "key": "api"}),
    };
    let definition = definition(name, &settings, &routes);
    Snapshot {
        settings,
        definition: to_raw_value(&definition).ok(),
        routes,
        policies: vec![limit],
    }
}

fn routes(wanted: u64, dice: &mut Dice) -> Vec<Route> {
    let first = dice.below(16);
    let mut routes = Vec::new();
    for number in 0..wanted {
        let resource = usize::try_from((first + number / 5) % 16).unwrap_or_default();
        let noun = NOUNS[resource];
        let method = METHODS[usize::try_from(number % 5).unwrap_or_default()];
        let many = matches!(method, "GET" | "POST") && number % 2 == 0;
        let path = if many {
            format!("/{noun}")
        } else {
            format!("/{noun}/{{id}}")
        };
        if routes
            .iter()
            .any(|it: &Route| it.method == method && it.path == path)
        {
            continue;
        }
        routes.push(Route {
            method: method.to_owned(),
            operation_name: Some(format!("{}-{noun}-{number}", method.to_lowercase())),
            summary: Some(format!("{method} of {noun}")),
            deprecated: dice.below(20) == 0,
            path,
            ..Route::default()
        });
    }
    routes
}

/// An OpenAPI document that says the same as the routes.
fn definition(name: &str, settings: &Settings, routes: &[Route]) -> Value {
    let mut paths = Map::new();
    for route in routes {
        let item = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
        item[route.method.to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.0.3",
        "info": {"title": name, "version": settings.api_version, "description": format!("The {name} of the company.")},
        "servers": [{"url": format!("https://api.example{}", settings.base_path)}],
        "paths": paths,
        "components": {"schemas": {"Thing": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "createdAt": {"type": "string", "format": "date-time"},
                "state": {"type": "string", "enum": ["open", "closed", "cancelled"]},
                "amount": {"type": "number", "minimum": 0},
            },
        }}},
    })
}

fn operation(route: &Route) -> Value {
    let thing = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}});
    let mut operation = json!({
        "operationId": route.operation_name,
        "summary": route.summary,
        "responses": {
            "200": {"description": "It went well", "content": thing},
            "404": {"description": "There is no such thing"},
        },
    });
    if route.deprecated {
        operation["deprecated"] = json!(true);
    }
    if route.path.ends_with("{id}") {
        operation["parameters"] =
            json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}]);
    }
    operation
}

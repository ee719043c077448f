//! The official model of API Gateway, as botocore carries it: routes, and what every answer may be.
//!
//! `GATEHOUSE_TEST_AWS_MODEL` names the folder `data` of botocore; without it, it is that of the boto3 that `./test tools`
//! installs. Without either the answers are not checked, and a line says so.

use std::{
    env, fs,
    io::Read,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use flate2::read::GzDecoder;
use gatehouse_fake_aws::Service;
use serde_json::Value;

const VARIABLE: &str = "GATEHOUSE_TEST_AWS_MODEL";

/// The models of both versions; none when they are not at hand.
pub(crate) fn models() -> Option<&'static Models> {
    static MODELS: OnceLock<Option<Models>> = OnceLock::new();
    MODELS.get_or_init(load).as_ref()
}

fn load() -> Option<Models> {
    let Some(folder) = env::var_os(VARIABLE).map(PathBuf::from).or_else(installed) else {
        println!(
            "SKIPPED: the answers of the fake of AWS were not held to the official model; set {VARIABLE} to the folder `data` of botocore"
        );
        return None;
    };
    Some(Models {
        rest: read(&folder.join("apigateway/2015-07-09/service-2.json.gz")),
        http: read(&folder.join("apigatewayv2/2018-11-29/service-2.json.gz")),
    })
}

/// The folder of the botocore that `./test tools` installs.
fn installed() -> Option<PathBuf> {
    let python = gatehouse_fake_aws::emulators::boto()?;
    let library = python.parent()?.parent()?.join("lib");
    let versions = fs::read_dir(library).ok()?.flatten();
    let mut folders = versions.map(|version| version.path().join("site-packages/botocore/data"));
    folders.find(|folder| folder.is_dir())
}

fn read(path: &Path) -> Value {
    let file = fs::File::open(path);
    let file = file.unwrap_or_else(|error| panic!("{VARIABLE} has no `{}`: {error}", path.display()));
    let mut text = String::new();
    GzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("a model in gzip");
    serde_json::from_str(&text).expect("a model in JSON")
}

/// The models of both versions.
pub(crate) struct Models {
    rest: Value,
    http: Value,
}

impl Models {
    fn of(&self, service: Service) -> &Value {
        match service {
            Service::Rest => &self.rest,
            Service::Http => &self.http,
        }
    }

    /// Method, path and status of an operation.
    pub(crate) fn route(&self, service: Service, name: &str) -> Option<(&str, &str, u64)> {
        let http = self.of(service)["operations"].get(name)?.get("http")?;
        let status = http["responseCode"].as_u64().unwrap_or(200);
        Some((http["method"].as_str()?, http["requestUri"].as_str()?, status))
    }

    /// Everything about an answer that the model does not allow.
    pub(crate) fn problems(&self, service: Service, name: &str, answer: &Answered<'_>) -> Vec<String> {
        let model = self.of(service);
        let operation = &model["operations"][name];
        let mut problems = Vec::new();
        if answer.status < 300 {
            let declared = operation["http"]["responseCode"].as_u64().unwrap_or(200);
            if u64::from(answer.status) != declared {
                problems.push(format!("status {} where the model has {declared}", answer.status));
            }
            if let Some(output) = operation["output"]["shape"].as_str() {
                Checker {
                    model,
                    service,
                    problems: &mut problems,
                }
                .output(output, answer.body);
            }
        } else {
            errors(operation, answer, &mut problems);
        }
        problems
    }
}

/// An answer as it came.
pub(crate) struct Answered<'a> {
    pub(crate) status: u16,
    pub(crate) error: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// Errors that no operation declares, and any may have.
const COMMON: [&str; 6] = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "UnrecognizedClientException",
    "MissingAuthenticationTokenException",
    "SerializationException",
    "ServiceUnavailableException",
];

/// Refusals to delete what is in use, which the model does not declare in version 2 and which happen all the same.
const IN_USE: [(&str, &str); 3] = [
    ("DeleteApi", "BadRequestException"),
    ("DeleteDeployment", "BadRequestException"),
    ("DeleteIntegration", "ConflictException"),
];

fn errors(operation: &Value, answer: &Answered<'_>, problems: &mut Vec<String>) {
    let Some(error) = answer.error else {
        problems.push("an error without x-amzn-errortype".to_owned());
        return;
    };
    let declared = operation["errors"].as_array().into_iter().flatten();
    let declared: Vec<&str> = declared.filter_map(|one| one["shape"].as_str()).collect();
    let name = operation["name"].as_str().unwrap_or_default();
    let known = declared.contains(&error) || COMMON.contains(&error) || IN_USE.contains(&(name, error));
    if !known {
        problems.push(format!("the error {error} is not among {declared:?}"));
    }
    let body: Value = serde_json::from_slice(answer.body).unwrap_or_default();
    if !body["message"].is_string() {
        problems.push("an error without a message".to_owned());
    }
}

struct Checker<'a> {
    model: &'a Value,
    service: Service,
    problems: &'a mut Vec<String>,
}

impl Checker<'_> {
    fn output(&mut self, shape: &str, body: &[u8]) {
        if self.model["shapes"][shape].get("payload").is_some() {
            return;
        }
        let bytes = if body.is_empty() { b"{}" } else { body };
        match serde_json::from_slice(bytes) {
            Ok(value) => self.check(shape, "", &value, shape),
            Err(error) => self.problems.push(format!("no JSON: {error}")),
        }
    }

    fn check(&mut self, name: &str, member_format: &str, value: &Value, at: &str) {
        let shape = &self.model["shapes"][name];
        match shape["type"].as_str().unwrap_or_default() {
            _ if value.is_null() => self.problems.push(format!("{at}: null")),
            "structure" => self.structure(shape, value, at),
            "list" => self.list(shape, value, at),
            "map" => self.map(shape, value, at),
            "string" => self.string(shape, value, at),
            "integer" | "long" => self.expect(value.is_i64() || value.is_u64(), "integer", value, at),
            "double" | "float" => self.expect(value.is_number(), "number", value, at),
            "boolean" => self.expect(value.is_boolean(), "boolean", value, at),
            "timestamp" => {
                let iso = self.service == Service::Http
                    || shape["timestampFormat"] == "iso8601"
                    || member_format == "iso8601";
                let fits = if iso {
                    value.as_str().is_some_and(|text| text.contains('T'))
                } else {
                    value.is_number()
                };
                self.expect(fits, "timestamp", value, at);
            }
            _ => {}
        }
    }

    fn expect(&mut self, fits: bool, kind: &str, value: &Value, at: &str) {
        if !fits {
            self.problems.push(format!("{at}: {value} is no {kind}"));
        }
    }

    fn structure(&mut self, shape: &Value, value: &Value, at: &str) {
        let Some(sent) = value.as_object() else {
            self.expect(false, "structure", value, at);
            return;
        };
        let members = shape["members"].as_object().unwrap();
        let on_wire = |name: &str, member: &Value| member["locationName"].as_str().unwrap_or(name).to_owned();
        for (name, value) in sent {
            let known = members
                .iter()
                .find(|(known, member)| on_wire(known, member) == *name);
            match known {
                Some((_, member)) => {
                    let format = member["timestampFormat"].as_str().unwrap_or_default();
                    self.check(
                        member["shape"].as_str().unwrap(),
                        format,
                        value,
                        &format!("{at}.{name}"),
                    );
                }
                None => self.problems.push(format!("{at}.{name}: not in the model")),
            }
        }
        for name in shape["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            let wire = on_wire(name, &members[name]);
            if !sent.contains_key(&wire) {
                self.problems.push(format!("{at}.{wire}: required and not there"));
            }
        }
    }

    fn list(&mut self, shape: &Value, value: &Value, at: &str) {
        let Some(items) = value.as_array() else {
            self.expect(false, "list", value, at);
            return;
        };
        for (index, item) in items.iter().enumerate() {
            self.check(
                shape["member"]["shape"].as_str().unwrap(),
                "",
                item,
                &format!("{at}[{index}]"),
            );
        }
    }

    fn map(&mut self, shape: &Value, value: &Value, at: &str) {
        let Some(members) = value.as_object() else {
            self.expect(false, "map", value, at);
            return;
        };
        for (name, value) in members {
            self.check(
                shape["value"]["shape"].as_str().unwrap(),
                "",
                value,
                &format!("{at}{{{name}}}"),
            );
        }
    }

    fn string(&mut self, shape: &Value, value: &Value, at: &str) {
        let Some(text) = value.as_str() else {
            self.expect(false, "string", value, at);
            return;
        };
        let allowed: Vec<&str> = shape["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if !allowed.is_empty() && !allowed.contains(&text) {
            self.problems
                .push(format!("{at}: `{text}` is not one of {allowed:?}"));
        }
    }
}

#[test]
fn the_operations_are_those_of_the_official_model() {
    let Some(models) = models() else { return };
    for (service, method, path, status, name) in gatehouse_fake_aws::operations() {
        let expected = Some((method.as_str(), path, u64::from(status)));
        assert_eq!(models.route(service, name), expected, "{name}");
    }
}

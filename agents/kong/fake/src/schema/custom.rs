//! Rules that Kong has in code, so that its schemas do not show them, and where they hold.

use serde_json::{Map, Value};

use super::checks::{Check, quoted};
use super::model::{Kind, Meaning, Schema, Shorthand};
use super::name_rules as names;
use super::parse;
use super::rules::Rule;

/// A rule on one value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Custom {
    Name,
    Tag,
    Host,
    RouteHost,
    RoutePath,
    UpstreamName,
    Target,
    Url,
    RedirectUri,
    HeaderName,
    IpOrRange,
    PublicKey,
    Certificate,
    PrivateKey,
    LimitsInOrder,
    OneGrant,
}

impl Custom {
    /// What is wrong with a value, if anything.
    pub(crate) fn breach(self, value: &Value) -> Option<Value> {
        let said = match self {
            Self::LimitsInOrder => limits_in_order(value.as_object()?),
            Self::OneGrant => one_grant(value.as_object()?),
            on_text => on_text.text_breach(value.as_str()?),
        };
        said.map(Value::String)
    }

    fn text_breach(self, text: &str) -> Option<String> {
        match self {
            Self::Name => names::name(text),
            Self::Tag => names::tag(text),
            Self::Host => names::host(text),
            Self::RouteHost => names::route_host(text),
            Self::RoutePath => names::route_path(text),
            Self::UpstreamName => names::upstream_name(text),
            Self::Target => names::target(text),
            Self::Url => names::url(text),
            Self::RedirectUri => names::redirect_uri(text),
            Self::HeaderName => names::header_name(text),
            Self::IpOrRange => names::ip_or_range(text),
            Self::PublicKey => (!names::is_pem(text)).then(|| "invalid key".to_owned()),
            Self::Certificate => (!names::is_pem(text)).then(|| BAD_CERTIFICATE.to_owned()),
            Self::PrivateKey => (!names::is_pem(text)).then(|| BAD_KEY.to_owned()),
            Self::LimitsInOrder | Self::OneGrant => None,
        }
    }
}

const BAD_CERTIFICATE: &str = "invalid certificate: x509.new: error:680008E:asn1 encoding \
    routines:asn1_d2i_read_bio:not enough data:crypto/asn1/a_d2i_fp.c:155:";
const BAD_KEY: &str = "invalid key: pkey.new:load_key: error:1E08010C:DECODER \
    routines:OSSL_DECODER_from_bio:unsupported:crypto/encode_decode/decoder_lib.c:103:";

/// A rule on a whole entity.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EntityRule {
    /// A route says what it matches, in the words that its protocols know.
    RouteMatches,
    /// With the flavour `expressions` a route has an expression or the traditional words, never both.
    ExpressionOrWords,
}

impl EntityRule {
    /// What is wrong with an entity as a whole.
    pub(crate) fn breaches(self, entity: &Map<String, Value>) -> Option<String> {
        let set = |name: &&&str| entity.get(**name).is_some_and(|value| !value.is_null());
        match self {
            Self::RouteMatches => route_matches(entity),
            Self::ExpressionOrWords => {
                let words: Vec<&str> = WORDS.iter().filter(set).copied().collect();
                let both = entity.get("expression").is_some_and(Value::is_string) && !words.is_empty();
                let neither = !entity.get("expression").is_some_and(Value::is_string) && words.is_empty();
                let list = quoted(&WORDS);
                both.then(|| format!("Cannot set {} when 'expression' is set", quoted(&words)))
                    .or_else(|| neither.then(|| format!("must set one of {list}, 'expression'")))
            }
        }
    }
}

const WORDS: [&str; 7] = [
    "methods",
    "hosts",
    "headers",
    "paths",
    "snis",
    "sources",
    "destinations",
];

fn route_matches(route: &Map<String, Value>) -> Option<String> {
    let protocols: Vec<&str> = route
        .get("protocols")?
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let any = |names: &[&str]| protocols.iter().any(|one| names.contains(one));
    let (wanted, when): (&[&str], &str) = if any(&["https"]) {
        (&["methods", "hosts", "headers", "paths", "snis"], "'https'")
    } else if any(&["http"]) {
        (&["methods", "hosts", "headers", "paths"], "'http'")
    } else if any(&["grpcs"]) {
        (&["hosts", "headers", "paths", "snis"], "'grpcs'")
    } else if any(&["grpc"]) {
        (&["hosts", "headers", "paths"], "'grpc'")
    } else if any(&["tls_passthrough"]) {
        (&["snis"], "'tls_passthrough'")
    } else {
        (&["sources", "destinations", "snis"], "'tcp', 'tls' or 'udp'")
    };
    let given = wanted
        .iter()
        .any(|name| route.get(*name).is_some_and(|value| !value.is_null()));
    (!given).then(|| format!("must set one of {} when 'protocols' is {when}", quoted(wanted)))
}

fn limits_in_order(config: &Map<String, Value>) -> Option<String> {
    let periods = ["second", "minute", "hour", "day", "month", "year"];
    let limits: Vec<(&str, f64)> = periods
        .iter()
        .filter_map(|name| Some((*name, config.get(*name)?.as_f64()?)))
        .collect();
    let wrong = limits.windows(2).find(|pair| pair[1].1 < pair[0].1)?;
    let ((shorter, more), (longer, fewer)) = (wrong[0], wrong[1]);
    Some(format!(
        "The limit for {longer}({fewer:?}) cannot be lower than the limit for {shorter}({more:?})"
    ))
}

fn one_grant(config: &Map<String, Value>) -> Option<String> {
    let grants = [
        "enable_authorization_code",
        "enable_implicit_grant",
        "enable_client_credentials",
        "enable_password_grant",
    ];
    let any = grants
        .iter()
        .any(|grant| config.get(*grant) == Some(&Value::Bool(true)));
    (!any).then(|| format!("at least one of these fields must be true: {}", grants.join(", ")))
}

/// Puts the rules of Kong's code where they belong; `[]` stands for the elements of a list.
pub(crate) fn attach(schema_name: &str, schema: &mut Schema) {
    attach_to(schema, "tags[]", Custom::Tag);
    let places = PLACES.iter().filter(|(name, ..)| *name == schema_name);
    for (_, path, custom) in places {
        attach_to(schema, path, *custom);
    }
    match schema_name {
        "services" => schema.shorthands.push(("url".to_owned(), url_shorthand())),
        "routes" => schema.checks.push(Check::Rule(EntityRule::RouteMatches)),
        "jwt_secrets" => public_keys_only(schema),
        _ => {}
    }
}

/// The key of a signature is looked at only where the algorithm needs it.
fn public_keys_only(schema: &mut Schema) {
    for check in &mut schema.checks {
        if let Check::Conditional(conditional) = check {
            conditional.demand(Rule::Custom(Custom::PublicKey));
        }
    }
}

fn attach_to(schema: &mut Schema, path: &str, custom: Custom) {
    let (plain, of_elements) = path.strip_suffix("[]").map_or((path, false), |path| (path, true));
    let Some(field) = schema.at_mut(plain) else { return };
    match (&mut field.kind, of_elements) {
        (Kind::Array(elements) | Kind::Set(elements), true) => elements.rules.push(Rule::Custom(custom)),
        (_, false) => field.rules.push(Rule::Custom(custom)),
        _ => {}
    }
}

fn url_shorthand() -> Shorthand {
    Shorthand {
        field: parse::field(&serde_json::json!({ "type": "string" })),
        meaning: Meaning::Url,
    }
}

const PLACES: &[(&str, &str, Custom)] = &[
    ("services", "name", Custom::Name),
    ("services", "host", Custom::Host),
    ("routes", "name", Custom::Name),
    ("routes", "hosts[]", Custom::RouteHost),
    ("routes", "paths[]", Custom::RoutePath),
    ("plugins", "instance_name", Custom::Name),
    ("upstreams", "name", Custom::UpstreamName),
    ("targets", "target", Custom::Target),
    ("keys", "name", Custom::Name),
    ("key_sets", "name", Custom::Name),
    ("snis", "name", Custom::RouteHost),
    ("oauth2_credentials", "redirect_uris[]", Custom::RedirectUri),
    ("certificates", "cert", Custom::Certificate),
    ("certificates", "key", Custom::PrivateKey),
    ("ca_certificates", "cert", Custom::Certificate),
    ("rate-limiting", "config", Custom::LimitsInOrder),
    ("oauth2", "config", Custom::OneGrant),
    ("key-auth", "config.key_names[]", Custom::HeaderName),
    ("correlation-id", "config.header_name", Custom::HeaderName),
    ("ip-restriction", "config.allow[]", Custom::IpOrRange),
    ("ip-restriction", "config.deny[]", Custom::IpOrRange),
    ("http-log", "config.http_endpoint", Custom::Url),
];

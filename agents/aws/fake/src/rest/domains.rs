//! Custom domains and their base paths, as version 1 sees them.

use axum::http::Method;
use serde_json::{Value, json};

use super::patch::{Patch, patches};
use super::tags::{self, checked as checked_tags};
use crate::control::{AwsError, Call, Operation, Page, Reply, page_of, required, v1};
use crate::place::{DomainName, Entity, Place, change_object, entity, new_id, text};

const LIST: &str = "/domainnames";
const ONE: &str = "/domainnames/{domain_name}";
const MAPPINGS: &str = "/domainnames/{domain_name}/basepathmappings";
const MAPPING: &str = "/domainnames/{domain_name}/basepathmappings/{base_path}";

pub(super) const OPERATIONS: &[Operation] = &[
    v1(Method::POST, LIST, 201, "CreateDomainName", create),
    v1(Method::GET, LIST, 200, "GetDomainNames", list),
    v1(Method::GET, ONE, 200, "GetDomainName", read),
    v1(Method::PATCH, ONE, 200, "UpdateDomainName", update),
    v1(Method::DELETE, ONE, 202, "DeleteDomainName", delete),
    v1(
        Method::POST,
        MAPPINGS,
        201,
        "CreateBasePathMapping",
        create_mapping,
    ),
    v1(Method::GET, MAPPINGS, 200, "GetBasePathMappings", list_mappings),
    v1(Method::GET, MAPPING, 200, "GetBasePathMapping", read_mapping),
    v1(
        Method::PATCH,
        MAPPING,
        200,
        "UpdateBasePathMapping",
        update_mapping,
    ),
    v1(
        Method::DELETE,
        MAPPING,
        202,
        "DeleteBasePathMapping",
        delete_mapping,
    ),
];

/// The base path of a mapping of the domain itself.
pub(crate) const NO_PATH: &str = "(none)";

const GIVEN: &[&str] = &[
    "domainName",
    "certificateArn",
    "certificateName",
    "regionalCertificateArn",
    "regionalCertificateName",
    "securityPolicy",
    "endpointAccessMode",
    "ownershipVerificationCertificateArn",
    "mutualTlsAuthentication",
    "endpointConfiguration",
];

fn create(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let members = call.members()?;
    let tags = checked_tags(&members)?;
    let given = call.only(GIVEN)?;
    let name = required(&given, "domainName")?.to_lowercase();
    if place.domain_names.contains_key(&name) {
        return Err(AwsError::bad_request(
            "The domain name you provided already exists.",
        ));
    }
    let regional = !text(&given, "regionalCertificateArn").is_empty();
    if !regional && text(&given, "certificateArn").is_empty() {
        return Err(AwsError::bad_request(
            "A certificate must be specified for the domain name",
        ));
    }
    let mut made = empty(call, &name, regional);
    made.extend(given);
    made.insert("domainName".to_owned(), Value::from(name.as_str()));
    change_object(&mut made, "endpointConfiguration", |it| {
        it.entry("ipAddressType").or_insert_with(|| Value::from("ipv4"));
    });
    tags::show(&mut made, &tags);
    let domain = DomainName {
        entity: made.clone(),
        ..DomainName::default()
    };
    place.domain_names.insert(name, domain);
    Ok(Reply::of(made))
}

fn empty(call: &Call<'_>, name: &str, regional: bool) -> Entity {
    let region = call.region;
    let arn = crate::control::arn_of(region, &format!("/domainnames/{name}"));
    let mut made = entity(json!({
        "domainNameArn": arn, "domainNameStatus": "AVAILABLE", "securityPolicy": "TLS_1_2",
        "routingMode": "BASE_PATH_MAPPING_ONLY",
        "endpointConfiguration": {"types": [if regional { "REGIONAL" } else { "EDGE" }]},
    }));
    let host = if regional {
        (
            "regionalDomainName",
            "regionalHostedZoneId",
            format!("d-{}.execute-api.{region}.amazonaws.com", new_id(10)),
        )
    } else {
        (
            "distributionDomainName",
            "distributionHostedZoneId",
            format!("{}.cloudfront.net", new_id(14)),
        )
    };
    made.insert(host.0.to_owned(), Value::from(host.2));
    made.insert(host.1.to_owned(), Value::from("Z2FDTNDATAQYW2"));
    made
}

fn list(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let all = place.domain_names.iter();
    page_of(
        call,
        Page::REST,
        all.map(|(name, domain)| (name.as_str(), domain.entity.clone())),
    )
}

fn found<'p>(call: &Call<'_>, place: &'p mut Place) -> Result<&'p mut DomainName, AwsError> {
    let found = place.domain_names.get_mut(call.label("domain_name"));
    found.ok_or_else(|| AwsError::not_found("Invalid domain name identifier specified"))
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    Ok(Reply::of(found(call, place)?.entity.clone()))
}

const PATHS: &[&str] = &[
    "/certificateArn",
    "/regionalCertificateArn",
    "/securityPolicy",
    "/mutualTlsAuthentication/truststoreUri",
    "/mutualTlsAuthentication/truststoreVersion",
];

fn update(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let patches = patches(call)?;
    let domain = found(call, place)?;
    let mut changed = domain.entity.clone();
    for patch in &patches {
        apply(&mut changed, patch)?;
    }
    domain.entity = changed.clone();
    Ok(Reply::of(changed))
}

fn apply(domain: &mut Entity, patch: &Patch) -> Result<(), AwsError> {
    match patch.parts().as_slice() {
        [name @ ("certificateArn" | "regionalCertificateArn" | "securityPolicy")] => {
            patch.set_text(domain, name)
        }
        ["mutualTlsAuthentication"] if patch.removes() => {
            domain.remove("mutualTlsAuthentication");
            Ok(())
        }
        [
            "mutualTlsAuthentication",
            name @ ("truststoreUri" | "truststoreVersion"),
        ] => {
            change_object(domain, "mutualTlsAuthentication", |it| patch.set_text(it, name))?;
            let empty = crate::place::object(domain, "mutualTlsAuthentication")
                .is_none_or(|it| text(it, "truststoreUri").is_empty());
            if empty {
                domain.remove("mutualTlsAuthentication");
            }
            Ok(())
        }
        _ => Err(patch.invalid(PATHS)),
    }
}

fn delete(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    found(call, place)?;
    place.domain_names.remove(call.label("domain_name"));
    Ok(Reply::Empty)
}

/// A mapping as version 1 shows it.
fn shown(mapping: &Entity) -> Entity {
    let mut shown = mapping.clone();
    shown.remove("id");
    shown
}

fn create_mapping(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.only(&["basePath", "restApiId", "stage"])?;
    let path = match text(&given, "basePath") {
        "" => NO_PATH,
        path if path.contains('/') => {
            return Err(AwsError::bad_request(
                "API Gateway V1 doesn't support the slash character (/) in base path mappings. To create a multi-level \
                 base path mapping, use API Gateway V2.",
            ));
        }
        path => path,
    };
    let mut made = given.clone();
    made.insert("basePath".to_owned(), Value::from(path));
    map(place, call.label("domain_name"), made).map(|made| Reply::of(shown(&made)))
}

/// Keeps a new mapping of a domain.
pub(crate) fn map(place: &mut Place, domain: &str, mut made: Entity) -> Result<Entity, AwsError> {
    check_target(place, &made)?;
    let path = text(&made, "basePath").to_owned();
    let domain = place.domain_names.get_mut(domain);
    let domain = domain.ok_or_else(|| AwsError::not_found("Invalid domain name identifier specified"))?;
    if domain.mappings.contains_key(&path) {
        return Err(AwsError::conflict(
            "Base path already exists for this domain name",
        ));
    }
    made.insert("id".to_owned(), Value::from(new_id(6)));
    domain.mappings.insert(path, made.clone());
    Ok(made)
}

/// A mapping leads to an API that is there, and to one of its stages if it names one.
pub(crate) fn check_target(place: &Place, mapping: &Entity) -> Result<(), AwsError> {
    let (api, stage) = (text(mapping, "restApiId"), text(mapping, "stage"));
    let Some(stages) = place.stage_names(api) else {
        return Err(AwsError::bad_request("Invalid REST API identifier specified"));
    };
    if !stage.is_empty() && !stages.contains(&stage) {
        return Err(AwsError::bad_request("Invalid stage identifier specified"));
    }
    Ok(())
}

fn list_mappings(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let all = found(call, place)?.mappings.iter();
    page_of(
        call,
        Page::REST,
        all.map(|(path, mapping)| (path.as_str(), shown(mapping))),
    )
}

fn found_mapping<'p>(call: &Call<'_>, place: &'p mut Place) -> Result<&'p mut Entity, AwsError> {
    let found = found(call, place)?.mappings.get_mut(call.label("base_path"));
    found.ok_or_else(|| AwsError::not_found("Invalid base path mapping identifier specified"))
}

fn read_mapping(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    Ok(Reply::of(shown(found_mapping(call, place)?)))
}

fn update_mapping(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let patches = patches(call)?;
    let mut changed = found_mapping(call, place)?.clone();
    for patch in &patches {
        match patch.path.as_str() {
            "/stage" => patch.set_text(&mut changed, "stage")?,
            "/restapiId" => patch.set_text(&mut changed, "restApiId")?,
            "/basePath" => patch.set_text(&mut changed, "basePath")?,
            _ => return Err(patch.invalid(&["/basePath", "/restapiId", "/stage"])),
        }
    }
    check_target(place, &changed)?;
    let domain = found(call, place)?;
    domain.mappings.remove(call.label("base_path"));
    domain
        .mappings
        .insert(text(&changed, "basePath").to_owned(), changed.clone());
    Ok(Reply::of(shown(&changed)))
}

fn delete_mapping(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    found_mapping(call, place)?;
    found(call, place)?.mappings.remove(call.label("base_path"));
    Ok(Reply::Empty)
}

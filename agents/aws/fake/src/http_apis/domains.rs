//! Custom domains and API mappings, as version 2 sees them, and links into private networks.

use axum::http::Method;
use serde_json::{Value, json};

use crate::control::{AwsError, Call, Operation, Page, Reply, page_of, required, v2};
use crate::place::{DomainName, Entity, Place, change_object, entity, new_id, object, text};
use crate::rest::domains::{NO_PATH, check_target, map};
use crate::rest::tags::checked as checked_tags;

const LIST: &str = "/v2/domainnames";
const ONE: &str = "/v2/domainnames/{domainName}";
const MAPPINGS: &str = "/v2/domainnames/{domainName}/apimappings";
const MAPPING: &str = "/v2/domainnames/{domainName}/apimappings/{apiMappingId}";

pub(super) const OPERATIONS: &[Operation] = &[
    v2(Method::POST, LIST, 201, "CreateDomainName", create),
    v2(Method::GET, LIST, 200, "GetDomainNames", list),
    v2(Method::GET, ONE, 200, "GetDomainName", read),
    v2(Method::PATCH, ONE, 200, "UpdateDomainName", update),
    v2(Method::DELETE, ONE, 204, "DeleteDomainName", delete),
    v2(Method::POST, MAPPINGS, 201, "CreateApiMapping", create_mapping),
    v2(Method::GET, MAPPINGS, 200, "GetApiMappings", list_mappings),
    v2(Method::GET, MAPPING, 200, "GetApiMapping", read_mapping),
    v2(Method::PATCH, MAPPING, 200, "UpdateApiMapping", update_mapping),
    v2(Method::DELETE, MAPPING, 204, "DeleteApiMapping", delete_mapping),
    v2(Method::GET, "/v2/vpclinks", 200, "GetVpcLinks", list_links),
];

/// A domain is kept as version 1 has it.
fn create(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    let name = required(&given, "domainName")?.to_lowercase();
    if place.domain_names.contains_key(&name) {
        return Err(AwsError::bad_request(
            "The domain name you provided already exists.",
        ));
    }
    let first = given.get("domainNameConfigurations").and_then(|all| all.get(0));
    let Some(certificate) = first.and_then(|first| first.get("certificateArn")) else {
        return Err(AwsError::bad_request(
            "A certificate must be specified for the domain name",
        ));
    };
    let tags = checked_tags(&given)?;
    let arn = crate::control::arn_of(call.region, &format!("/domainnames/{name}"));
    let mut made = entity(json!({
        "domainName": name, "domainNameArn": arn, "domainNameStatus": "AVAILABLE", "securityPolicy": "TLS_1_2",
        "routingMode": "BASE_PATH_MAPPING_ONLY", "regionalCertificateArn": certificate,
        "regionalDomainName": format!("d-{}.execute-api.{}.amazonaws.com", new_id(10), call.region),
        "regionalHostedZoneId": "Z2FDTNDATAQYW2",
        "endpointConfiguration": {"types": ["REGIONAL"], "ipAddressType": "ipv4"},
    }));
    if let Some(authentication) = given.get("mutualTlsAuthentication") {
        made.insert("mutualTlsAuthentication".to_owned(), authentication.clone());
    }
    crate::rest::tags::show(&mut made, &tags);
    let shown = shown(&made);
    let domain = DomainName {
        entity: made,
        ..DomainName::default()
    };
    place.domain_names.insert(name, domain);
    Ok(Reply::of(shown))
}

fn shown(kept: &Entity) -> Entity {
    let regional = kept.contains_key("regionalDomainName");
    let host = if regional {
        "regionalDomainName"
    } else {
        "distributionDomainName"
    };
    let zone = if regional {
        "regionalHostedZoneId"
    } else {
        "distributionHostedZoneId"
    };
    let certificate = if regional {
        "regionalCertificateArn"
    } else {
        "certificateArn"
    };
    let mut configuration = entity(json!({
        "apiGatewayDomainName": kept[host], "hostedZoneId": kept[zone], "domainNameStatus": "AVAILABLE",
        "endpointType": if regional { "REGIONAL" } else { "EDGE" }, "ipAddressType": "ipv4",
        "securityPolicy": kept["securityPolicy"],
    }));
    if let Some(arn) = kept.get(certificate) {
        configuration.insert("certificateArn".to_owned(), arn.clone());
    }
    let mut shown = entity(json!({
        "domainName": kept["domainName"], "domainNameArn": kept["domainNameArn"], "routingMode": "API_MAPPING_ONLY",
        "apiMappingSelectionExpression": "$request.basepath", "domainNameConfigurations": [configuration],
        "tags": object(kept, "tags").cloned().unwrap_or_default(),
    }));
    if let Some(authentication) = kept.get("mutualTlsAuthentication") {
        shown.insert("mutualTlsAuthentication".to_owned(), authentication.clone());
    }
    shown
}

fn list(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let all = place.domain_names.iter();
    page_of(
        call,
        Page::HTTP,
        all.map(|(name, domain)| (name.as_str(), shown(&domain.entity))),
    )
}

fn found<'p>(call: &Call<'_>, place: &'p mut Place) -> Result<&'p mut DomainName, AwsError> {
    let found = place.domain_names.get_mut(call.label("domainName"));
    found.ok_or_else(|| AwsError::not_found("Invalid domain name identifier specified"))
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    Ok(Reply::of(shown(&found(call, place)?.entity)))
}

fn update(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    let domain = &mut found(call, place)?.entity;
    if let Some(authentication) = object(&given, "mutualTlsAuthentication") {
        change_object(domain, "mutualTlsAuthentication", |it| {
            it.extend(authentication.clone());
        });
        let off =
            object(domain, "mutualTlsAuthentication").is_none_or(|it| text(it, "truststoreUri").is_empty());
        if off {
            domain.remove("mutualTlsAuthentication");
        }
    }
    let first = given.get("domainNameConfigurations").and_then(|all| all.get(0));
    if let Some(certificate) = first.and_then(|first| first.get("certificateArn")) {
        domain.insert("regionalCertificateArn".to_owned(), certificate.clone());
    }
    Ok(Reply::of(shown(domain)))
}

fn delete(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    found(call, place)?;
    place.domain_names.remove(call.label("domainName"));
    Ok(Reply::Empty)
}

fn shown_mapping(kept: &Entity) -> Entity {
    let key = Some(text(kept, "basePath"))
        .filter(|path| *path != NO_PATH)
        .unwrap_or_default();
    entity(json!({
        "apiMappingId": kept["id"], "apiId": kept["restApiId"], "apiMappingKey": key, "stage": text(kept, "stage"),
    }))
}

/// A mapping as it is kept, which is as version 1 has it.
fn kept(given: &Entity) -> Entity {
    let key = Some(text(given, "apiMappingKey"))
        .filter(|key| !key.is_empty())
        .unwrap_or(NO_PATH);
    entity(json!({ "basePath": key, "restApiId": text(given, "apiId"), "stage": text(given, "stage") }))
}

fn create_mapping(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    required(&given, "apiId")?;
    required(&given, "stage")?;
    let made = map(place, call.label("domainName"), kept(&given))?;
    Ok(Reply::of(shown_mapping(&made)))
}

fn list_mappings(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let all = found(call, place)?.mappings.iter();
    page_of(
        call,
        Page::HTTP,
        all.map(|(path, mapping)| (path.as_str(), shown_mapping(mapping))),
    )
}

fn found_mapping(call: &Call<'_>, place: &mut Place) -> Result<Entity, AwsError> {
    let id = call.label("apiMappingId");
    let mut all = found(call, place)?.mappings.values();
    let found = all.find(|mapping| text(mapping, "id") == id).cloned();
    found.ok_or_else(|| AwsError::not_found("The API mapping identifier specified was not found"))
}

fn read_mapping(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    found_mapping(call, place).map(|mapping| Reply::of(shown_mapping(&mapping)))
}

fn update_mapping(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let before = found_mapping(call, place)?;
    let mut changed = before.clone();
    for (name, value) in call.members()? {
        match name.as_str() {
            "apiId" => changed.insert("restApiId".to_owned(), value),
            "stage" => changed.insert("stage".to_owned(), value),
            "apiMappingKey" => changed.insert("basePath".to_owned(), value),
            _ => None,
        };
    }
    check_target(place, &changed)?;
    let domain = found(call, place)?;
    domain.mappings.remove(text(&before, "basePath"));
    domain
        .mappings
        .insert(text(&changed, "basePath").to_owned(), changed.clone());
    Ok(Reply::of(shown_mapping(&changed)))
}

fn delete_mapping(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let mapping = found_mapping(call, place)?;
    found(call, place)?.mappings.remove(text(&mapping, "basePath"));
    Ok(Reply::Empty)
}

/// There are none here: those of version 1 are of another kind.
fn list_links(_: &Call<'_>, _: &mut Place) -> Result<Reply, AwsError> {
    Ok(Reply::Json(json!({ "items": Vec::<Value>::new() })))
}

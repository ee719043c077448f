//! The account itself, and what leads into private networks.

use axum::http::Method;
use serde_json::{Value, json};

use super::patch::patches;
use super::tags::{self, checked as checked_tags};
use crate::control::{AwsError, Call, Operation, Page, Reply, page, required, v1};
use crate::place::{Entity, Place, entity, new_id};

pub(super) const OPERATIONS: &[Operation] = &[
    v1(Method::GET, "/account", 200, "GetAccount", read),
    v1(Method::PATCH, "/account", 200, "UpdateAccount", update),
    v1(Method::POST, "/vpclinks", 202, "CreateVpcLink", create_link),
    v1(Method::GET, "/vpclinks", 200, "GetVpcLinks", list_links),
    v1(
        Method::GET,
        "/vpclinks/{vpclink_id}",
        200,
        "GetVpcLink",
        read_link,
    ),
    v1(
        Method::DELETE,
        "/vpclinks/{vpclink_id}",
        202,
        "DeleteVpcLink",
        delete_link,
    ),
];

fn shown(place: &Place) -> Entity {
    let mut shown = entity(json!({
        "throttleSettings": {"burstLimit": 5000, "rateLimit": 10000.0}, "features": ["UsagePlans"], "apiKeyVersion": "4",
    }));
    shown.extend(place.account.clone());
    shown
}

fn read(_: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    Ok(Reply::of(shown(place)))
}

fn update(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    for patch in patches(call)? {
        match patch.path.as_str() {
            "/cloudwatchRoleArn" => patch.set_text(&mut place.account, "cloudwatchRoleArn")?,
            _ => return Err(patch.invalid(&["/cloudwatchRoleArn"])),
        }
    }
    Ok(Reply::of(shown(place)))
}

fn create_link(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.only(&["name", "description", "targetArns"])?;
    required(&given, "name")?;
    let tags = checked_tags(&call.members()?)?;
    let id = new_id(6);
    let mut made = entity(json!({ "id": id, "status": "AVAILABLE" }));
    made.extend(given);
    tags::show(&mut made, &tags);
    place.vpc_links.insert(id, made.clone());
    Ok(Reply::of(made))
}

fn list_links(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    page(call, Page::REST, &place.vpc_links, Clone::clone)
}

fn read_link(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let found = place.vpc_links.get(call.label("vpclink_id")).cloned();
    let missing = || AwsError::not_found("Invalid VpcLink identifier specified");
    found.map(Value::Object).map(Reply::Json).ok_or_else(missing)
}

fn delete_link(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    read_link(call, place)?;
    place.vpc_links.remove(call.label("vpclink_id"));
    Ok(Reply::Empty)
}

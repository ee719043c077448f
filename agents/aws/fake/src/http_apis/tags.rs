//! Tags in version 2. They are the same as those of version 1.

use axum::http::Method;
use serde_json::json;

use crate::control::{AwsError, Call, Operation, Reply, v2};
use crate::place::Place;
use crate::rest::tags;

const PATH: &str = "/v2/tags/{resource-arn}";

pub(super) const OPERATIONS: &[Operation] = &[
    v2(Method::GET, PATH, 200, "GetTags", read),
    v2(Method::POST, PATH, 201, "TagResource", add),
    v2(Method::DELETE, PATH, 204, "UntagResource", take),
];

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let arn = call.label("resource-arn").to_owned();
    let tags = tags::at(call, place, &arn, |tags| Ok(tags.clone()))?;
    Ok(Reply::Json(json!({ "tags": tags })))
}

fn add(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let arn = call.label("resource-arn").to_owned();
    tags::add(call, place, &arn)?;
    Ok(Reply::Json(json!({})))
}

fn take(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let arn = call.label("resource-arn").to_owned();
    tags::take(call, place, &arn)?;
    Ok(Reply::Empty)
}

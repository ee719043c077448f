//! Names of resources: the partition of a region, and the ARN of a path.

/// The partition that a region belongs to.
pub(crate) fn partition(region: &str) -> &'static str {
    let others = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("eusc-", "aws-eusc"),
    ];
    let found = others
        .into_iter()
        .find(|(beginning, _)| region.starts_with(beginning));
    found.map_or("aws", |(_, name)| name)
}

/// What the names of servers of a region end with.
pub(crate) fn suffix(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "amazonaws.com.cn",
        "aws-eusc" => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

/// The ARN of what is at a path of the control plane.
pub(crate) fn arn_of(region: &str, path: &str) -> String {
    format!("arn:{}:apigateway:{region}::{path}", partition(region))
}

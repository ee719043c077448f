//! The settings of an environment that is a stage in one account and region of AWS.
//!
//! People write them in `Environment.spec.settings`. The schema that the control plane checks them against comes
//! from the type; its comments are the descriptions that people read.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::{
    context::EnvironmentContext,
    error::{Error, ErrorKind, Result},
    schemas::identity::GatewayType,
    settings,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::partition::Partition;

/// The gateway type that the agent announces.
pub const GATEWAY_TYPE: &str = "aws";

/// [`GATEWAY_TYPE`] as a type.
#[expect(clippy::expect_used, reason = "a constant that every test parses")]
pub(crate) fn gateway_type() -> GatewayType {
    GATEWAY_TYPE.parse().expect("the gateway type is a name")
}

/// The credential `accessKeyId`: static keys, in place of the default provider chain.
pub const ACCESS_KEY_ID: &str = "accessKeyId";
/// The credential `secretAccessKey`, which goes with [`ACCESS_KEY_ID`].
pub const SECRET_ACCESS_KEY: &str = "secretAccessKey";
/// The credential `sessionToken`, for temporary static keys.
pub const SESSION_TOKEN: &str = "sessionToken";

/// `Environment.spec.settings` of gateway type `aws`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsSettings {
    /// The region, of any partition: `eu-central-1`, `cn-north-1`, `us-gov-west-1`, `eusc-de-east-1`.
    #[schema(pattern = "^[a-z]{2,4}(-[a-z]+)+-[0-9]+$", example = "eu-central-1")]
    pub region: String,
    /// The stage that the environment is. Each API has it for itself.
    #[schema(pattern = "^([A-Za-z0-9_-]{1,128}|[$]default)$", example = "production")]
    pub stage: String,
    /// What an API becomes: `rest` (REST API), `http` (HTTP API), or `auto`: what expresses its policies best.
    #[serde(default = "default_kind")]
    #[schema(pattern = "^(auto|rest|http)$")]
    pub kind: String,
    /// Where a REST API that is made here is reached from: `regional`, `edge` or `private`. One that is there keeps its own.
    #[serde(default = "default_endpoint_type")]
    #[schema(pattern = "^(regional|edge|private)$")]
    pub endpoint_type: String,
    /// Private REST APIs: the interface endpoints that they are reached through. Nobody else gets to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vpc_endpoint_ids: Vec<String>,
    /// Which answers of REST APIs are passed on as they come, and may take up to 15 minutes: `never` any, those of operations
    /// that may take `long`er than 29 seconds, or `always` all. Answers that a cache keeps are passed on as a whole.
    #[serde(default = "default_response_streaming")]
    #[schema(pattern = "^(never|long|always)$")]
    pub response_streaming: String,
    /// The VPC link through which upstreams are reached. Absent means over the internet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[a-z0-9]+$", example = "a1b2c3")]
    pub vpc_link_id: Option<String>,
    /// A custom domain name of the account. An API is mapped to it below its base path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, example = "api.example.com")]
    pub domain_name: Option<String>,
    /// What must check client certificates at `domainName` where an API asks for them with `auth.mtls`. Absent means any
    /// truststore that the domain name has when the API is deployed for the first time, and the same from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub mutual_tls: Option<MutualTls>,
    /// Tags that everything gets, beside the marks of ownership.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The profile of the shared configuration files that the default provider chain uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    pub profile: Option<String>,
    /// The role to assume with the credentials found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        pattern = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/",
        example = "arn:aws:iam::111122223333:role/gatehouse"
    )]
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 2)]
    pub external_id: Option<String>,
    /// How the session of the role is called in CloudTrail.
    #[serde(default = "default_role_session_name")]
    #[schema(pattern = "^[A-Za-z0-9_=,.@-]{2,64}$")]
    pub role_session_name: String,
    /// Where API Gateway's own API is, in place of the region's: a VPC endpoint or a test server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri", pattern = "^https?://")]
    pub endpoint_url: Option<String>,
    /// Where STS is, in place of the region's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri", pattern = "^https?://")]
    pub sts_endpoint_url: Option<String>,
    /// The SQS queue of an EventBridge rule for `aws.apigateway`: changes on AWS are looked at as they happen. One
    /// environment reads it. Absent means that they are seen at the scheduled looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        pattern = "^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}([.]fifo)?$",
        example = "arn:aws:sqs:eu-central-1:111122223333:gatehouse-changes"
    )]
    pub event_queue_arn: Option<String>,
    /// Where SQS is, in place of the region's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri", pattern = "^https?://")]
    pub sqs_endpoint_url: Option<String>,
    /// Where consumers reach a stage, in place of `https://{api}.execute-api.{region}.amazonaws.com/{stage}`: a URL in
    /// which `{api}`, `{region}` and `{stage}` are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri", pattern = "^https?://")]
    pub data_plane_url: Option<String>,
    /// Whether to call the endpoints validated by FIPS 140.
    #[serde(default)]
    pub use_fips: bool,
    /// Cognito user pools whose tokens REST APIs accept; `auth.jwt` with such a pool as its issuer is enforced by a
    /// Cognito authorizer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cognito_user_pool_arns: Vec<String>,
    /// The Lambda function that enforces `auth.jwt` where API Gateway cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub jwt_authorizer: Option<LambdaAuthorizer>,
    /// The Lambda function that enforces `auth.oauth2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub oauth2_authorizer: Option<LambdaAuthorizer>,
    /// The CloudWatch log group or Firehose stream that the policy `log` writes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^arn:")]
    pub access_log_arn: Option<String>,
    /// How many earlier deployments of an API are kept on AWS, so that it can be put back in one call.
    #[serde(default = "default_kept_deployments")]
    #[schema(minimum = 0, maximum = 100)]
    pub kept_deployments: u32,
    /// How long one call of AWS may take, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    #[schema(minimum = 100, maximum = 600_000)]
    pub timeout_ms: u32,
}

/// The truststore that a domain name must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MutualTls {
    /// The object in S3 with the certificates of the authorities.
    #[schema(pattern = "^s3://[^/]+/.+", example = "s3://truststores/partners.pem")]
    pub truststore_uri: String,
    /// The version of that object. Absent means that the domain name may have any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    pub truststore_version: Option<String>,
}

/// A Lambda function that decides on requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LambdaAuthorizer {
    /// The function.
    #[schema(pattern = "^arn:aws[a-z-]*:lambda:")]
    pub function_arn: String,
    /// What it is given: `token`, the header `Authorization`; or `request`, the whole request.
    #[serde(default = "default_authorizer_type")]
    #[schema(pattern = "^(token|request)$")]
    pub r#type: String,
    /// How long its answer is kept, in seconds.
    #[serde(default)]
    #[schema(maximum = 3600)]
    pub ttl_seconds: u32,
    /// The role with which API Gateway calls it. Absent means that the function itself lets API Gateway in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/")]
    pub invoke_role_arn: Option<String>,
    /// What of a request is its identity, separated by commas.
    #[serde(default = "default_identity_source")]
    pub identity_source: String,
}

fn default_kind() -> String {
    "auto".to_owned()
}

fn default_endpoint_type() -> String {
    "regional".to_owned()
}

fn default_response_streaming() -> String {
    "never".to_owned()
}

fn default_role_session_name() -> String {
    "gatehouse".to_owned()
}

fn default_kept_deployments() -> u32 {
    5
}

fn default_timeout_ms() -> u32 {
    30_000
}

fn default_authorizer_type() -> String {
    "token".to_owned()
}

fn default_identity_source() -> String {
    "method.request.header.Authorization".to_owned()
}

/// The settings of an operation's environment.
pub(crate) fn read(environment: &EnvironmentContext) -> Result<AwsSettings> {
    let read: AwsSettings = settings::read(environment)?;
    for name in read.tags.keys() {
        if name.starts_with("gatehouse:") || name.starts_with("aws:") {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "the tag `{name}` in `spec.settings.tags` of environment `{}` has a name that is not free; choose one that begins with neither `gatehouse:` nor `aws:`",
                    environment.name
                ),
            ));
        }
    }
    Ok(read)
}

impl AwsSettings {
    /// The partition that the region is in.
    pub(crate) fn partition(&self) -> Partition {
        Partition::of_region(&self.region)
    }

    /// The resource name of something of API Gateway, as tags are attached to: `/restapis/a1b2c3`.
    pub(crate) fn resource_name(&self, path: &str) -> String {
        format!("arn:{}:apigateway:{}::{path}", self.partition().name, self.region)
    }

    /// Where SQS is, as the URLs of queues begin.
    pub(crate) fn sqs_url(&self) -> String {
        let of_region = || format!("https://sqs.{}.{}", self.region, self.partition().suffix);
        self.sqs_endpoint_url.clone().unwrap_or_else(of_region)
    }

    /// Whether REST APIs are reached from private networks alone.
    pub(crate) fn is_private(&self) -> bool {
        self.endpoint_type == "private"
    }

    /// Where consumers reach the stage of an API, without a custom domain: a private one at each of its interface endpoints.
    pub(crate) fn stage_urls(&self, api: &str, endpoints: &[String]) -> Vec<String> {
        let at = |endpoint: &String| self.stage_url(&format!("{api}-{endpoint}"));
        match self.data_plane_url.is_some() || endpoints.is_empty() {
            true => vec![self.stage_url(api)],
            false => endpoints.iter().map(at).collect(),
        }
    }

    /// Where consumers reach the stage of an API that is not private.
    pub(crate) fn stage_url(&self, api: &str) -> String {
        let suffix = self.partition().suffix;
        let template = match &self.data_plane_url {
            Some(template) => template.clone(),
            None => format!("https://{{api}}.execute-api.{{region}}.{suffix}/{{stage}}"),
        };
        let filled = template.replace("{api}", api).replace("{region}", &self.region);
        filled
            .replace("{stage}", &self.stage)
            .trim_end_matches('/')
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(fields: serde_json::Value) -> AwsSettings {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn each_partition_has_names_of_its_own() {
        let table = [
            ("eu-central-1", "aws", "amazonaws.com"),
            ("us-west-2", "aws", "amazonaws.com"),
            ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
        ];
        for (region, partition, suffix) in table {
            let settings = settings(json!({"region": region, "stage": "live"}));
            assert_eq!(settings.partition().name, partition);
            let url = format!("https://a1.execute-api.{region}.{suffix}/live");
            assert_eq!(settings.stage_url("a1"), url);
            let name = format!("arn:{partition}:apigateway:{region}::/restapis/a1");
            assert_eq!(settings.resource_name("/restapis/a1"), name);
        }
    }

    #[test]
    fn a_private_api_is_reached_at_each_of_its_endpoints() {
        let table = [
            ("eu-central-1", "amazonaws.com"),
            ("cn-north-1", "amazonaws.com.cn"),
            ("us-gov-west-1", "amazonaws.com"),
            ("eusc-de-east-1", "amazonaws.eu"),
        ];
        for (region, suffix) in table {
            let settings = settings(json!({"region": region, "stage": "live", "endpointType": "private"}));
            let endpoints = ["vpce-01".to_owned(), "vpce-02".to_owned()];
            let url = |id: &str| format!("https://a1-{id}.execute-api.{region}.{suffix}/live");
            let expected = endpoints.each_ref().map(|id| url(id));
            assert_eq!(settings.stage_urls("a1", &endpoints), expected);
            assert_eq!(settings.stage_urls("a1", &[]), [settings.stage_url("a1")]);
        }
    }

    #[test]
    fn a_test_server_has_urls_of_its_own() {
        let template = "http://127.0.0.1:4566/_aws/execute-api/{api}/{stage}/";
        let settings = settings(json!({"region": "us-east-1", "stage": "live", "dataPlaneUrl": template}));
        assert_eq!(
            settings.stage_url("a1"),
            "http://127.0.0.1:4566/_aws/execute-api/a1/live"
        );
    }

    #[test]
    fn the_schema_stands_alone() {
        let schema = settings::schema::<AwsSettings>("Settings of Amazon API Gateway");
        assert!(!schema.to_string().contains("$ref"), "{schema:#}");
        assert_eq!(schema["properties"]["kind"]["default"], "auto");
        assert_eq!(schema["required"], json!(["region", "stage"]));
    }
}

//! Stacks of CloudFormation on a MiniStack: an API of an OpenAPI document, and functions that decide who may call.

use std::{io, time::Duration};

use axum::http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// Which service a call is for: MiniStack reads it from the signature, which it does not check.
pub(super) fn signed_for(service: &str) -> HeaderValue {
    let scope = format!("AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/{service}/aws4_request");
    HeaderValue::from_str(&scope).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Makes a REST API of a document, with the tags of one that is there; its id.
pub(super) async fn rest_api(
    client: &reqwest::Client,
    endpoint: &str,
    like: &str,
    document: &[u8],
) -> io::Result<String> {
    let request = client.get(format!("{endpoint}/restapis/{like}"));
    let request = request.header("authorization", signed_for("apigateway"));
    let response = request.send().await.map_err(io::Error::other)?;
    let like: Value = response.json().await.map_err(io::Error::other)?;
    let tag = |(key, value): (&String, &Value)| json!({"Key": key, "Value": value});
    let tags: Vec<Value> = like["tags"].as_object().into_iter().flatten().map(tag).collect();
    let body: Value = serde_json::from_slice(document)?;
    let info = &body["info"];
    let properties =
        json!({"Name": info["title"], "Description": info["description"], "Body": body, "Tags": tags});
    make(client, endpoint, "AWS::ApiGateway::RestApi", &properties).await
}

/// Makes a Lambda function of Python code with the function `handler(event, context)`; its ARN.
///
/// # Errors
///
/// When MiniStack refuses.
pub async fn function(endpoint: &str, name: &str, code: &str) -> io::Result<String> {
    let client = reqwest::Client::builder().no_proxy().build();
    let client = client.map_err(io::Error::other)?;
    let role = "arn:aws:iam::000000000000:role/functions";
    let properties = json!({
        "FunctionName": name, "Runtime": "python3.11", "Role": role, "Handler": "index.handler", "Code": {"ZipFile": code},
    });
    make(&client, endpoint, "AWS::Lambda::Function", &properties).await?;
    Ok(format!(
        "arn:aws:lambda:eu-central-1:000000000000:function:{name}"
    ))
}

/// Makes a stack of one resource; the id of the resource.
async fn make(
    client: &reqwest::Client,
    endpoint: &str,
    kind: &str,
    properties: &Value,
) -> io::Result<String> {
    let template = json!({"Resources": {"One": {"Type": kind, "Properties": properties}}}).to_string();
    let stack = format!("stack-{}", uuid::Uuid::new_v4());
    let call = |action: &'static str| call(client, endpoint, action, &stack, &template);
    call("CreateStack").await?;
    loop {
        let status = call("DescribeStacks").await?;
        match element(&status, "StackStatus") {
            Some("CREATE_COMPLETE") => break,
            Some("CREATE_IN_PROGRESS") => tokio::time::sleep(Duration::from_millis(20)).await,
            _ => return Err(io::Error::other(status)),
        }
    }
    let resources = call("DescribeStackResources").await?;
    let id = element(&resources, "PhysicalResourceId").map(str::to_owned);
    id.ok_or_else(|| io::Error::other(resources))
}

async fn call(
    client: &reqwest::Client,
    endpoint: &str,
    action: &str,
    stack: &str,
    template: &str,
) -> io::Result<String> {
    let template = utf8_percent_encode(template, NON_ALPHANUMERIC);
    let mut form = format!("Action={action}&Version=2010-05-15&StackName={stack}");
    if action == "CreateStack" {
        form.push_str(&format!("&TemplateBody={template}"));
    }
    let request = client.post(format!("{endpoint}/"));
    let request = request.header("authorization", signed_for("cloudformation"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(form).send().await.map_err(io::Error::other)?;
    let status = response.status();
    let text = response.text().await.map_err(io::Error::other)?;
    if status.is_success() {
        Ok(text)
    } else {
        Err(io::Error::other(format!("{action}: {status} {text}")))
    }
}

/// The text of the first element of this name.
fn element<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text)
}

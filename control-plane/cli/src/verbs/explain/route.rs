//! `gatehouse explain route`: which route takes a request, and why.
//!
//! Decided here, by the native gateway's own router, from what is deployed in an environment; or asked from the
//! admin listener of one gateway, which knows what it serves at this moment.

use clap::Args;
use gatehouse_control_plane_api::{
    admin::{Deployment, EnvironmentResource, PolicyExplanation},
    client::{Client, ListOptions, OperationChoice},
};
use gatehouse_gateway_core::explain::{
    EffectivePolicy, Explanation, LeftOutPolicy, Outcome, Question, Route, Served, explain,
};
use gatehouse_schemas::{
    identity::{ExternalRef, ResourceName},
    revision::RevisionContent,
};
use reqwest::{
    Method, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};

use crate::{
    exit::Exit,
    failure::Failure,
    screen::{Color, Screen},
};

/// Which request, and where.
#[derive(Debug, Args)]
pub(crate) struct ExplainRouteArguments {
    /// The URL that is asked, for example `https://api.example.com/orders/42?full=1`
    url: Url,
    /// The method
    #[arg(short = 'X', long = "request", value_name = "METHOD", default_value = "GET", value_parser = parse_method)]
    method: Method,
    /// A header, `name: value`; may be given several times
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = parse_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The environment whose deployed APIs are looked at
    #[arg(long = "to", value_name = "ENVIRONMENT", required_unless_present = "gateway")]
    environment: Option<ResourceName>,
    /// The admin listener of a native gateway to ask instead, for example `http://127.0.0.1:9901`
    #[arg(long, value_name = "URL", conflicts_with = "environment")]
    pub(super) gateway: Option<Url>,
}

fn parse_method(text: &str) -> Result<Method, String> {
    let method = text.to_ascii_uppercase().parse();
    method.map_err(|_| format!("`{text}` is not a method"))
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = text
        .split_once(':')
        .and_then(|(name, value)| Some((name.trim().parse().ok()?, value.trim().parse().ok()?)));
    parsed.ok_or_else(|| format!("`{text}` is not a header; write `name: value`"))
}

/// Asks the control plane what is deployed, and decides.
pub(super) async fn of_environment(
    options: &ExplainRouteArguments,
    client: &Client,
    screen: Screen,
) -> anyhow::Result<Exit> {
    let Some(environment) = &options.environment else {
        return Err(Failure::usage("say where: `--to ENVIRONMENT` or `--gateway URL`").into());
    };
    let found: EnvironmentResource = client.get("environments", environment.as_str()).await?;
    let gateway_type = &found.spec.gateway_type;
    if gateway_type.as_str() != "native" {
        let detail = format!(
            "environment `{environment}` is of gateway type `{gateway_type}`; routes can be explained for native gateways, which decide by rules that are known here"
        );
        return Err(Failure::new(Exit::Invalid, detail).into());
    }
    let deployed = deployed(client, environment).await?;
    let served = deployed.iter().map(|it| Served {
        reference: &it.reference,
        name: it.name.as_str(),
        content: &it.content,
    });
    let mut explanation = explain(served, &question(options));
    if let Some(route) = &explanation.route {
        let taken = deployed.iter().find(|it| it.name.as_str() == route.api);
        if let Some(taken) = taken {
            let policies = in_force(client, environment, &taken.name, route).await?;
            (explanation.policies, explanation.overridden) = policies;
        }
    }
    show(&explanation, screen)
}

/// Asks one gateway.
pub(super) async fn of_gateway(
    options: &ExplainRouteArguments,
    gateway: &Url,
    screen: Screen,
) -> anyhow::Result<Exit> {
    let question = question(options);
    let target = match &question.query {
        Some(query) => format!("{}?{query}", question.path),
        None => question.path.clone(),
    };
    let headers = options.headers.iter().map(|(name, value)| {
        (
            "header",
            format!("{name}: {}", value.to_str().unwrap_or_default()),
        )
    });
    let fields = [
        ("method", question.method.to_string()),
        ("host", question.host.clone()),
        ("path", target),
    ];
    let mut url = gateway.clone();
    url.set_path("/explain");
    url.query_pairs_mut()
        .extend_pairs(fields.into_iter().chain(headers));
    let answer = reqwest::get(url).await.map_err(|error| {
        let detail = format!(
            "the admin listener at {gateway} cannot be asked; does the gateway run, with `--admin-listen` there?"
        );
        anyhow::Error::new(error).context(Failure::new(Exit::Error, detail))
    })?;
    let status = answer.status();
    if !status.is_success() {
        let detail = format!(
            "the admin listener at {gateway} answered {status}: {}",
            answer.text().await?.trim()
        );
        return Err(Failure::new(Exit::of_status(status.as_u16()), detail).into());
    }
    show(&answer.json().await?, screen)
}

fn question(options: &ExplainRouteArguments) -> Question {
    let url = &options.url;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let mut headers = HeaderMap::new();
    for (name, value) in &options.headers {
        headers.append(name, value.clone());
    }
    let asked = headers.get("host").and_then(|host| host.to_str().ok());
    let host = match asked {
        Some(asked) => asked.to_owned(),
        None => format!("{}{port}", url.host_str().unwrap_or_default()),
    };
    Question {
        method: options.method.clone(),
        host,
        path: url.path().to_owned(),
        query: url.query().map(str::to_owned),
        headers,
    }
}

/// What is deployed of one API.
struct Deployed {
    name: ResourceName,
    reference: ExternalRef,
    content: RevisionContent,
}

async fn deployed(client: &Client, environment: &ResourceName) -> anyhow::Result<Vec<Deployed>> {
    let options = ListOptions::default().filter("environment", Some(environment.as_str()));
    let deployments: Vec<Deployment> = client.list(&["deployments"], &options).await?;
    let mut deployed = Vec::with_capacity(deployments.len());
    for deployment in deployments {
        let revision = client.revision(&deployment.api, deployment.revision).await?;
        let reference = deployment.external_ref;
        if let Some(content) = revision.content {
            deployed.push(Deployed {
                reference: reference.unwrap_or_else(|| ExternalRef(deployment.api.to_string())),
                name: deployment.api,
                content,
            });
        }
    }
    Ok(deployed)
}

/// The policies in force, those of sets that are attached to the environment or the project among them.
async fn in_force(
    client: &Client,
    environment: &ResourceName,
    api: &ResourceName,
    route: &Route,
) -> anyhow::Result<(Vec<EffectivePolicy>, Vec<LeftOutPolicy>)> {
    let operation = route.operation.map(OperationChoice::At);
    let explained: PolicyExplanation = client
        .effective_policies(api, Some(environment), operation)
        .await?;
    let effective = explained.effective.into_iter().map(|it| EffectivePolicy {
        policy: it.policy,
        origins: it.origins.into_values().flatten().collect(),
        not_enforced: None,
    });
    let overridden = explained.overridden.into_iter().map(|it| LeftOutPolicy {
        policy: it.policy,
        origin: it.origin,
        reason: it.reason,
    });
    Ok((effective.collect(), overridden.collect()))
}

fn show(explanation: &Explanation, screen: Screen) -> anyhow::Result<Exit> {
    let names: Vec<String> = explanation
        .route
        .iter()
        .map(|route| format!("api/{}", route.api))
        .collect();
    screen.show(explanation, &names, || text(explanation, screen))?;
    Ok(match explanation.outcome {
        Outcome::Found => Exit::Ok,
        _ => Exit::NotFound,
    })
}

fn text(explanation: &Explanation, screen: Screen) -> String {
    let mut text = match &explanation.route {
        Some(route) => format!(
            "{}\n  api        {}\n  host       {}\n  upstreams  {}\n",
            screen.paint(Color::Bold, &line(route)),
            route.api,
            route.host,
            route.upstreams.join(", ")
        ),
        None => format!("{}\n", explanation.reason),
    };
    if !explanation.others.is_empty() {
        text.push_str("other routes for this host and path:\n");
    }
    for other in &explanation.others {
        text.push_str(&format!(
            "  {} of {}: {}\n",
            line(&other.route),
            other.route.api,
            other.reason
        ));
    }
    if explanation.route.is_some() && explanation.policies.is_empty() {
        text.push_str("no policies are in force: every request is let through as it is\n");
    } else if !explanation.policies.is_empty() {
        text.push_str("policies in force:\n");
    }
    for (position, effective) in explanation.policies.iter().enumerate() {
        let lacking = effective.not_enforced.iter();
        let lacking: String = lacking
            .map(|reason| format!("   not enforced: {reason}"))
            .collect();
        text.push_str(&format!(
            "  {}. {}   from {}{lacking}\n",
            position + 1,
            effective.policy.type_name(),
            effective.origins.join(" and ")
        ));
    }
    for left_out in &explanation.overridden {
        let line = format!(
            "  not in force: {} from {}: {}",
            left_out.policy.type_name(),
            left_out.origin,
            left_out.reason
        );
        text.push_str(&format!("{}\n", screen.paint(Color::Red, &line)));
    }
    text
}

/// A route as people say it: `GET /orders/{id}`.
fn line(route: &Route) -> String {
    let regex = route.path_regex.iter().map(|regex| format!(" matching {regex}"));
    let conditions = route.conditions.iter().map(|condition| format!(" {condition}"));
    let beyond: String = regex.chain(conditions).collect();
    format!("{} {}{beyond}", route.method, route.path)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use expect_test::expect;
    use serde_json::{Value, json};

    use super::*;
    use crate::screen::Format;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: ExplainRouteArguments,
    }

    fn options(line: &[&str]) -> ExplainRouteArguments {
        let line = ["explain"].iter().chain(line);
        Line::try_parse_from(line).expect("it parses").options
    }

    fn content(fields: Value) -> RevisionContent {
        let mut content = json!({
            "displayName": "a", "version": "v1", "type": "rest", "direction": "ingress",
            "basePath": "/orders", "upstreams": {"main": {"url": "http://a"}},
        });
        for (field, value) in fields.as_object().expect("fields") {
            content[field] = value.clone();
        }
        serde_json::from_value(content).expect("content")
    }

    #[test]
    fn a_request_is_a_url_a_method_and_headers() {
        let line = [
            "http://a.test:8080/x?y=1",
            "-X",
            "post",
            "-H",
            "V: 2",
            "--to",
            "local",
        ];
        let question = question(&options(&line));
        assert_eq!(
            (question.method.as_str(), question.host.as_str()),
            ("POST", "a.test:8080")
        );
        assert_eq!(
            (question.path.as_str(), question.query.as_deref()),
            ("/x", Some("y=1"))
        );
        assert_eq!(question.headers["v"], "2");
        let named = options(&["http://127.0.0.1/x", "-H", "host: a.test", "--to", "local"]);
        assert_eq!(super::question(&named).host, "a.test");
    }

    #[test]
    fn the_text_says_which_route_which_others_and_which_policies() {
        let content = content(json!({
            "policies": [{"type": "timeout", "with": {"responseMs": 500}}],
            "operations": [
                {"match": {"method": "GET", "path": "/{id}"}},
                {"match": {"method": "GET", "path": "/new", "headers": {"v": "2"}}},
                {"match": {"method": "GET", "path": "/new"}, "policies": [{"type": "timeout", "with": {"responseMs": 100}}]},
            ],
        }));
        let reference = ExternalRef("ref".to_owned());
        let served = Served {
            reference: &reference,
            name: "orders",
            content: &content,
        };
        let asked = question(&options(&["http://a.test/orders/new", "--to", "local"]));
        let explanation = explain([served], &asked);
        let screen = Screen::new(Format::Table);
        expect![[r#"
            GET /orders/new
              api        orders
              host       *
              upstreams  main
            other routes for this host and path:
              GET /orders/new v=2 of orders: it asks for the header `v: 2`
              GET /orders/{id} of orders: path `/orders/new` comes before `/orders/{id}`
            policies in force:
              1. timeout   from api/orders at /operations/2/policies/0
              not in force: timeout from api/orders at /policies/0: 500 is larger than the 100 of api/orders at /operations/2/policies/0
        "#]]
        .assert_eq(&text(&explanation, screen));
        assert_eq!(show(&explanation, screen).expect("shown"), Exit::Ok);
        let nowhere = question(&options(&["http://a.test/other", "--to", "local"]));
        assert_eq!(
            show(&explain([served], &nowhere), screen).expect("shown"),
            Exit::NotFound
        );
    }
}

//! Deployments: what should be where, and how that goes.

use gatehouse_control_plane_api::agent::DeploymentOutcome;
use gatehouse_schemas::identity::ExternalRef;
use serde_json::json;

use crate::harness::{api, check, condition, descriptor};

#[tokio::test]
async fn a_deployment_without_an_agent_says_so() {
    check(|control_plane| async move {
        control_plane.with_api("orders", "/orders").await;
        control_plane.with_environment("local", "read-write").await;
        let answer = control_plane.deploy("orders", "local").await;
        let location = answer.header("location").to_owned();
        let deployment = answer.expect(202);
        assert_eq!(
            location,
            format!(
                "/api/v1/deployments/{}",
                deployment["id"].as_str().expect("an id")
            )
        );
        assert_eq!(deployment["phase"], "Pending");
        assert_eq!(deployment["revision"], 1);
        let deployed = condition(&deployment, "Deployed");
        assert_eq!(deployed["reason"], "AgentOffline", "{deployment:#}");
        assert_eq!(deployed["observedGeneration"], deployment["generation"]);
        let again = control_plane.deploy("orders", "local").await.expect(200);
        assert_eq!(again["generation"], deployment["generation"]);
        let api = control_plane.get("apis/orders").await.expect(200);
        assert_eq!(api["status"]["deployments"][0]["environment"], "local");
        assert_eq!(
            control_plane.get("environments/local").await.expect(200)["status"]["deployments"],
            1
        );
    })
    .await;
}

#[tokio::test]
async fn a_deployment_moves_between_revisions() {
    check(|control_plane| async move {
        control_plane.with_api("orders", "/orders").await;
        control_plane.with_environment("local", "read-write").await;
        let first = control_plane.deploy("orders", "local").await.expect(202);
        control_plane.with_api("orders", "/orders/v2").await;
        let unchanged = control_plane
            .get(&format!("deployments/{}", first["id"].as_str().expect("an id")))
            .await;
        assert_eq!(unchanged.expect(200)["revision"], 1);
        let second = control_plane.deploy("orders", "local").await.expect(202);
        assert_eq!((&second["id"], &second["revision"]), (&first["id"], &json!(2)));
        assert!(second["generation"].as_u64() > first["generation"].as_u64());
        let body = json!({"api": "orders", "revision": 1, "environment": "local"});
        let back = control_plane.post("deployments", body).await.expect(202);
        assert_eq!(back["revision"], 1);
        let body = json!({"api": "orders", "revision": 9, "environment": "local"});
        let (_, detail) = control_plane.post("deployments", body).await.problem(404);
        assert!(detail.contains("has no revision 9; the newest is 2"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn unknown_things_cannot_be_deployed() {
    check(|control_plane| async move {
        control_plane.with_api("orders", "/orders").await;
        let (_, detail) = control_plane.deploy("orders", "nowhere").await.problem(404);
        assert_eq!(detail, "there is no environment `nowhere`");
        control_plane.with_environment("local", "read-write").await;
        let (_, detail) = control_plane.deploy("nothing", "local").await.problem(404);
        assert_eq!(detail, "there is no api `nothing`");
    })
    .await;
}

#[tokio::test]
async fn a_read_only_environment_is_not_deployed_to() {
    check(|control_plane| async move {
        control_plane.with_api("orders", "/orders").await;
        control_plane.with_environment("prod", "read-only").await;
        let (kind, detail) = control_plane.deploy("orders", "prod").await.problem(409);
        assert_eq!(kind, "mode-forbids");
        assert!(
            detail.contains("`prod` is read-only") && detail.contains("set its mode"),
            "{detail}"
        );
    })
    .await;
}

#[tokio::test]
async fn two_apis_cannot_have_the_same_place() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_environment("other", "read-write").await;
        control_plane.with_api("orders", "/shop").await;
        control_plane.with_api("customers", "/shop").await;
        control_plane.with_api("below", "/shop/below").await;
        control_plane.deploy("orders", "local").await.expect(202);
        let (kind, detail) = control_plane.deploy("customers", "local").await.problem(409);
        assert_eq!(kind, "route-conflict");
        assert_eq!(
            detail,
            "api `customers` and api `orders`, which is deployed in environment `local`, both answer * /shop on host *; change \
             the base path or host names of one of them, or undeploy `orders` first"
        );
        let places = control_plane.deploy("customers", "local").await.body["errors"].clone();
        assert_eq!(
            places,
            json!([{"pointer": "/api", "detail": "* /shop on host * is `orders`'s"}])
        );
        control_plane.deploy("customers", "other").await.expect(202);
        control_plane.deploy("below", "local").await.expect(202);
        let mut elsewhere = api("customers", "/shop");
        elsewhere["spec"]["hostnames"] = json!(["shop.example.com"]);
        control_plane.apply(json!([elsewhere])).await;
        control_plane.deploy("customers", "local").await.expect(202);
    })
    .await;
}

#[tokio::test]
async fn a_security_policy_that_cannot_be_enforced_stops_the_deploy() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_agent(&descriptor()).await;
        let mut document = api("orders", "/orders");
        document["spec"]["policies"] = json!([{"type": "auth.jwt", "with": {
            "issuer": "https://idp", "audiences": ["orders"], "jwksUri": "https://idp/jwks"}}]);
        control_plane.apply(json!([document])).await;
        let (kind, detail) = control_plane.deploy("orders", "local").await.problem(409);
        assert_eq!(kind, "policy-unsupported");
        assert_eq!(
            detail,
            "api `orders` asks for the security policy `auth.jwt`, which gateways of type `test` cannot enforce (it knows no \
             tokens); environment `local` would serve it unprotected, so it is not deployed there; protect it with a policy \
             that this gateway can enforce, or deploy it to another"
        );
        let mut document = api("orders", "/orders");
        document["spec"]["policies"] = json!([{"type": "request.size", "with": {"maxBytes": 1}}]);
        control_plane.apply(json!([document])).await;
        assert_eq!(
            control_plane.deploy("orders", "local").await.problem(409).1,
            "the gateway of environment `local` cannot express all of api `orders`: `request.size` is lost (its connector does \
             not list it); accept that with `--accept-loss` (`acceptLoss`) or for the whole environment with \
             `spec.acceptLoss`, or change the policies"
        );
    })
    .await;
}

#[tokio::test]
async fn undeploying_waits_for_the_gateway_and_can_be_taken_back() {
    check(|control_plane| async move {
        control_plane.with_api("orders", "/orders").await;
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_agent(&descriptor()).await;
        let deployment = control_plane.deploy("orders", "local").await.expect(202);
        let path = format!("deployments/{}", deployment["id"].as_str().expect("an id"));
        let removing = control_plane.delete(&path).await.expect(202);
        assert_eq!(removing["phase"], "Removing");
        assert!(removing["generation"].as_u64() > deployment["generation"].as_u64());
        assert_eq!(
            control_plane.delete(&path).await.expect(202)["generation"],
            removing["generation"]
        );
        let (kind, detail) = control_plane.delete("apis/orders").await.problem(409);
        assert_eq!(kind, "in-use");
        assert!(detail.contains("deployment of orders in local"), "{detail}");
        control_plane.delete("environments/local").await.problem(409);
        let back = control_plane.deploy("orders", "local").await.expect(202);
        assert_eq!(
            (&back["id"], &back["phase"]),
            (&deployment["id"], &json!("Pending"))
        );
        control_plane
            .delete(&format!("deployments/{}", uuid::Uuid::nil()))
            .await
            .problem(404);
    })
    .await;
}

#[tokio::test]
async fn what_never_reached_a_gateway_is_undeployed_at_once() {
    check(|control_plane| async move {
        control_plane.with_api("orders", "/orders").await;
        control_plane.with_environment("local", "read-write").await;
        let deployment = control_plane.deploy("orders", "local").await.expect(202);
        let path = format!("deployments/{}", deployment["id"].as_str().expect("an id"));
        control_plane.delete(&path).await.expect(202);
        control_plane.get(&path).await.problem(404);
        control_plane.delete("environments/local").await.expect(204);
        control_plane.delete("apis/orders").await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn deployments_are_listed_by_api_and_environment() {
    check(|control_plane| async move {
        control_plane.with_environment("one", "read-write").await;
        control_plane.with_environment("two", "read-write").await;
        for name in ["a", "b"] {
            control_plane.with_api(name, &format!("/{name}")).await;
            control_plane.deploy(name, "one").await.expect(202);
            control_plane.deploy(name, "two").await.expect(202);
        }
        let count = |query: &'static str| {
            let control_plane = control_plane.clone();
            async move {
                let page = control_plane
                    .get(&format!("deployments{query}"))
                    .await
                    .expect(200);
                page["items"].as_array().map(Vec::len)
            }
        };
        assert_eq!(count("").await, Some(4));
        assert_eq!(count("?api=a").await, Some(2));
        assert_eq!(count("?api=a&environment=two").await, Some(1));
        assert_eq!(count("?api=none").await, Some(0));
        assert_eq!(count("?limit=3").await, Some(3));
    })
    .await;
}

#[tokio::test]
async fn a_deployment_notices_agents_that_come_and_go() {
    check(|control_plane| async move {
        control_plane.with_api("orders", "/orders").await;
        control_plane.with_environment("local", "read-write").await;
        let deployment = control_plane.deploy("orders", "local").await.expect(202);
        let path = format!("deployments/{}", deployment["id"].as_str().expect("an id"));
        let agent = control_plane.with_agent(&descriptor()).await;
        control_plane
            .until(&path, |it| condition(it, "Deployed")["reason"] == "Pending")
            .await;
        let observed = control_plane.desired(&deployment).await;
        let outcome = DeploymentOutcome::Deployed {
            external_ref: ExternalRef("there".to_owned()),
            endpoint_urls: vec!["http://127.0.0.1:8080/orders".to_owned()],
            observed,
        };
        control_plane.with_report(agent, &deployment, &outcome).await;
        // Nobody renews the lease of two seconds: the agent is gone, and whether it still serves is unknown.
        let offline = control_plane
            .until(&path, |it| {
                it["phase"] == "Deployed" && condition(it, "Accepted")["reason"] == "AgentOffline"
            })
            .await;
        assert_eq!(condition(&offline, "InSync")["status"], "Unknown");
    })
    .await;
}

#[tokio::test]
async fn deploying_again_after_a_failure_is_another_attempt() {
    check(|control_plane| async move {
        control_plane.with_api("orders", "/orders").await;
        control_plane.with_environment("local", "read-write").await;
        let agent = control_plane.with_agent(&descriptor()).await;
        let first = control_plane.deploy("orders", "local").await.expect(202);
        let failed = DeploymentOutcome::Failed {
            reason: "UpstreamInvalid".to_owned(),
            message: "the upstream cannot be used".to_owned(),
            retrying: false,
        };
        control_plane.with_report(agent, &first, &failed).await;
        let path = format!("deployments/{}", first["id"].as_str().expect("an id"));
        // The report was written beside the Agent API; the next change of agents makes the state be told again.
        let seen = control_plane.until(&path, |it| it["phase"] == "Failed").await;
        assert_eq!(condition(&seen, "Deployed")["reason"], "UpstreamInvalid");
        let second = control_plane.deploy("orders", "local").await.expect(202);
        assert!(second["generation"].as_u64() > first["generation"].as_u64());
    })
    .await;
}

#[tokio::test]
async fn an_environment_keeps_its_gateway_type_while_apis_are_deployed() {
    check(|control_plane| async move {
        control_plane.with_api("orders", "/orders").await;
        control_plane.with_environment("local", "read-write").await;
        control_plane.deploy("orders", "local").await.expect(202);
        let body = json!({"metadata": {"name": "local"}, "spec": {"gatewayType": "kong"}});
        let (kind, _) = control_plane.put("environments/local", body).await.problem(409);
        assert_eq!(kind, "in-use");
    })
    .await;
}

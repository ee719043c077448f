//! Crashes: what was acknowledged stays, what was asked for is finished once, what is protected stays protected.

use std::{
    io::Write as _,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gatehouse_integration_tests::{
    admin::{Admin, condition},
    control_plane::ControlPlane,
    database::Database,
    gateway::Gateway,
    memory_agent::{self, MemoryAgent},
    stack::{Stack, api, api_key_policy, environment, join_token, secret},
    upstream::Upstream,
    wait,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

super::on_both_databases! {
    a_deployment_without_an_agent_waits_and_says_so
    a_gateway_killed_during_deploys_finishes_each_once
    an_agent_killed_in_the_middle_of_a_deploy_finishes_it_exactly_once
    a_control_plane_killed_under_writes_loses_nothing_it_acknowledged
    callers_that_go_away_in_the_middle_of_a_request_disturb_nobody
}

async fn a_deployment_without_an_agent_waits_and_says_so(database: Database) {
    let mut stack = Stack::start(database).await;
    let upstream = Upstream::start("orders").await;
    stack
        .admin
        .apply(json!([
            api("orders", &upstream.url()),
            environment("lonely", "nobody-serves-this", "read-write"),
        ]))
        .await;

    // Nobody ever came for it.
    let asked = stack.admin.deploy("orders", None, "lonely").await;
    expect_waiting(&stack.admin, &asked).await;
    // With --wait, the command line gives up in its own time, and says why.
    let outcome = stack
        .cli
        .run("deploy orders --to lonely --wait --timeout 1s".split_whitespace())
        .await
        .expect_code(7);
    outcome.expect_said("agent");

    // The agent was there and is gone: its lease runs out, the deployment waits, and is finished on its return.
    stack.gateway.kill();
    wait::until_true("the agent is known to be offline", async || {
        let agents = stack.admin.get("/agents").await;
        agents["items"][0]["online"] == false
    })
    .await;
    let asked = stack.admin.deploy("orders", None, "local").await;
    expect_waiting(&stack.admin, &asked).await;
    stack.gateway.restart().await;
    let deployed = stack.admin.deployed(&asked).await;
    assert_eq!(condition(&deployed, "Deployed").0, "True");
    assert_eq!(stack.gateway.call("/orders/1").await.status(), 200);
}

async fn expect_waiting(admin: &Admin, asked: &Value) {
    let now = admin
        .get(&format!("/deployments/{}", asked["id"].as_str().unwrap()))
        .await;
    assert_eq!(now["phase"], "Pending", "{now:#}");
    let (status, reason, message) = condition(&now, "Deployed");
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("False", "AgentOffline"),
        "{now:#}"
    );
    assert!(message.contains("agent"), "{message}");
}

async fn a_gateway_killed_during_deploys_finishes_each_once(database: Database) {
    let mut stack = Stack::start(database).await;
    let upstreams = [Upstream::start("one").await, Upstream::start("two").await];
    for upstream in &upstreams {
        stack.admin.apply(json!([api("orders", &upstream.url())])).await;
    }
    for round in 0..12_u64 {
        let revision = round % 2 + 1;
        // The first round stops the gateway before the work can reach it; the others kill it at an arbitrary point.
        if round == 0 {
            stack.gateway.process().signal("STOP");
        }
        let asked = stack.admin.deploy("orders", Some(revision), "local").await;
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        stack.gateway.kill();
        stack.gateway.restart().await;
        stack.admin.deployed(&asked).await;
        let answered = stack.gateway.call("/orders/1").await;
        let expected = ["one", "two"][usize::try_from(revision - 1).unwrap()];
        assert_eq!(answered.headers()["x-upstream"], expected, "round {round}");
    }

    // Once each: the gateway holds one API, which carries our mark, and the control plane one deployment.
    let asked = stack
        .admin
        .post("/discoveries", json!({"environment": "local"}))
        .await
        .expect_ok();
    let id = asked["id"].as_str().unwrap();
    wait::until_true("the discovery is complete", async || {
        stack.admin.get(&format!("/discoveries/{id}")).await["state"] == "Complete"
    })
    .await;
    let items = stack.admin.get(&format!("/discoveries/{id}/items")).await;
    let items = items["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{items:#?}");
    assert_eq!(items[0]["class"], "unchanged", "{items:#?}");
    let deployments = stack.admin.get("/deployments").await;
    assert_eq!(deployments["items"].as_array().unwrap().len(), 1);
    let agents = stack.admin.get("/agents").await;
    assert_eq!(
        agents["items"].as_array().unwrap().len(),
        1,
        "a restart is not a new agent: {agents:#}"
    );
}

async fn an_agent_killed_in_the_middle_of_a_deploy_finishes_it_exactly_once(database: Database) {
    let stack = Stack::start(database).await;
    stack
        .admin
        .apply(json!([api("orders", "http://127.0.0.1:9")]))
        .await;
    let token = join_token(&stack.admin, "memory").await;
    let folder = stack.folder.path().join("memory-agent");
    let mut agent = MemoryAgent::start(&stack.control_plane.url(), &token, folder);
    let long = 600_000;
    for (name, interruption) in [
        ("before", json!({ "delayBeforeEffectMs": long })),
        ("after", json!({ "delayAfterEffectMs": long })),
    ] {
        let file = stack.folder.path().join(format!("{name}.json"));
        let interrupted = memory_agent::environment(name, &file, &interruption);
        stack.admin.apply(json!([interrupted])).await;
        let asked = stack.admin.deploy("orders", None, name).await;
        if name == "before" {
            let path = format!("/deployments/{}", asked["id"].as_str().unwrap());
            wait::until_true("the agent is at work", async || {
                stack.admin.get(&path).await["phase"] == "Deploying"
            })
            .await;
            assert_eq!(memory_agent::contents(&file), Value::Null, "no effect yet");
        } else {
            wait::until_true("the gateway has changed", async || {
                memory_agent::contents(&file)["created"] == 1
            })
            .await;
        }
        agent.kill();

        let uninterrupted = memory_agent::environment(name, &file, &json!({}));
        stack.admin.apply(json!([uninterrupted])).await;
        agent.restart();
        stack.admin.deployed(&asked).await;
        let contents = memory_agent::contents(&file);
        assert_eq!(contents["created"], 1, "{name}: {contents:#}");
        assert_eq!(contents["updated"], 0, "{name}: {contents:#}");
        assert_eq!(
            contents["apis"].as_object().unwrap().len(),
            1,
            "{name}: {contents:#}"
        );
    }
}

async fn a_control_plane_killed_under_writes_loses_nothing_it_acknowledged(database: Database) {
    const WRITERS: usize = 6;
    const ENOUGH: usize = 120;
    let mut stack = Stack::start(database).await;
    let upstream = Upstream::start("orders").await;
    stack.admin.apply(json!([api("orders", &upstream.url())])).await;
    stack.admin.deploy_and_wait("orders", None, "local").await;
    let acknowledged = Arc::new(std::sync::Mutex::new(Vec::new()));
    let killed = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write_until_killed(
            writer,
            stack.admin.clone(),
            Arc::clone(&acknowledged),
            Arc::clone(&killed),
        ));
    }
    wait::until_true("enough was acknowledged", async || {
        acknowledged.lock().unwrap().len() >= ENOUGH
    })
    .await;
    stack.control_plane.kill();
    killed.store(true, Ordering::SeqCst);
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }

    // The gateway needs no control plane to serve.
    assert_eq!(stack.gateway.call("/orders/1").await.status(), 200);

    stack.control_plane.restart().await;
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() >= ENOUGH);
    for (name, deployed) in acknowledged {
        let api = stack.admin.get(&format!("/apis/{name}")).await;
        assert_eq!(api["status"]["latestRevision"], 1, "{name}");
        let places = api["status"]["deployments"].as_array().unwrap();
        assert_eq!(places.len(), usize::from(deployed), "{name}: {api:#}");
    }
    // And the agent finds its way back without help: all that was asked for is carried out.
    wait::until_true("everything is deployed", async || {
        let deployments = stack.admin.get("/deployments?limit=200").await;
        let items = deployments["items"].as_array().unwrap().clone();
        items.iter().all(|deployment| deployment["phase"] == "Deployed")
    })
    .await;
}

/// Creates and deploys APIs until the control plane is gone; keeps what was acknowledged.
async fn write_until_killed(
    writer: usize,
    admin: Admin,
    acknowledged: Arc<std::sync::Mutex<Vec<(String, bool)>>>,
    killed: Arc<AtomicBool>,
) {
    for number in 0.. {
        let name = format!("api-{writer}-{number}");
        let documents = json!({"documents": [api(&name, "http://127.0.0.1:9")]});
        let applied = admin.try_send(Method::POST, "/apply", Some(&documents)).await;
        let Ok(answer) = applied else { break };
        answer.expect_ok();
        let request = json!({"api": name, "environment": "local"});
        let deployed = admin.try_send(Method::POST, "/deployments", Some(&request)).await;
        let deployed = deployed.map(|answer| answer.expect_ok()).is_ok();
        if deployed {
            acknowledged.lock().unwrap().push((name, true));
        }
        if !deployed || killed.load(Ordering::SeqCst) {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_restarted_without_control_plane_serves_the_same_and_lets_nobody_in() {
    let mut stack = Stack::start(Database::Sqlite).await;
    let upstream = Upstream::start("orders").await;
    let mut protected = api("orders", &upstream.url());
    protected["spec"]["policies"] = json!([api_key_policy("shop", "shop-key")]);
    stack
        .admin
        .apply(json!([
            secret("shop-key", "open-sesame"),
            protected,
            api("open", &upstream.url()),
        ]))
        .await;
    stack.admin.deploy_and_wait("orders", None, "local").await;
    stack.admin.deploy_and_wait("open", None, "local").await;
    assert_eq!(stack.gateway.call("/orders/1").await.status(), 401);

    stack.control_plane.kill();
    for _ in 0..5 {
        stack.gateway.kill();
        stack.gateway.launch();
        assert_eq!(
            first_status(&stack.gateway, "/orders/1").await,
            401,
            "from the first request"
        );
        let opened = stack
            .gateway
            .call_with("/orders/1", "x-api-key", "open-sesame")
            .await;
        assert_eq!(opened.status(), 200);
        assert_eq!(stack.gateway.call("/open/1").await.status(), 200);
        let wrong = stack.gateway.call_with("/orders/1", "x-api-key", "wrong").await;
        assert_eq!(wrong.status(), 401);
    }
    let kept = std::process::Command::new("grep")
        .args(["-rl", "open-sesame"])
        .arg(stack.gateway.folder())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&kept.stdout),
        "",
        "the key itself is in no file"
    );
}

/// The status of the very first answer of a gateway that is just starting.
async fn first_status(gateway: &Gateway, path: &str) -> u16 {
    let url = gateway.url(path);
    let http = reqwest::Client::new();
    wait::until("the gateway answers", async || http.get(&url).send().await)
        .await
        .status()
        .as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_of_the_environment_serves_the_same() {
    let mut stack = Stack::start(Database::Sqlite).await;
    let upstream = Upstream::start("orders").await;
    stack.admin.apply(json!([api("orders", &upstream.url())])).await;
    stack.admin.deploy_and_wait("orders", None, "local").await;

    let token = join_token(&stack.admin, "native").await;
    let folder = stack.folder.path().join("second");
    let second = Gateway::start(&stack.control_plane.url(), &token, folder).await;
    wait::until_true("the second gateway serves", async || {
        second.call("/orders/1").await.status() == 200
    })
    .await;

    // Without the first one, nothing changes for the second: neither holds a lease that the other waits for.
    stack.gateway.kill();
    let asked = stack.admin.get("/deployments").await["items"][0].clone();
    stack
        .admin
        .send(
            Method::DELETE,
            &format!("/deployments/{}", asked["id"].as_str().unwrap()),
            None,
        )
        .await
        .expect_ok();
    wait::until_true("the second gateway has taken it down", async || {
        second.call("/orders/1").await.status() == 404
    })
    .await;
}

/// A request that is given up by its caller must leave nothing behind that others work with: no open transaction, no
/// old view of the data.
async fn callers_that_go_away_in_the_middle_of_a_request_disturb_nobody(database: Database) {
    const GONE: u64 = 1_500;
    let folder = tempfile::tempdir().unwrap();
    let mut control_plane = ControlPlane::start(database, folder.path().join("control-plane")).await;
    let admin = control_plane.admin();
    let agent_token = agent_token(&control_plane).await;
    let gone = Arc::new(AtomicU64::new(0));
    let caller = {
        let address = control_plane.url().replace("http://", "");
        let gone = Arc::clone(&gone);
        std::thread::spawn(move || {
            while gone.load(Ordering::SeqCst) < GONE {
                let number = gone.fetch_add(1, Ordering::SeqCst);
                // Anywhere between the request's arrival and its answer.
                go_away_after(&address, &agent_token, Duration::from_micros(number * 37 % 8_000));
            }
        })
    };
    let mut revision = 0;
    while gone.load(Ordering::SeqCst) < GONE {
        revision += 1;
        let document = api("orders", &format!("http://127.0.0.1:{}", 10_000 + revision));
        let applied = admin.apply(json!([document])).await;
        assert_eq!(applied["results"][0]["revision"], revision, "{applied:#}");
        for _ in 0..3 {
            let read = admin.get("/apis/orders").await;
            assert_eq!(
                read["status"]["latestRevision"], revision,
                "what was acknowledged is read"
            );
        }
    }
    caller.join().unwrap();
    let log = control_plane.process().output();
    let confused: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("transaction in progress"))
        .collect();
    assert!(confused.is_empty(), "{confused:#?}");
}

fn go_away_after(address: &str, token: &str, patience: Duration) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    let request = format!(
        "GET /agent/v1/work?after=0 HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let began = Instant::now();
    if stream.write_all(request.as_bytes()).is_ok() {
        // Timers are too coarse to meet what takes a tenth of a millisecond.
        while began.elapsed() < patience {
            std::hint::spin_loop();
        }
    }
}

/// The token of a new agent that has opened a session.
async fn agent_token(control_plane: &ControlPlane) -> String {
    let join_token = join_token(&control_plane.admin(), "test").await;
    let http = reqwest::Client::new();
    let post = async |path: &str, token: &str, body: Value| -> Value {
        let url = format!("{}/agent/v1/{path}", control_plane.url());
        let response = http
            .post(url)
            .bearer_auth(token)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json().await.unwrap()
    };
    // SHA-256 of the key `key`, which an agent would make at random.
    let hash = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";
    let enroll = json!({"joinToken": join_token, "gatewayType": "test", "name": "test", "keySha256": hash});
    let agent = post("enroll", "", enroll).await;
    let exchange = json!({"agentId": agent["agentId"], "key": "key"});
    let token = post("token", "", exchange).await["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let descriptor = json!({
        "gatewayType": "test",
        "displayName": "Test",
        "version": "1.0.0",
        "capabilities": {"deploy": true},
        "settingsSchema": {"type": "object"},
        "policies": [],
    });
    let session = json!({"descriptor": descriptor, "protocolMin": 2, "protocolMax": 2});
    post("session", &token, session).await;
    token
}

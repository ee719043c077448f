//! `gatehouse dev`: useful in the first minute, picked up again by the next start.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::harness::{Home, Running, free_address};

/// How long an agent may take to connect.
const PATIENCE: Duration = Duration::from_secs(30);

/// Three free addresses as options of `dev`.
fn options() -> Vec<String> {
    ["--listen", "--gateway-listen", "--admin-listen"]
        .into_iter()
        .flat_map(|option| [option.to_owned(), free_address().to_string()])
        .collect()
}

fn command(home: &Home, options: &[String], more: &[&str]) -> Command {
    let mut command = home.command(&["dev", "-o", "json"]);
    command.args(options).args(more);
    command
}

fn start(home: &Home, options: &[String], more: &[&str]) -> (Running, Value) {
    let mut running = Running::start(command(home, options, more));
    let welcome = serde_json::from_str(&running.line()).unwrap();
    (running, welcome)
}

async fn get(url: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = client.get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn the_first_minute_and_the_second_start() {
    let home = Home::new();
    let options = options();
    let (running, first) = start(&home, &options, &[]);
    let curl = first["curl"].as_str().unwrap().to_owned();
    let url = curl.strip_prefix("curl -i ").unwrap().to_owned();
    let (status, body) = get(&url).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("Hello, world!"), "{body}");
    let (status, _) = get(first["docs"].as_str().unwrap()).await;
    assert_eq!(status, 200);

    // The context is written and in use.
    assert_eq!(first["contextInUse"], true);
    assert_eq!(home.ok("context current").trim(), "dev");
    assert_eq!(home.json("whoami")["role"], "admin");
    assert!(home.ok("get environments").contains("local"));

    // Deploy, call, discover, undeploy.
    home.write("greetings.yaml", &format!(
        "kind: Api\nmetadata: {{name: greetings}}\nspec: {{basePath: /greetings, upstreams: {{main: {{url: '{}'}}}}}}\n",
        home.json("get api sample")["spec"]["upstreams"]["main"]["url"].as_str().unwrap()
    ));
    home.ok("apply -f greetings.yaml");
    let endpoint = home.ok("deploy greetings --to local --wait");
    assert_eq!(endpoint.lines().count(), 1, "{endpoint}");
    let (status, _) = get(&format!("{}/hello/you", endpoint.trim())).await;
    assert_eq!(status, 200);
    let found = home.json("discover local --wait");
    assert_eq!(found["discovery"]["state"], "Complete", "{found}");
    assert_eq!(found["items"].as_array().unwrap().len(), 2, "{found}");
    let id = found["discovery"]["id"].as_str().unwrap();
    assert!(home.ok(&format!("discoveries show {id}")).contains("unchanged"));
    home.ok(&format!("import {id} --all"));
    home.ok("undeploy greetings --from local --wait");
    let (status, _) = get(&format!("{}/hello/you", endpoint.trim())).await;
    assert_eq!(status, 404);

    // One process per folder.
    let refused = command(&home, &self::options(), &[]).output().unwrap();
    assert_eq!(refused.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another gatehouse uses"));

    assert_eq!(running.terminate(), Some(0));
    let (_running, second) = start(&home, &options, &[]);
    assert_eq!(second["adminToken"], first["adminToken"]);
    assert_eq!(second["curl"], first["curl"]);
    let (status, _) = get(&url).await;
    assert_eq!(status, 200);
    assert_eq!(home.ok("get apis -o name"), "api/greetings\napi/sample\n");
    assert_eq!(
        home.json("get agents")["items"].as_array().unwrap().len(),
        1,
        "the agent joined once"
    );
}

#[test]
fn another_context_stays_in_use_and_the_sample_can_be_left_out() {
    let home = Home::new();
    home.ok("context add prod --server http://127.0.0.1:1");
    let (_running, welcome) = start(&home, &options(), &["--no-sample"]);
    assert_eq!(welcome["contextInUse"], false);
    assert!(welcome.get("curl").is_none(), "{welcome}");
    assert_eq!(home.ok("context current").trim(), "prod");
    assert_eq!(home.ok("get apis -o name --context dev"), "");
    assert_eq!(
        home.ok("get environments -o name --context dev"),
        "environment/local\n"
    );
}

#[test]
fn a_form_of_a_gateway_type_is_applied_as_it_is_filled_in() {
    let home = Home::new();
    let (_running, _) = start(&home, &options(), &["--no-sample"]);
    home.ok("context use dev");
    // The agent tells of its settings as soon as it is connected.
    let asked = Instant::now();
    let form = loop {
        let form = home.run(&["env", "form", "native", "--name", "edge"]);
        if form.code == 0 {
            break form.stdout;
        }
        assert!(asked.elapsed() < PATIENCE, "{}", form.stderr);
    };
    assert!(
        form.contains("gatewayType: native") && form.contains("# This gateway type has no settings."),
        "{form}"
    );
    home.write("edge.yaml", &form);
    assert!(home.ok("apply -f edge.yaml").contains("environment/edge created"));
    home.write(
        "edge.yaml",
        &format!("{form}  settings:\n    listen: 127.0.0.1:1\n"),
    );
    let refused = home.expect("apply -f edge.yaml", 3).stderr;
    assert!(
        refused.contains("there is no setting `listen`, as this gateway type has none; leave it out"),
        "{refused}"
    );
    let missing = home.expect("env form kong", 6).stderr;
    assert!(
        missing.contains("no agent for gateway type `kong` has said yet which settings it takes"),
        "{missing}"
    );
    let listed = home.ok("get agents");
    assert!(listed.contains("PROTOCOL"), "{listed}");
}

#[test]
fn the_welcome_for_people_has_the_curl_line_and_the_token() {
    let home = Home::new();
    let mut command = home.command(&["dev"]);
    command.args(options());
    let mut running = Running::start(command);
    let mut lines = Vec::new();
    while lines
        .last()
        .is_none_or(|line: &String| !line.starts_with("Ctrl-C"))
    {
        lines.push(running.line());
    }
    let text = lines.join("\n");
    assert!(text.contains("\n  curl -i http://127.0.0.1:"), "{text}");
    assert!(text.contains(" gth_"), "{text}");
    assert!(text.contains("/docs/"), "{text}");
}

#[test]
fn a_port_in_use_is_told_with_the_option_that_names_it() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for position in [1, 3, 5] {
        let mut options = options();
        options[position] = address.to_string();
        let data = format!("data-{position}");
        let output = command(&home, &options, &["--data-dir", &data]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains(&format!("port {} is in use", address.port())),
            "{said}"
        );
        assert!(
            said.contains(&format!("{} ADDRESS:PORT", options[position - 1])),
            "{said}"
        );
    }
}

#[tokio::test]
async fn tls_is_served_with_a_self_made_certificate_when_asked_for() {
    let home = Home::new();
    let tls = free_address().to_string();
    let (_running, welcome) = start(&home, &options(), &["--gateway-tls-listen", &tls]);
    let certificate = std::fs::read(welcome["gatewayTlsCertificate"].as_str().unwrap()).unwrap();
    let certificate = reqwest::Certificate::from_pem(&certificate).unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_merge([certificate])
        .build()
        .unwrap();
    let url = format!(
        "https://localhost:{}/sample/hello/world",
        tls.rsplit_once(':').unwrap().1
    );
    let response = client.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

//! Answers that are passed on as they come.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::client::Client;
use crate::deploy::deployed;
use crate::documents::{document, proxied};

fn events(url: &str, mode: &str, milliseconds: u64) -> Value {
    let mut operation = proxied("GET", &format!("{url}/events"), &[]);
    let integration = &mut operation["x-amazon-apigateway-integration"];
    integration["responseTransferMode"] = json!(mode);
    integration["timeoutInMillis"] = json!(milliseconds);
    document("Events", &[("/events", "get", operation)])
}

/// A request has come, and the first half of its answer goes out.
async fn begun(upstream: &TcpListener) -> TcpStream {
    let (mut stream, _) = upstream.accept().await.unwrap();
    let mut request = [0_u8; 4096];
    assert!(stream.read(&mut request).await.unwrap() > 0);
    let begin = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst ";
    stream.write_all(begin).await.unwrap();
    stream
}

#[tokio::test]
async fn a_streamed_answer_comes_before_its_end() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let client = Client::start().await;
    let (api, _) = deployed(&client, &events(&url, "STREAM", 900_000)).await;
    let asked = reqwest::get(format!("{}/{api}/prod/events", client.aws.data_url()));
    let (answer, mut stream) = tokio::join!(asked, begun(&upstream));
    let mut answer = answer.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "first ");
    stream.write_all(b"last").await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "last");
    let path = format!("/restapis/{api}/stages/prod/exports/oas30?extensions=apigateway");
    let export = client.get(&path).await.ok();
    let said = &export["paths"]["/events"]["get"]["x-amazon-apigateway-integration"];
    assert_eq!(
        (&said["responseTransferMode"], &said["timeoutInMillis"]),
        (&json!("STREAM"), &json!(900_000))
    );
}

#[tokio::test]
async fn any_other_answer_comes_as_a_whole() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let client = Client::start().await;
    let (api, _) = deployed(&client, &events(&url, "BUFFERED", 29_000)).await;
    let mut asked = Box::pin(reqwest::get(format!(
        "{}/{api}/prod/events",
        client.aws.data_url()
    )));
    let mut stream = tokio::select! {
        answer = &mut asked => panic!("{answer:?} came before its end"),
        stream = begun(&upstream) => stream,
    };
    stream.write_all(b"last").await.unwrap();
    assert_eq!(asked.await.unwrap().text().await.unwrap(), "first last");
}

#[tokio::test]
async fn only_what_proxies_answer_is_streamed_and_not_for_ever() {
    let refused = async |document: Value| {
        let client = Client::start().await;
        let answer = client.call("POST", "/restapis?mode=import", document).await;
        answer.refusal().2.to_owned()
    };
    let said = refused(events("http://127.0.0.1:9", "STREAM", 900_001)).await;
    assert!(
        said.contains("Timeout should be between 50 ms and 900000 ms"),
        "{said}"
    );
    let mut mock = events("http://127.0.0.1:9", "STREAM", 5_000);
    mock["paths"]["/events"]["get"]["x-amazon-apigateway-integration"]["type"] = json!("mock");
    let said = refused(mock).await;
    assert!(said.contains("STREAM needs a proxy integration"), "{said}");
    let said = refused(events("http://127.0.0.1:9", "OTHER", 5_000)).await;
    assert!(said.contains("Invalid response transfer mode"), "{said}");
}

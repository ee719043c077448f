//! A driver for gateways under test that are written in Rust.

use std::io;

use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::{Done, DriverRequest, Held, Made, Refused, Started};
use crate::gateway::TestGateway;

/// Answers what the suite asks on standard input, until it ends. `fresh` gives an empty gateway at every call; its
/// connector and its disturbances are not asked for.
///
/// # Errors
///
/// If standard input or output breaks. A request that is not understood is answered with what is wrong with it.
///
/// ```no_run
/// use gatehouse_connector_conformance::{MemoryTestGateway, driver::serve};
///
/// #[tokio::main]
/// async fn main() -> std::io::Result<()> {
///     serve(async || MemoryTestGateway::new()).await
/// }
/// ```
pub async fn serve<Gateway: TestGateway>(fresh: impl AsyncFn() -> Gateway) -> io::Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut output = tokio::io::stdout();
    let mut gateway = None;
    while let Some(line) = lines.next_line().await? {
        let answer = match serde_json::from_str(&line) {
            Ok(DriverRequest::Start) => {
                let started = gateway.insert(fresh().await);
                value(&Started::of(started))
            }
            Ok(request) => match &gateway {
                Some(gateway) => answer(gateway, request).await,
                None => refused("no gateway was started; begin with `start`"),
            },
            Err(error) => refused(&format!("the request is not understood: {error}")),
        };
        output.write_all(format!("{answer}\n").as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

async fn answer(gateway: &dyn TestGateway, request: DriverRequest) -> Value {
    match request {
        DriverRequest::Start => refused("the gateway was started already"),
        DriverRequest::AddForeign { name, content } => value(&Made {
            external_ref: gateway.add_foreign(&name, *content).await,
        }),
        DriverRequest::Edit { external_ref, what } => done(gateway.edit(&external_ref, what).await),
        DriverRequest::Delete { external_ref } => {
            gateway.delete(&external_ref).await;
            done(true)
        }
        DriverRequest::MakeUnreadable { external_ref } => done(gateway.make_unreadable(&external_ref).await),
        DriverRequest::Holds => value(&Held {
            objects: gateway.holds().await,
        }),
    }
}

fn done(done: bool) -> Value {
    value(&Done { done })
}

fn refused(reason: &str) -> Value {
    value(&Refused {
        error: reason.to_owned(),
    })
}

fn value(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).unwrap_or_else(|error| Value::String(error.to_string()))
}

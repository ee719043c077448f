//! A fake of Amazon API Gateway for tests: its control plane in both versions, and enough of its data plane.
//!
//! ```no_run
//! use gatehouse_fake_aws::{FakeAws, FakeAwsOptions};
//!
//! # async fn example() -> std::io::Result<()> {
//! let aws = FakeAws::start(FakeAwsOptions::default()).await?;
//! println!("the endpoint is {}, an API is at {}/ID/STAGE", aws.control_url(), aws.data_url());
//! # Ok(())
//! # }
//! ```

mod clock;
mod cloud;
mod control;
mod data;
pub mod emulators;
mod faults;
mod http_apis;
mod identity;
mod openapi;
mod options;
mod place;
mod queues;
mod quotas;
mod rest;
mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use self::clock::Clock;
use self::cloud::Cloud;
pub use self::control::{Service, operations};
pub use self::faults::{Call, Caller, Fault};
pub use self::identity::{AccessKey, Role};
pub use self::options::{Decision, FakeAwsOptions, Quotas};

/// A running fake of Amazon API Gateway; it stops when it is dropped.
#[derive(Debug)]
pub struct FakeAws {
    cloud: Arc<Cloud>,
    control: SocketAddr,
    data: SocketAddr,
    /// The listeners; dropping them ends them.
    _tasks: JoinSet<()>,
}

impl FakeAws {
    /// Starts a fake on loopback ports.
    ///
    /// # Errors
    ///
    /// When a port is taken.
    pub async fn start(options: FakeAwsOptions) -> io::Result<Self> {
        let control = TcpListener::bind(("127.0.0.1", options.control_port)).await?;
        let data = TcpListener::bind(("127.0.0.1", options.data_port)).await?;
        let (control_address, data_address) = (control.local_addr()?, data.local_addr()?);
        let cloud = Arc::new(Cloud::new(options)?);
        let mut tasks = JoinSet::new();
        let serving = Arc::clone(&cloud);
        tasks.spawn(async move {
            server::serve(control, serving, server::Plane::Control).await;
        });
        let serving = Arc::clone(&cloud);
        tasks.spawn(async move {
            server::serve(data, serving, server::Plane::Data).await;
        });
        Ok(Self {
            cloud,
            control: control_address,
            data: data_address,
            _tasks: tasks,
        })
    }

    /// The endpoint of the control plane: API Gateway in both versions, STS, and SQS.
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    /// The address of the data plane: a deployed API is at `/{api}/{stage}` below it.
    pub fn data_url(&self) -> String {
        format!("http://{}", self.data)
    }

    /// Makes a call past signature, permissions, quotas and faults, and without a record of it: the status and the answer.
    /// The account is the first of the options.
    pub fn call(&self, region: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.cloud.call(region, method, path, body)
    }

    /// Makes a queue of SQS that is told of every call that changes something in a region, as by CloudTrail and EventBridge;
    /// its name in IAM. It belongs to the first account of the options.
    pub fn listen(&self, region: &str, name: &str) -> String {
        let place = self.cloud.own(region);
        self.cloud.queues.make(&place, name);
        control::queue_arn(region, &place.0, name)
    }

    /// Puts a message into a queue, whatever it says.
    pub fn send(&self, region: &str, name: &str, body: &str) {
        self.cloud.queues.send(&self.cloud.own(region), name, body);
    }

    /// How many messages a queue holds, those included that were given out and not removed.
    pub fn messages(&self, region: &str, name: &str) -> usize {
        self.cloud.queues.count(&self.cloud.own(region), name)
    }

    /// Plans a fault for the next call of a method to a path. `*` stands for anything, in both.
    pub fn fail_next(&self, method: &str, path: &str, fault: Fault) {
        self.cloud.faults.plan(method, path, fault);
    }

    /// Plans a fault for the next call of an operation: `PutRestApi`.
    pub fn fail_operation(&self, operation: &str, fault: Fault) {
        self.cloud.faults.plan_operation(operation, fault);
    }

    /// How many planned faults no call has met yet.
    pub fn pending_faults(&self) -> usize {
        self.cloud.faults.pending()
    }

    /// Forgets the planned faults that no call has met yet.
    pub fn forget_faults(&self) {
        self.cloud.faults.forget();
    }

    /// The calls that the control plane was sent, in their order.
    pub fn calls(&self) -> Vec<Call> {
        self.cloud.faults.calls()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.cloud.faults.forget_calls();
    }

    /// What a Lambda authorizer says of a token, until it is said otherwise. An ARN that nothing was said of denies.
    pub fn decide(&self, function: &str, token: &str, decision: Decision) {
        self.cloud.decide(function, token, decision);
    }
}

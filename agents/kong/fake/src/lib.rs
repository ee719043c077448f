//! A fake of Kong Gateway for tests: an Admin API that answers as a real one was recorded to, and a proxy that serves.
//!
//! ```no_run
//! use gatehouse_fake_kong::{FakeKong, FakeKongOptions};
//!
//! # async fn example() -> std::io::Result<()> {
//! let kong = FakeKong::start(FakeKongOptions::default()).await?;
//! println!("the Admin API is at {}", kong.admin_url());
//! # Ok(())
//! # }
//! ```

mod collections;
pub mod configuration;
mod data;
mod declarative;
mod errors;
mod faults;
mod http;
mod kong;
mod lua_text;
mod options;
pub mod proxy;
mod schema;
mod server;
mod store;
mod versions;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::configuration::Configuration;
use self::kong::Kong;

pub use self::data::folder as recordings;
pub use self::faults::{Call, Fault};
pub use self::options::{
    AdminToken, Database, Enterprise, FakeKongOptions, Plugins, PortalDocument, RouterFlavor,
};

/// A running fake of Kong; it stops when it is dropped.
#[derive(Debug)]
pub struct FakeKong {
    kong: Arc<Kong>,
    admin: SocketAddr,
    proxy: SocketAddr,
    /// What the proxy sees.
    seen: watch::Receiver<Arc<Configuration>>,
    /// The listeners; dropping them ends them.
    _tasks: JoinSet<()>,
}

impl FakeKong {
    /// Starts a fake on loopback ports.
    ///
    /// # Errors
    ///
    /// When a port is taken, or when the recordings of a real Kong are not found; the message says how to name them.
    pub async fn start(options: FakeKongOptions) -> io::Result<Self> {
        let admin = TcpListener::bind(("127.0.0.1", options.admin_port)).await?;
        let proxy = TcpListener::bind(("127.0.0.1", options.proxy_port)).await?;
        let kong = Arc::new(Kong::new(&data::folder()?, options)?);
        let (sender, seen) = watch::channel(Arc::default());
        let (admin_address, proxy_address) = (admin.local_addr()?, proxy.local_addr()?);
        let mut tasks = JoinSet::new();
        let serving = Arc::clone(&kong);
        tasks.spawn(async move {
            server::serve(admin, serving).await;
        });
        tasks.spawn(Arc::clone(&kong).propagate(sender));
        let (served, flavor) = (seen.clone(), proxy_flavor(kong.options.router_flavor));
        tasks.spawn(async move {
            // It ends with the listener alone.
            let _ = proxy::serve(proxy, served, flavor).await;
        });
        Ok(Self {
            kong,
            admin: admin_address,
            proxy: proxy_address,
            seen,
            _tasks: tasks,
        })
    }

    /// The address of the Admin API, with the path prefix of the options.
    pub fn admin_url(&self) -> String {
        format!("http://{}{}", self.admin, self.kong.options.path_prefix)
    }

    /// The address of the proxy.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.proxy)
    }

    /// The id of the node.
    pub fn node_id(&self) -> &str {
        &self.kong.node_id
    }

    /// Reads or changes the configuration past the Admin API, without any check.
    pub fn with_configuration<T>(&self, change: impl FnOnce(&mut Configuration) -> T) -> T {
        self.kong.with_configuration(change)
    }

    /// What the proxy sees; it follows the configuration after the propagation delay.
    pub fn seen_by_proxy(&self) -> watch::Receiver<Arc<Configuration>> {
        self.seen.clone()
    }

    /// Plans a fault for the next call of a method to a path. `*` stands for anything, in both.
    pub fn fail_next(&self, method: &str, path: &str, fault: Fault) {
        self.kong.faults.plan(method, path, fault);
    }

    /// How many planned faults no call has met yet.
    pub fn pending_faults(&self) -> usize {
        self.kong.faults.pending()
    }

    /// The calls that the Admin API was sent, in their order.
    pub fn calls(&self) -> Vec<Call> {
        self.kong.faults.calls()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.kong.faults.forget_calls();
    }
}

fn proxy_flavor(flavor: RouterFlavor) -> proxy::RouterFlavor {
    match flavor {
        RouterFlavor::TraditionalCompatible => proxy::RouterFlavor::TraditionalCompatible,
        RouterFlavor::Expressions => proxy::RouterFlavor::Expressions,
    }
}

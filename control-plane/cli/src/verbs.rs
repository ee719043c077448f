//! The verbs, one file each.

pub(crate) mod adopt;
pub(crate) mod agent;
pub(crate) mod api;
pub(crate) mod apply;
pub(crate) mod completion;
pub(crate) mod connector;
pub(crate) mod context;
pub(crate) mod delete;
pub(crate) mod deploy;
pub(crate) mod describe;
pub(crate) mod dev;
pub(crate) mod diff;
pub(crate) mod discover;
pub(crate) mod discoveries;
pub(crate) mod drift;
pub(crate) mod environment;
pub(crate) mod explain;
pub(crate) mod get;
pub(crate) mod ignore;
pub(crate) mod import;
pub(crate) mod move_api;
pub(crate) mod plan;
pub(crate) mod rollback;
pub(crate) mod serve;
pub(crate) mod token;
pub(crate) mod undeploy;
mod version;
mod whoami;

use anyhow::Context as _;
use gatehouse_control_plane_api::client::Client;
use tokio::runtime;

use crate::{
    arguments::{Arguments, Command},
    exit::Exit,
    failure::Failure,
    screen::Screen,
};

/// Runs a command to its end.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<Exit> {
    let screen = Screen::new(arguments.output);
    let target = arguments.target;
    match arguments.command {
        Command::Dev(_) | Command::Serve(_) if !target.is_empty() => Err(Failure::usage(
            "`dev` and `serve` start a control plane; `--context`, `--server` and `--token` choose one that runs",
        )
        .into()),
        Command::Dev(options) => on(&mut runtime::Builder::new_multi_thread(), dev::run(options, screen)),
        Command::Serve(options) => on(&mut runtime::Builder::new_multi_thread(), serve::run(options, screen)),
        Command::Context(command) => context::run(command, &target, screen),
        Command::Completion(options) => completion::run(&options, screen),
        Command::Version => version::run(screen),
        Command::Connector(command) => on(
            &mut runtime::Builder::new_multi_thread(),
            connector::run(command, screen),
        ),
        Command::Explain(command) => {
            let runtime = &mut runtime::Builder::new_current_thread();
            if let Some((options, gateway)) = command.of_gateway() {
                return on(runtime, explain::ask_gateway(options, gateway, screen));
            }
            let client = target.client()?;
            on(runtime, ask(Command::Explain(command), &client, screen))
        }
        command => {
            let client = target.client()?;
            on(&mut runtime::Builder::new_current_thread(), ask(command, &client, screen))
        }
    }
}

fn on(
    builder: &mut runtime::Builder,
    work: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    builder
        .enable_all()
        .build()
        .context("failed to start the runtime")?
        .block_on(work)
}

/// The verbs that speak to a control plane.
async fn ask(command: Command, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    match command {
        Command::Api(command) => api::run(command, client, screen).await,
        Command::Apply(options) => apply::run(&options, client, screen).await,
        Command::Diff(options) => diff::run(&options, client, screen).await,
        Command::Get(options) => Box::pin(get::run(&options, client, screen)).await,
        Command::Describe(options) => Box::pin(describe::run(&options, client, screen)).await,
        Command::Delete(options) => delete::run(&options, client, screen).await,
        Command::Deploy(options) => deploy::run(&options, client, screen).await,
        Command::Undeploy(options) => undeploy::run(&options, client, screen).await,
        Command::Discover(options) => discover::run(options, client, screen).await,
        Command::Discoveries(command) => discoveries::run(&command, client, screen).await,
        Command::Import(options) => import::run(options, client, screen).await,
        Command::Plan(options) => plan::run(&options, client, screen).await,
        Command::Rollback(options) => rollback::run(&options, client, screen).await,
        Command::Drift(options) => drift::run(&options, client, screen).await,
        Command::Ignore(options) => ignore::run(&options, client, screen).await,
        Command::Adopt(options) => adopt::run(&options, client, screen).await,
        Command::Move(options) => move_api::run(&options, client, screen).await,
        Command::Environment(command) => environment::run(&command, client, screen).await,
        Command::Explain(command) => explain::run(&command, client, screen).await,
        Command::Agent(command) => agent::run(command, client, screen).await,
        Command::Token(command) => token::run(command, client, screen).await,
        Command::Whoami => whoami::run(client, screen).await,
        Command::Dev(_)
        | Command::Serve(_)
        | Command::Connector(_)
        | Command::Context(_)
        | Command::Completion(_)
        | Command::Version => Ok(Exit::Ok),
    }
}

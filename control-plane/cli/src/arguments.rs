//! The command line as people type it.

use clap::{Parser, Subcommand};

use crate::{
    screen::Format,
    target::TargetOptions,
    verbs::{
        adopt, agent, api, apply, completion, connector, context, delete, deploy, describe, dev, diff,
        discover, discoveries, drift, environment, explain, get, ignore, import, move_api, plan, rollback,
        serve, token, undeploy,
    },
};

const EXIT_CODES: &str = "\
Exit codes:
  0 done   1 error   2 differences (diff, drift)   3 invalid input   4 conflict
  5 not authorised   6 not found   7 wait timed out   64 wrong command line";

/// One control plane for many API gateways.
#[derive(Parser)]
#[command(
    name = "gatehouse",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    infer_long_args = false,
    after_help = EXIT_CODES
)]
pub(crate) struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Which control plane
    #[command(flatten)]
    pub(crate) target: TargetOptions,
    /// The format of the output
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub(crate) output: Format,
}

/// The verbs.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Starts everything on this machine: control plane, native gateway, a sample API
    Dev(dev::DevArguments),
    /// Starts the control plane alone
    Serve(serve::ServeArguments),
    /// Works on APIs: `api import`
    #[command(subcommand)]
    Api(api::ApiCommand),
    /// Applies documents: all of them or none
    Apply(apply::ApplyArguments),
    /// Shows what applying documents would change; exits with 2 if anything
    Diff(diff::DiffArguments),
    /// Lists objects, or shows some of them
    Get(get::GetArguments),
    /// Shows everything about one object
    Describe(describe::DescribeArguments),
    /// Deletes objects
    Delete(delete::DeleteArguments),
    /// Shows what a deploy would change on each gateway, field by field, and what it would lose
    Plan(plan::PlanArguments),
    /// Deploys a revision of an API to environments, or carries out a plan
    Deploy(deploy::DeployArguments),
    /// Puts the revision that was there before, or another, in place of the present one
    Rollback(rollback::RollbackArguments),
    /// Takes an API out of an environment
    Undeploy(undeploy::UndeployArguments),
    /// Shows how gateways differ from what was deployed to them; exits with 2 if any does
    Drift(drift::DriftArguments),
    /// Looks what a gateway has
    Discover(discover::DiscoverArguments),
    /// Shows what discoveries found
    #[command(subcommand)]
    Discoveries(discoveries::DiscoveriesCommand),
    /// Takes findings of a discovery into the catalog
    Import(import::ImportArguments),
    /// Leaves APIs of a gateway out of discoveries, or shows which are
    Ignore(ignore::IgnoreArguments),
    /// Takes over an imported API on its gateway: marks it there, and deploys over it from now on
    Adopt(adopt::AdoptArguments),
    /// Deploys an API of one gateway to another, and says what is lost
    Move(move_api::MoveArguments),
    /// Checks environments: `env check`, `env permissions`
    #[command(subcommand, name = "env")]
    Environment(environment::EnvironmentCommand),
    /// Explains why something is as it is: `explain policy`, `explain route`
    #[command(subcommand)]
    Explain(explain::ExplainCommand),
    /// Lets agents join, and throws them out
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// Makes and tests connectors and agents, and shows what they were seen to do
    #[command(subcommand)]
    Connector(connector::ConnectorCommand),
    /// Makes and revokes API tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Chooses between control planes
    #[command(subcommand)]
    Context(context::ContextCommand),
    /// Shows who one is to the control plane
    Whoami,
    /// Shows the version of this program
    Version,
    /// Writes a completion script for a shell
    Completion(completion::CompletionArguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }

    /// Where both have the same id, the value of one becomes the value of the other.
    #[test]
    fn no_command_has_an_argument_with_the_id_of_a_global_one() {
        let mut root = Arguments::command();
        let globals: Vec<String> = root
            .get_arguments()
            .map(|argument| argument.get_id().to_string())
            .collect();
        root.build();
        let mut commands: Vec<&clap::Command> = root.get_subcommands().collect();
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands());
            let own = command
                .get_arguments()
                .filter(|argument| !argument.is_global_set());
            for id in own.map(|argument| argument.get_id().as_str()) {
                assert!(
                    !globals.iter().any(|global| global == id),
                    "{}: {id}",
                    command.get_name()
                );
            }
        }
    }

    #[test]
    fn takes_what_the_tutorial_types() {
        for line in [
            "gatehouse dev --data-dir /tmp/x --listen 127.0.0.1:0 --no-sample",
            "gatehouse api import ./github.json --name github --base-path /github --upstream http://127.0.0.1:9999",
            "gatehouse deploy github --to local --wait",
            "gatehouse deploy github@1 --to local --no-wait",
            "gatehouse apply -f orders.yaml -f more --dry-run -o json",
            "gatehouse diff -f -",
            "gatehouse get apis -o name -l tier=public",
            "gatehouse --context prod get envs",
            "gatehouse undeploy github --from local",
            "gatehouse discover local --wait --timeout 5m",
            "gatehouse import 01890a5d-ac96-774b-bcce-b302099a8057 --all",
            "gatehouse serve --database sqlite://x.db --listen 0.0.0.0:9090",
            "gatehouse agent join-token --type native --ttl 1h",
            "gatehouse completion bash",
            "gatehouse plan orders --to local --out orders.plan",
            "gatehouse plan orders@3 --to kong-eu kong-us --all-or-nothing --accept-loss",
            "gatehouse plan orders --from local",
            "gatehouse deploy --plan orders.plan",
            "gatehouse deploy --plan 01890a5d-ac96-774b-bcce-b302099a8057 --timeout 5m",
            "gatehouse deploy orders --to kong-eu kong-us --all-or-nothing --wait",
            "gatehouse drift",
            "gatehouse drift local --last-seen",
            "gatehouse drift resolve orders --env local --revert",
            "gatehouse drift resolve orders --env local --adopt --no-wait",
            "gatehouse rollback orders --env local",
            "gatehouse rollback orders --env local --to-revision 3 --plan",
            "gatehouse discover local --watch",
            "gatehouse import 01890a5d-ac96-774b-bcce-b302099a8057 --select status=new,tag=public",
            "gatehouse ignore local",
            "gatehouse ignore local ref-1 ref-2 --reason theirs",
            "gatehouse ignore local ref-1 --remove",
            "gatehouse adopt orders",
            "gatehouse move orders --from kong-eu --to local --plan",
            "gatehouse env check local",
            "gatehouse env permissions local --mode read-only",
            "gatehouse explain policy orders",
            "gatehouse explain route http://a.test/orders/42 -X POST -H v:2 --to local",
            "gatehouse explain route http://a.test/orders/42 --gateway http://127.0.0.1:9901",
            "gatehouse connector new my-gateway --path elsewhere --sdk sources",
            "gatehouse discoveries missing local",
            "gatehouse discoveries approve-removals local --all",
        ] {
            assert!(Arguments::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for line in [
            "gatehouse",
            "gatehouse get",
            "gatehouse deploy github",
            "gatehouse deploy github --to local --wait --no-wait",
            "gatehouse import 01890a5d-ac96-774b-bcce-b302099a8057",
            "gatehouse import 01890a5d-ac96-774b-bcce-b302099a8057 --all item",
            "gatehouse apply",
            "gatehouse serve --listen nowhere",
            "gatehouse plan orders",
            "gatehouse deploy orders --plan orders.plan",
            "gatehouse deploy",
            "gatehouse drift resolve orders --env local",
            "gatehouse drift resolve orders --env local --revert --adopt",
            "gatehouse rollback orders",
            "gatehouse rollback orders --env local --to-revision 0",
            "gatehouse import 01890a5d-ac96-774b-bcce-b302099a8057 --all --select status=new",
            "gatehouse ignore local --remove",
            "gatehouse explain policy orders GET",
            "gatehouse explain route http://a.test/orders/42",
            "gatehouse explain route /orders/42 --to local",
        ] {
            assert!(Arguments::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}

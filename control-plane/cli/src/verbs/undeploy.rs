//! `gatehouse undeploy`: an API leaves an environment.

use clap::Args;
use gatehouse_control_plane_api::{admin::Deployment, client::Client};
use gatehouse_schemas::{condition::Phase, identity::ResourceName};

use super::{deploy, get};
use crate::{
    exit::Exit,
    failure::Failure,
    screen::Screen,
    waiting::{self, Look, WaitOptions},
};

/// What leaves, and where.
#[derive(Debug, Args)]
pub(crate) struct UndeployArguments {
    /// The API
    api: ResourceName,
    /// The environment
    #[arg(long = "from", value_name = "ENVIRONMENT")]
    environment: ResourceName,
    #[command(flatten)]
    waiting: WaitOptions,
}

pub(super) async fn run(
    options: &UndeployArguments,
    client: &Client,
    screen: Screen,
) -> anyhow::Result<Exit> {
    let found = client.find_deployment(&options.api, &options.environment).await?;
    let found = found.ok_or_else(|| get::not_deployed(&options.api, &options.environment))?;
    let leaving = client.undeploy(found.id).await?;
    let outcome = if options.waiting.wait {
        wait(&leaving, options, client).await?;
        "undeployed"
    } else {
        "accepted for undeployment; `--wait` waits for it"
    };
    screen.show(&leaving, &[format!("deployment/{}", leaving.id)], || {
        format!(
            "deployment/{} {outcome}: {} from {}\n",
            leaving.id, leaving.api, leaving.environment
        )
    })?;
    Ok(Exit::Ok)
}

fn deployed_again(api: &ResourceName) -> Failure {
    let detail = format!("`{api}` was deployed again meanwhile; undeploy again if that is wrong");
    Failure::new(Exit::Conflict, detail)
}

async fn wait(leaving: &Deployment, options: &UndeployArguments, client: &Client) -> anyhow::Result<()> {
    let found = waiting::until(options.waiting.timeout, async || {
        match client.deployment(leaving.id).await {
            Err(error) if error.is_not_found() => Ok(Look::Done(())),
            Err(error) => Err(error.into()),
            Ok(still_there) if still_there.generation > leaving.generation => {
                Err(deployed_again(&options.api).into())
            }
            Ok(still_there) if still_there.phase == Phase::Failed => {
                let detail = format!(
                    "undeploying `{}` failed: {}",
                    options.api,
                    deploy::state(&still_there)
                );
                Err(Failure::new(Exit::Error, detail).into())
            }
            Ok(still_there) => Ok(Look::NotYet(deploy::state(&still_there))),
        }
    });
    found.await?.map_err(|state| not_in_time(options, &state).into())
}

fn not_in_time(options: &UndeployArguments, state: &str) -> Failure {
    let UndeployArguments {
        api,
        environment,
        waiting,
    } = options;
    let detail = format!(
        "`{api}` was not undeployed from `{environment}` within {:?}: {state}; it goes on, look with `gatehouse describe \
         deployment {api}/{environment}`",
        waiting.timeout
    );
    Failure::new(Exit::TimedOut, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_over_says_how_it_stands_and_where_to_look() {
        let options = UndeployArguments {
            api: "orders".parse().unwrap(),
            environment: "staging".parse().unwrap(),
            waiting: WaitOptions {
                wait: true,
                no_wait: false,
                timeout: std::time::Duration::from_secs(60),
            },
        };
        let failure = not_in_time(&options, "Undeploying");
        assert_eq!(failure.exit, Exit::TimedOut);
        assert_eq!(
            failure.detail,
            "`orders` was not undeployed from `staging` within 60s: Undeploying; it goes on, look with `gatehouse describe \
             deployment orders/staging`"
        );
    }

    #[test]
    fn somebody_who_deploys_it_again_is_a_conflict() {
        let failure = deployed_again(&"orders".parse().unwrap());
        assert_eq!(failure.exit, Exit::Conflict);
        assert_eq!(
            failure.detail,
            "`orders` was deployed again meanwhile; undeploy again if that is wrong"
        );
    }
}

//! A sample of the crash matrix; `./crash-matrix` runs all of it.

use gatehouse_integration_tests::{
    crash_matrix::{
        case::{Verdict, carry_out, cases},
        scenario::Scenario,
    },
    database::Database,
};

/// How many cases of each kind of work are in the sample.
const SAMPLE: usize = 5;

async fn sample(scenario: Scenario, database: Database) {
    let all = cases(scenario, database).await;
    assert!(all.len() >= 20, "only {} cases: {all:#?}", all.len());
    let step = all.len().div_ceil(SAMPLE);
    for crash in all.iter().skip(step / 2).step_by(step) {
        if let Verdict::Broken(reasons) = carry_out(scenario, crash, database).await {
            panic!("{scenario:?}: {crash}: {reasons:#?}");
        }
    }
}

#[tokio::test]
async fn a_deploy_survives_crashes() {
    sample(Scenario::Deploy, Database::Sqlite).await;
}

#[tokio::test]
async fn an_update_survives_crashes() {
    sample(Scenario::Update, Database::Postgres).await;
}

#[tokio::test]
async fn an_undeploy_survives_crashes() {
    sample(Scenario::Undeploy, Database::Sqlite).await;
}

#[tokio::test]
async fn a_rollback_survives_crashes() {
    sample(Scenario::Rollback, Database::Postgres).await;
}

#[tokio::test]
async fn an_import_survives_crashes() {
    sample(Scenario::Import, Database::Sqlite).await;
}

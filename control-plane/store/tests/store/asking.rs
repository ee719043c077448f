//! Plans and tasks: what is asked, answered once, and searched.

use gatehouse_control_plane_store::{
    Claim, NewPlan, NewTask, PageRequest, PlanFilter, PlanPart, PlanState, PlanStrategy, PlanUpdate,
    Resource, Store, Task, TaskState,
};
use gatehouse_schemas::{canonical::Fingerprint, identity::Generation, resource::Kind};
use serde_json::json;

use crate::harness::{NOW, after, agent, begin, begin_at, environment, kong, name, on_every_database};

fn new_plan(api: &str, environment: &str) -> NewPlan {
    NewPlan {
        strategy: PlanStrategy::AllOrNothing,
        accept_loss: true,
        items: json!([{"state": "Pending"}]),
        internals: json!([{"former": null}]),
        targets: vec![(name(api), name(environment))],
    }
}

fn update(state: PlanState) -> PlanUpdate {
    PlanUpdate {
        state,
        items: json!([{"state": "moved"}]),
        internals: None,
        fingerprint: None,
        applied: false,
    }
}

#[tokio::test]
async fn a_plan_moves_only_from_the_state_it_is_in() {
    on_every_database(|database| async move {
        let store = &database.store;
        let mut transaction = begin(store).await;
        let made = transaction
            .create_plan(&new_plan("orders", "local"))
            .await
            .expect("made");
        assert_eq!(
            (made.state, made.strategy),
            (PlanState::Pending, PlanStrategy::AllOrNothing)
        );
        assert_eq!(made.created_by, "token/test");
        transaction.commit().await.expect("committed");
        let ready = PlanUpdate {
            fingerprint: Some(Fingerprint("sha256:1".to_owned())),
            ..update(PlanState::Ready)
        };
        let mut transaction = begin_at(store, after(1)).await;
        assert!(
            transaction
                .update_plan(made.id, PlanState::Pending, &ready)
                .await
                .expect("asked")
        );
        assert!(
            !transaction
                .update_plan(made.id, PlanState::Pending, &ready)
                .await
                .expect("asked")
        );
        transaction.commit().await.expect("committed");
        let read = store.plan(made.id).await.expect("a read").expect("one");
        assert_eq!(
            (read.state, read.applied_by, read.updated_at),
            (PlanState::Ready, None, after(1))
        );
        let applying = PlanUpdate {
            applied: true,
            internals: Some(json!({"more": true})),
            ..update(PlanState::Applying)
        };
        let mut transaction = begin_at(store, after(2)).await;
        assert!(
            transaction
                .update_plan(made.id, PlanState::Ready, &applying)
                .await
                .expect("asked")
        );
        transaction.commit().await.expect("committed");
        let mut transaction = begin_at(store, after(3)).await;
        let done = update(PlanState::Applied);
        assert!(
            transaction
                .update_plan(made.id, PlanState::Applying, &done)
                .await
                .expect("asked")
        );
        transaction.commit().await.expect("committed");
        let read = store.plan(made.id).await.expect("a read").expect("one");
        assert_eq!(read.fingerprint, Some(Fingerprint("sha256:1".to_owned())));
        assert_eq!(
            (read.applied_at, read.applied_by.as_deref()),
            (Some(after(2)), Some("token/test"))
        );
        let internals = store.plan_internals(made.id).await.expect("a read");
        assert_eq!(internals, Some(json!({"more": true})));
    })
    .await;
}

#[tokio::test]
async fn two_that_move_a_plan_at_once_do_not_both_succeed() {
    on_every_database(|database| async move {
        let store = &database.store;
        let other = database.open_again().await.expect("another control plane");
        let mut transaction = begin(store).await;
        let made = transaction
            .create_plan(&new_plan("orders", "local"))
            .await
            .expect("made");
        transaction.commit().await.expect("committed");
        let movers: Vec<_> = [store.clone(), other.clone(), store.clone(), other.clone()]
            .into_iter()
            .map(|store| {
                tokio::spawn(async move {
                    let mut transaction = begin(&store).await;
                    let moved = transaction
                        .update_plan(made.id, PlanState::Pending, &update(PlanState::Applying))
                        .await
                        .expect("asked");
                    transaction.commit().await.expect("committed");
                    moved
                })
            })
            .collect();
        let mut moved = 0;
        for mover in movers {
            moved += u32::from(mover.await.expect("a mover"));
        }
        assert_eq!(moved, 1);
        other.close().await;
    })
    .await;
}

#[tokio::test]
async fn plans_are_found_by_state_api_and_environment() {
    on_every_database(|database| async move {
        let store = &database.store;
        let mut transaction = begin(store).await;
        let orders = transaction
            .create_plan(&new_plan("orders", "local"))
            .await
            .expect("made");
        let users = transaction
            .create_plan(&new_plan("users", "local"))
            .await
            .expect("made");
        transaction
            .update_plan(orders.id, PlanState::Pending, &update(PlanState::Refused))
            .await
            .expect("moved");
        transaction.commit().await.expect("committed");
        let find = async |filter: PlanFilter| {
            let page = store
                .plans(&filter, &PageRequest::default())
                .await
                .expect("a page");
            page.items.into_iter().map(|plan| plan.id).collect::<Vec<_>>()
        };
        let local = PlanFilter {
            environment: Some(name("local")),
            ..PlanFilter::default()
        };
        assert_eq!(find(local.clone()).await, [users.id, orders.id]);
        let both = PlanFilter {
            api: Some(name("orders")),
            ..local
        };
        assert_eq!(find(both).await, [orders.id]);
        let elsewhere = PlanFilter {
            api: Some(name("orders")),
            environment: Some(name("elsewhere")),
            ..PlanFilter::default()
        };
        assert!(find(elsewhere).await.is_empty());
        let refused = PlanFilter {
            state: Some(PlanState::Refused),
            ..PlanFilter::default()
        };
        assert_eq!(find(refused).await, [orders.id]);
        let open: Vec<_> = store.open_plans().await.expect("a read");
        assert_eq!(
            open.into_iter().map(|plan| plan.id).collect::<Vec<_>>(),
            [users.id]
        );
    })
    .await;
}

async fn resource(store: &Store) -> Resource {
    environment(store, "local", "kong").await;
    let found = store.resource(Kind::Environment, &name("local")).await;
    found.expect("a read").expect("one")
}

async fn ask(store: &Store, place: &Resource, plan: Option<PlanPart>) -> Task {
    let mut transaction = begin(store).await;
    let new = NewTask {
        task: json!({"kind": "check"}),
        expires_at: after(60),
        plan,
    };
    let task = transaction.create_task(place, &new).await.expect("asked");
    transaction.commit().await.expect("committed");
    task
}

#[tokio::test]
async fn a_task_goes_to_the_one_runner_until_it_is_answered_once() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = resource(store).await;
        let (one, two) = (agent(store, "one").await, agent(store, "two").await);
        let mut transaction = begin(store).await;
        for agent_id in [one, two] {
            let claim = Claim {
                environment_id: place.environment_id(),
                agent_id,
                replicated: true,
                expires_at: after(1_000),
            };
            transaction.claim_lease(&claim).await.expect("claimed");
        }
        transaction.commit().await.expect("committed");
        let position = store
            .work(one, &kong(), Generation(0), NOW)
            .await
            .expect("work")
            .generation;
        let task = ask(store, &place, None).await;
        let news = store.work(one, &kong(), position, NOW).await.expect("work");
        assert!(news.has_news());
        assert_eq!(news.tasks[0].task, task);
        assert!(
            store
                .work(two, &kong(), position, NOW)
                .await
                .expect("work")
                .tasks
                .is_empty()
        );
        let again = store
            .work(one, &kong(), news.generation, NOW)
            .await
            .expect("work");
        assert!(!again.has_news(), "it is listed, but nothing is new");
        assert_eq!(again.tasks.len(), 1);
        let late = store
            .work(one, &kong(), news.generation, after(60))
            .await
            .expect("work");
        assert!(late.tasks.is_empty(), "it has ended");

        let mut transaction = begin_at(store, after(5)).await;
        let answer = json!({"kind": "checked"});
        for news in [true, false] {
            let counted = transaction
                .finish_task(task.id, TaskState::Answered, &answer)
                .await
                .expect("answered");
            assert_eq!(counted, news);
        }
        transaction.commit().await.expect("committed");
        let read = store.task(task.id).await.expect("a read").expect("one");
        assert_eq!((read.state, read.result), (TaskState::Answered, Some(answer)));
        assert_eq!(read.finished_at, Some(after(5)));
        let rest = store.work(one, &kong(), Generation(0), NOW).await.expect("work");
        assert!(rest.tasks.is_empty());
    })
    .await;
}

#[tokio::test]
async fn tasks_that_nobody_answered_are_found_when_their_time_is_over() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = resource(store).await;
        let mut transaction = begin(store).await;
        let plan = transaction
            .create_plan(&new_plan("orders", "local"))
            .await
            .expect("made");
        transaction.commit().await.expect("committed");
        let part = PlanPart {
            plan_id: plan.id,
            item: 3,
        };
        let task = ask(store, &place, Some(part)).await;
        ask(store, &place, None).await;
        assert_eq!(
            store.plan_tasks(plan.id).await.expect("a read"),
            vec![task.clone()]
        );
        assert_eq!(task.plan, Some(part));
        assert!(store.overdue_tasks(after(59)).await.expect("a read").is_empty());
        assert_eq!(store.overdue_tasks(after(60)).await.expect("a read").len(), 2);
        let mut transaction = begin(store).await;
        transaction
            .finish_task(task.id, TaskState::Failed, &json!({"kind": "failed"}))
            .await
            .expect("failed");
        transaction.commit().await.expect("committed");
        assert_eq!(store.overdue_tasks(after(60)).await.expect("a read").len(), 1);
        let open = store.open_tasks(place.environment_id()).await.expect("a read");
        assert_eq!(open.len(), 1);
    })
    .await;
}

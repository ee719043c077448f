//! What is not seen any more: it waits, it may need approval, it counts as removed, and it comes back. And whatever
//! goes wrong between a gateway and the control plane, nothing counts as removed that is still there.

use std::collections::BTreeSet;

use gatehouse_control_plane_api::agent::{DiscoveryCompletion, DiscoveryOutcome};
use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{DiscoveryId, FencingNumber},
    observed::DiscoveredItem,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    agent::{Agent, environment_id},
    discovering::{classes, discovery_of, found, told, unreadable},
    harness::{ControlPlane, check, descriptor, send},
};

/// An environment in which few runs and no time are enough for a removal.
async fn with_quick_removals(control_plane: &ControlPlane, name: &str, complete_runs: u32, share: u8) {
    let removal = json!({"completeRuns": complete_runs, "graceSeconds": 0, "maxSharePercent": share});
    control_plane
        .apply(
            json!([{"kind": "Environment", "metadata": {"name": name}, "spec": {
            "gatewayType": "test", "discovery": {"removal": removal}}}]),
        )
        .await;
}

fn api(number: u32) -> DiscoveredItem {
    found(
        &format!("ref-{number:03}"),
        &format!("Api {number:03}"),
        &format!("/api-{number:03}"),
    )
}

fn apis(numbers: impl IntoIterator<Item = u32>) -> Vec<DiscoveredItem> {
    numbers.into_iter().map(api).collect()
}

struct Place<'a> {
    control_plane: &'a ControlPlane,
    agent: &'a Agent,
    name: &'a str,
    fencing: FencingNumber,
}

impl<'a> Place<'a> {
    async fn of(control_plane: &'a ControlPlane, agent: &'a Agent, name: &'a str) -> Self {
        let id = environment_id(control_plane, name).await;
        let work = agent.work(0).await;
        let assigned = work.environments.iter().find(|environment| environment.id == id);
        Self {
            control_plane,
            agent,
            name,
            fencing: assigned.and_then(|assigned| assigned.fencing).expect("a lease"),
        }
    }

    /// One run with these pages.
    async fn run(&self, pages: &[Vec<DiscoveredItem>], outcome: DiscoveryOutcome) -> DiscoveryId {
        let id = discovery_of(self.control_plane, self.name).await;
        for (index, page) in pages.iter().enumerate() {
            let number = u32::try_from(index + 1).expect("few pages");
            self.agent.page(id, number, page).await;
        }
        let completion = DiscoveryCompletion {
            fencing: self.fencing,
            outcome,
            pages: u32::try_from(pages.len()).expect("few pages"),
            message: None,
        };
        let (client, token) = (&self.agent.client, &self.agent.token);
        client
            .complete_discovery(token, id, &completion)
            .await
            .expect("finished");
        id
    }

    async fn whole(&self, items: Vec<DiscoveredItem>) -> DiscoveryId {
        self.run(&[items], DiscoveryOutcome::Complete).await
    }

    async fn import(&self, id: DiscoveryId) {
        self.control_plane
            .post(&format!("discoveries/{id}/imports"), json!({}))
            .await
            .expect(201);
    }

    /// What a run told as gone.
    async fn gone(&self, id: DiscoveryId) -> Vec<String> {
        let classes = classes(self.control_plane, id).await.into_iter();
        classes
            .filter(|(_, class)| class == "gone")
            .map(|(reference, _)| reference)
            .collect()
    }

    /// Reference, state and message of everything that is missing.
    async fn missing(&self) -> Vec<(String, String, String)> {
        let path = format!("environments/{}/missing?limit=500", self.name);
        let found = self.control_plane.get(&path).await.expect(200);
        let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
        let items = found["items"].as_array().expect("items").iter();
        items
            .map(|item| {
                (
                    text(item, "externalRef"),
                    text(item, "state"),
                    text(item, "message"),
                )
            })
            .collect()
    }

    async fn in_state(&self, state: &str) -> BTreeSet<String> {
        let missing = self.missing().await.into_iter();
        missing
            .filter(|(_, found, _)| found == state)
            .map(|(reference, ..)| reference)
            .collect()
    }
}

fn reference(number: u32) -> String {
    format!("ref-{number:03}")
}

#[tokio::test]
async fn what_is_not_seen_waits_and_then_counts_as_removed_and_the_catalog_keeps_it() {
    check(|control_plane| async move {
        with_quick_removals(&control_plane, "local", 3, 10).await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let place = Place::of(&control_plane, &agent, "local").await;
        place.import(place.whole(apis(1..=3)).await).await;
        assert!(place.missing().await.is_empty());

        let first = place.whole(apis(1..=2)).await;
        assert_eq!(place.gone(first).await, ["ref-003"]);
        let items = control_plane.get(&format!("discoveries/{first}/items?class=gone")).await.expect(200);
        let message = items["items"][0]["message"].as_str().expect("a message").to_owned();
        assert!(
            message.starts_with("not seen in 1 complete discovery; it counts as removed after 3 in a row, not before "),
            "{message}"
        );
        let listed = control_plane.get("environments/local/missing").await.expect(200)["items"][0].clone();
        assert_eq!((&listed["state"], &listed["completeRuns"]), (&json!("waiting"), &json!(1)));
        assert_eq!((&listed["api"], &listed["name"]), (&json!("api-003"), &json!("Api 003")));
        assert_eq!(listed["message"], message.as_str());

        let api = control_plane.get("apis/api-003").await.expect(200);
        assert_eq!(api["status"]["importedFrom"]["missing"], true, "{api:#}");

        // Runs that say nothing about absence change nothing.
        place.run(&[], DiscoveryOutcome::Failed).await;
        place.run(&[apis(1..=1)], DiscoveryOutcome::Partial).await;
        let listed = control_plane.get("environments/local/missing").await.expect(200)["items"][0].clone();
        assert_eq!(listed["completeRuns"], 1);

        place.whole(apis(1..=2)).await;
        assert_eq!(place.in_state("waiting").await.len(), 1);
        let third = place.whole(apis(1..=2)).await;
        assert_eq!(place.gone(third).await, ["ref-003"]);
        let removed = place.missing().await;
        assert_eq!((removed[0].0.as_str(), removed[0].1.as_str()), ("ref-003", "removed"));
        assert_eq!(
            removed[0].2,
            "it counts as removed from the gateway: not seen in 3 complete discoveries in a row; api `api-003` stays in the catalog"
        );
        let api = control_plane.get("apis/api-003").await.expect(200);
        assert_eq!(api["status"].get("importedFrom"), None, "{api:#}");
        let events = control_plane.get("audit-events?limit=500").await.expect(200);
        let removals: Vec<&Value> = events["items"].as_array().expect("items").iter()
            .filter(|event| event["action"] == "discovery.removed").collect();
        assert_eq!(removals.len(), 1, "{events:#}");

        // What is removed is told once.
        let fourth = place.whole(apis(1..=2)).await;
        assert!(place.gone(fourth).await.is_empty());

        // It may come back, and is the API that stayed.
        let back = place.whole(apis(1..=3)).await;
        let classes = classes(&control_plane, back).await;
        assert!(told(&classes).contains(&("ref-003", "unchanged")), "{classes:?}");
        assert!(place.missing().await.is_empty());
        let api = control_plane.get("apis/api-003").await.expect(200);
        assert_eq!(api["status"]["importedFrom"]["externalRef"], "ref-003", "{api:#}");
    })
    .await;
}

#[tokio::test]
async fn what_comes_back_otherwise_keeps_what_people_edited() {
    check(|control_plane| async move {
        with_quick_removals(&control_plane, "local", 1, 100).await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let place = Place::of(&control_plane, &agent, "local").await;
        place.import(place.whole(apis(1..=2)).await).await;
        place.whole(apis(1..=1)).await;
        assert_eq!(
            place.in_state("removed").await,
            BTreeSet::from(["ref-002".to_owned()])
        );
        let mut spec = control_plane.get("apis/api-002").await.expect(200)["spec"].clone();
        spec["displayName"] = json!("Ours");
        control_plane
            .apply(json!([{"kind": "Api", "metadata": {"name": "api-002"}, "spec": spec}]))
            .await;

        let DiscoveredItem::Api(mut other) = api(2) else {
            panic!("an API");
        };
        other.content.version = "v2".to_owned();
        other.fingerprint = Fingerprint::of(&other.content).expect("a fingerprint");
        let id = place.whole(vec![api(1), DiscoveredItem::Api(other)]).await;
        let classes = classes(&control_plane, id).await;
        assert!(told(&classes).contains(&("ref-002", "changed")), "{classes:?}");
        place.import(id).await;
        let spec = control_plane.get("apis/api-002").await.expect(200)["spec"].clone();
        assert_eq!(
            (&spec["displayName"], &spec["version"]),
            (&json!("Ours"), &json!("v2"))
        );
        control_plane.delete("apis/api-002").await.expect(204);
        let id = place.whole(apis(1..=2)).await;
        assert!(told(&self::classes(&control_plane, id).await).contains(&("ref-002", "new")));
    })
    .await;
}

#[tokio::test]
async fn what_is_listed_twice_is_counted_once_and_believed_the_second_time() {
    check(|control_plane| async move {
        with_quick_removals(&control_plane, "local", 1, 10).await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let place = Place::of(&control_plane, &agent, "local").await;
        let DiscoveredItem::Api(mut later) = api(1) else {
            panic!("an API");
        };
        later.content.version = "v2".to_owned();
        later.fingerprint = Fingerprint::of(&later.content).expect("a fingerprint");
        let pages = [apis(1..=2), vec![DiscoveredItem::Api(later), api(3)]];
        let id = place.run(&pages, DiscoveryOutcome::Complete).await;
        let classes = classes(&control_plane, id).await;
        assert_eq!(classes.len(), 3, "{classes:?}");
        let run = control_plane.get(&format!("discoveries/{id}")).await.expect(200);
        assert_eq!(run["counts"]["new"], 3, "{run:#}");
        place.import(id).await;
        let spec = control_plane.get("apis/api-001").await.expect(200)["spec"].clone();
        assert_eq!(spec["version"], "v2");
    })
    .await;
}

#[tokio::test]
async fn many_at_once_need_a_persons_approval() {
    check(|control_plane| async move {
        with_quick_removals(&control_plane, "local", 2, 10).await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let place = Place::of(&control_plane, &agent, "local").await;
        place.import(place.whole(apis(1..=30)).await).await;
        let approve = |body: Value| {
            let request = control_plane.request(Method::POST, "/api/v1/environments/local/removal-approvals");
            send(request.json(&body))
        };
        let (kind, detail) = approve(json!({})).await.problem(409);
        assert_eq!(kind, "wrong-state");
        assert_eq!(
            detail,
            "nothing in environment `local` needs approval; what is missing there either waits or counts as removed already"
        );

        place.whole(Vec::new()).await;
        place.whole(Vec::new()).await;
        let missing = place.missing().await;
        assert_eq!(place.in_state("needsApproval").await.len(), 30, "{missing:?}");
        let message = place.missing().await[0].2.clone();
        assert_eq!(
            message,
            "not seen in 2 complete discoveries in a row; 30 of the environment's 30 APIs are missing at once, more \
             than 10 %: if they are really gone, approve it with `gatehouse discoveries approve-removals local --all`; if not, look whether the \
             agent's credential may still see them"
        );

        // All but five are seen again: what was nearly approved is not due any more.
        place.whole(apis(6..=30)).await;
        assert_eq!(place.in_state("needsApproval").await.len(), 5);
        let (kind, detail) = approve(json!({"externalRefs": ["ref-020"]})).await.problem(422);
        assert_eq!(kind, "invalid");
        assert_eq!(
            detail,
            "/externalRefs/0: `ref-020` is not missing from environment `local`; `gatehouse discoveries missing local` lists what is"
        );
        let approved = approve(json!({"externalRefs": ["ref-001", "ref-002"]})).await.expect(200);
        assert_eq!(approved["items"].as_array().map(Vec::len), Some(2));
        assert!(approved["items"].as_array().expect("items").iter().all(|item| item["state"] == "removed"));
        // Three are left, and three of 28 are more than a tenth.
        assert_eq!(place.in_state("needsApproval").await.len(), 3);
        approve(json!({})).await.expect(200);
        assert_eq!(place.in_state("removed").await.len(), 5);
        let (_, detail) = approve(json!({"externalRefs": ["ref-001"]})).await.problem(422);
        assert!(detail.contains("`ref-001` is not missing"), "{detail}");
        for number in 1..=5 {
            control_plane.get(&format!("apis/api-{number:03}")).await.expect(200);
        }
    })
    .await;
}

#[tokio::test]
async fn lists_of_the_missing_come_in_pages() {
    check(|control_plane| async move {
        with_quick_removals(&control_plane, "local", 5, 10).await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let place = Place::of(&control_plane, &agent, "local").await;
        place.whole(apis(1..=5)).await;
        place.whole(Vec::new()).await;
        let (mut path, mut seen) = ("environments/local/missing?limit=2".to_owned(), Vec::new());
        loop {
            let page = control_plane.get(&path).await.expect(200);
            seen.extend(
                page["items"]
                    .as_array()
                    .expect("items")
                    .iter()
                    .map(|item| item["externalRef"].clone()),
            );
            let Some(cursor) = page["nextCursor"].as_str() else {
                break;
            };
            path = format!("environments/local/missing?limit=2&cursor={cursor}");
        }
        assert_eq!(seen, ["ref-001", "ref-002", "ref-003", "ref-004", "ref-005"]);
        let (_, detail) = control_plane
            .get("environments/nowhere/missing")
            .await
            .problem(404);
        assert_eq!(detail, "there is no environment `nowhere`");
        control_plane
            .post("environments/nowhere/removal-approvals", json!({}))
            .await
            .problem(404);
    })
    .await;
}

/// A small generator; the seed of a failing case is in its message.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from((mixed ^ (mixed >> 31)) % u64::from(limit)).expect("below the limit")
    }

    fn some_of(&mut self, all: &BTreeSet<u32>) -> Vec<u32> {
        all.iter().copied().filter(|_| self.below(2) == 0).collect()
    }
}

const APIS: u32 = 30;
/// A tenth of them.
const SHARE: usize = 3;

/// One thing that goes well or wrong between a gateway that has these APIs and the control plane.
async fn happen(place: &Place<'_>, exists: &mut BTreeSet<u32>, chance: &mut Chance) -> &'static str {
    match chance.below(9) {
        0 => {
            place.run(&[], DiscoveryOutcome::Failed).await;
            "an outage"
        }
        1 | 2 => {
            let seen = chance.some_of(exists);
            place.run(&[apis(seen)], DiscoveryOutcome::Partial).await;
            "a listing that broke off"
        }
        3 | 4 => {
            place.whole(Vec::new()).await;
            "an empty answer"
        }
        5 => {
            let lost: BTreeSet<u32> = chance.some_of(exists).into_iter().collect();
            let items = exists.iter().map(|number| {
                if lost.contains(number) {
                    unreadable(&reference(*number))
                } else {
                    api(*number)
                }
            });
            place.whole(items.collect()).await;
            "a loss of permissions"
        }
        6 => {
            // An agent that dies; whoever comes next sends the second page and the rest.
            let id = discovery_of(place.control_plane, place.name).await;
            let half: Vec<u32> = exists.iter().copied().take(exists.len() / 2).collect();
            place.agent.page(id, 1, &apis(half.clone())).await;
            place.agent.page(id, 1, &apis(half)).await;
            let rest = exists.iter().copied().skip(exists.len() / 2);
            place.agent.page(id, 2, &apis(rest)).await;
            let completion = DiscoveryCompletion {
                fencing: place.fencing,
                outcome: DiscoveryOutcome::Complete,
                pages: 2,
                message: None,
            };
            for _ in 0..2 {
                let (client, token) = (&place.agent.client, &place.agent.token);
                client
                    .complete_discovery(token, id, &completion)
                    .await
                    .expect("finished");
            }
            "a run in pieces"
        }
        7 => {
            let gone = exists.iter().copied().nth(chance.below(APIS) as usize);
            if let Some(gone) = gone {
                exists.remove(&gone);
            }
            "a deletion"
        }
        _ => {
            place.whole(apis(exists.iter().copied())).await;
            "a whole listing"
        }
    }
}

#[tokio::test]
async fn whatever_goes_wrong_nothing_that_is_there_counts_as_removed() {
    check(|control_plane| async move {
        let agent = Agent::start(&control_plane, descriptor()).await;
        for seed in 0..8 {
            let name = format!("chaos-{seed}");
            with_quick_removals(&control_plane, &name, 2, 10).await;
            let place = Place::of(&control_plane, &agent, &name).await;
            let mut exists: BTreeSet<u32> = (1..=APIS).collect();
            place.whole(apis(exists.iter().copied())).await;
            let (mut chance, mut story, mut removed) = (Chance(seed), Vec::new(), BTreeSet::new());
            for _ in 0..25 {
                story.push(happen(&place, &mut exists, &mut chance).await);
                let now = place.in_state("removed").await;
                let wrong: Vec<u32> = exists
                    .iter()
                    .copied()
                    .filter(|number| now.contains(&reference(*number)))
                    .collect();
                assert!(
                    wrong.is_empty(),
                    "seed {seed}: {wrong:?} counts as removed after {story:?}"
                );
                let fresh = now.difference(&removed).count();
                assert!(
                    fresh <= SHARE,
                    "seed {seed}: {fresh} went at once after {story:?}"
                );
                removed = now;
            }
            // What is really gone goes once the gateway is well again.
            for _ in 0..2 {
                place.whole(apis(exists.iter().copied())).await;
            }
            let left = usize::try_from(APIS).expect("few") - exists.len();
            let settled = place.missing().await;
            assert_eq!(settled.len(), left, "seed {seed}: {settled:?} after {story:?}");
        }
    })
    .await;
}

"""The agent's story, over the Admin API: the control plane, a gateway and the agent as processes of their own.

    GATEHOUSE_BIN=target/debug/gatehouse python3 -m unittest discover -s docs/examples/python-agent
"""

from __future__ import annotations

import json
import shutil
import stat
import tempfile
import unittest
from pathlib import Path
from typing import Any

import translate
from canonical import desired_fingerprint
from stack import ADMIN_TOKEN, Json, Stack, until

FOREIGN = 1_050
folder: Path
stack: Stack

KEY = "open-sesame-0123456789"
NEW_KEY = "another-key-0123456789"


def setUpModule() -> None:
    global folder, stack
    folder = Path(tempfile.mkdtemp(prefix="python-agent-"))
    stack = Stack(folder)
    unittest.addModuleCleanup(tear_down)
    stack.state_file.write_text(json.dumps({"version": FOREIGN + 1, "apis": foreign_apis()}))
    stack.start()
    stack.apply(secret("gateway-token", ADMIN_TOKEN), secret("shop-key", KEY), environment("tiny"),
                environment("tiny-revert", driftPolicy="revert"), environment("tiny-read-only", mode="read-only"))
    until("the agent serves the environments", lambda: (folder / "agent.log").read_text().count("Serving environment") >= 3)


def tear_down() -> None:
    stack.stop()
    shutil.rmtree(folder, ignore_errors=True)


def foreign_apis() -> dict[str, Json]:
    """What other people have on the gateway, and one that is damaged there."""
    apis = {f"team-{number:04}": {"name": f"Team {number}", "version": number + 1, "basePath": f"/team/{number}",
                                  "upstreamUrl": "http://127.0.0.1:1", "tags": ["public"] if number == 7 else []}
            for number in range(FOREIGN)}
    apis["team-0007"] |= {"apiKey": {"header": "x-team", "keys": [{"consumer": "Seven", "key": "seven's key"}]},
                          "routes": [{"method": "GET", "path": "/b/{id}"}, {"method": "GET", "path": "/a"}]}
    apis["zz-damaged"] = {"name": "Damaged", "version": 1, "basePath": 17}
    return apis


def document(kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": "gatehouse.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def secret(name: str, value: str) -> Json:
    return document("Secret", name, {"value": value})


def environment(name: str, **more: Any) -> Json:
    return document("Environment", name, {
        "gatewayType": "tiny", "settings": {"adminUrl": stack.tapped}, "endpoints": [{"url": stack.proxy}],
        "credentials": {"adminToken": {"secretRef": "gateway-token"}}} | more)


def api_key(secret_name: str = "shop-key") -> Json:
    return {"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": secret_name}]}}


def api(name: str, **more: Any) -> Json:
    return document("Api", name, {
        "displayName": name, "basePath": f"/{name}", "upstreams": {"main": {"url": stack.upstream}},
        "policies": [api_key()], "operations": [{"match": {"method": "GET", "path": "/{id}"}}]} | more)


class Story(unittest.TestCase):
    """Each test has APIs of its own."""

    maxDiff = None

    def deployed(self, name: str, environment_name: str = "tiny", **more: Any) -> Json:
        stack.apply(api(name, **more))
        return stack.deploy_and_wait(name, environment_name)


class Deploying(Story):
    def test_an_api_is_deployed_with_its_key_updated_and_taken_off(self) -> None:
        headers = {"type": "headers", "with": {"response": {"set": {"x-served-by": "tiny"}}}}
        deployment = self.deployed("orders", policies=[api_key(), headers])
        self.assertEqual(deployment["endpointUrls"], [f"{stack.proxy}/orders"])
        self.assertEqual(stack.call("/orders/7")[0], 401)
        self.assertEqual(stack.call("/orders/7", "wrong")[0], 401)
        status, seen, sent = stack.call("/orders/7", KEY)
        self.assertEqual((status, seen["path"], sent["x-served-by"]), (200, "/7", "tiny"))
        self.assertNotIn("x-api-key", seen["headers"], "the key does not travel on")
        self.assertEqual(stack.call("/orders/a/b", KEY)[0], 404)
        first = stack.held(deployment)["version"]

        updated = self.deployed("orders", operations=[{"match": {"method": "GET", "path": "/v2/{id}"}}])
        self.assertEqual(updated["externalRef"], deployment["externalRef"])
        self.assertGreater(stack.held(updated)["version"], first)
        self.assertEqual([stack.call(path, KEY)[0] for path in ("/orders/7", "/orders/v2/7")], [404, 200])
        self.assertEqual(stack.drift(updated)["state"], "inSync")

        stack.undeploy_and_wait(updated)
        self.assertEqual(stack.call("/orders/v2/7", KEY)[0], 404)

    def test_a_new_value_of_a_secret_is_carried_out(self) -> None:
        stack.apply(secret("rotated-key", KEY))
        deployment = self.deployed("rotated", policies=[api_key("rotated-key")])
        stack.apply(secret("rotated-key", NEW_KEY))
        until("the new key opens", lambda: stack.call("/rotated/1", NEW_KEY)[0] == 200)
        self.assertEqual(stack.call("/rotated/1", KEY)[0], 401)
        self.assertNotIn(NEW_KEY, json.dumps(stack.held(deployment)))

    def test_a_desired_state_has_the_fingerprint_that_the_control_plane_gives_it(self) -> None:
        stack.apply(api("fingerprints"))
        deployment = stack.deploy_and_wait("fingerprints")
        applied = json.loads(stack.held(deployment)["labels"][translate.APPLIED_LABEL])
        self.assertEqual(desired_fingerprint(applied["content"], applied["secrets"]), applied["fingerprint"])

    def test_what_is_gone_already_is_taken_off(self) -> None:
        deployment = self.deployed("gone")
        self.assertEqual(stack.on_gateway("DELETE", f"/apis/{deployment['externalRef']}")[0], 204)
        stack.undeploy_and_wait(deployment)

    def test_a_foreign_api_in_the_way_stays_as_it_is(self) -> None:
        before = stack.on_gateway("GET", "/apis/team-0003")
        stack.apply(api("intruder", basePath="/team/3"))
        stack.settled(stack.deploy("intruder"), "Failed", "Conflict")
        self.assertEqual(stack.on_gateway("GET", "/apis/team-0003"), before)

    def test_an_api_that_lost_its_mark_is_not_touched(self) -> None:
        deployment = self.deployed("unmarked")
        edited = stack.edit(deployment, labels={})
        stack.apply(api("unmarked", displayName="another revision"))
        stack.settled(stack.deploy("unmarked"), "Failed", "Conflict")
        self.assertEqual(stack.held(deployment), edited)

    def test_what_the_gateway_cannot_enforce_is_not_deployed(self) -> None:
        in_query = {"type": "auth.apiKey", "with": {"in": "query", "name": "key",
                                                    "keys": [{"consumer": "shop", "secretRef": "shop-key"}]}}
        stack.apply(api("by-query", policies=[in_query]))
        stack.settled(stack.deploy("by-query", acceptLoss=True), "Failed", "PolicyUnsupported")
        self.assertEqual(stack.call("/by-query/1", KEY)[0], 404)

    def test_losses_are_accepted_or_nothing_is_done(self) -> None:
        headers = {"type": "headers", "with": {"request": {"set": {"x-a": "1"}}, "response": {"set": {"x-b": "2"}}}}
        stack.apply(api("lossy", policies=[api_key(), headers]))
        stack.settled(stack.deploy("lossy"), "Failed", "LossNotAccepted")
        self.assertEqual(stack.call("/lossy/1", KEY)[0], 404)
        stack.settled(stack.deploy("lossy", acceptLoss=True), "Deployed")
        self.assertEqual(stack.call("/lossy/1", KEY)[2]["x-b"], "2")

    def test_operations_that_the_gateway_does_not_know_are_refused(self) -> None:
        by_header = [{"match": {"method": "GET", "path": "/", "headers": {"x-beta": "1"}}}]
        stack.apply(api("by-header", operations=by_header))
        stack.settled(stack.deploy("by-header"), "Failed", "Unsupported")

    def test_a_read_only_environment_refuses(self) -> None:
        stack.apply(api("read-only"))
        status, problem = stack.admin("POST", "/deployments", {"api": "read-only", "environment": "tiny-read-only"})
        self.assertEqual((status, problem["type"].rsplit("/", 1)[-1]), (409, "mode-forbids"))

    def test_the_check_tells_of_a_permission_that_the_mode_does_not_need(self) -> None:
        severities = [finding["severity"] for finding in stack.check("tiny-read-only")["findings"]]
        self.assertIn("warning", severities)
        stack.apply(secret("wrong-token", "not the gateway's"))
        stack.apply(environment("tiny-wrong-token", credentials={"adminToken": {"secretRef": "wrong-token"}}))
        result = stack.check("tiny-wrong-token")
        self.assertIn("adminToken", json.dumps(result))


class Planning(Story):
    @staticmethod
    def made_plan(asked: Json) -> Json:
        plan = stack.ok("POST", "/plans", asked)

        def look() -> Json | None:
            now = stack.ok("GET", f"/plans/{plan['id']}")
            return now if now["state"] != "Pending" else None
        return until("the plan is made", look)

    def plan(self, name: str) -> Json:
        return self.made_plan({"items": [{"api": name, "environment": "tiny"}]})

    def back_at(self, before: Json) -> Json | None:
        now = stack.deployment(before["id"])
        return now if now["revision"] == before["revision"] and now["generation"] > before["generation"] else None

    def test_a_plan_is_carried_out(self) -> None:
        stack.apply(api("planned"))
        plan = self.plan("planned")
        self.assertEqual(plan["state"], "Ready", plan)
        self.assertEqual([entry["fidelity"]["level"] for entry in plan["items"][0]["fidelity"]], ["exact"])
        stack.ok("POST", f"/plans/{plan['id']}/apply", {})
        until("the plan is applied", lambda: stack.ok("GET", f"/plans/{plan['id']}")["state"] == "Applied")
        self.assertEqual(stack.call("/planned/1", KEY)[0], 200)

    def test_a_plan_is_void_once_the_gateway_holds_something_else(self) -> None:
        deployment = self.deployed("void")
        stack.apply(api("void", displayName="the next revision"))
        plan = self.plan("void")
        self.assertEqual(plan["state"], "Ready", plan)
        edited = stack.edit(deployment, responseHeaders={"x-edited": "yes"})
        stack.ok("POST", f"/plans/{plan['id']}/apply", {})
        until("the plan is void", lambda: stack.ok("GET", f"/plans/{plan['id']}")["state"] == "Void")
        self.assertIn('"PlanVoid"', (folder / "agent.log").read_text())
        self.assertEqual(stack.held(deployment), edited, "nothing was touched")
        now = until("what was there is desired again", lambda: self.back_at(deployment))
        stack.until_drift(now, "drifted")


class Drifting(Story):
    def test_drift_is_told_field_by_field_and_not_overwritten_until_somebody_says_so(self) -> None:
        deployment = self.deployed("drifting")
        edited = stack.edit(deployment, upstreamUrl=stack.upstream + "/elsewhere")
        report = stack.drift(deployment)
        self.assertEqual(report["state"], "drifted")
        self.assertEqual([field["path"] for field in report["fields"]], ["/upstreams/main/url"])
        stack.agent.kill()
        stack.agent.start()
        stack.until_drift(deployment, "drifted")
        self.assertEqual(stack.held(deployment), edited, "a restart does not overwrite it, either")
        stack.ok("POST", f"/deployments/{deployment['id']}/drift-resolution", {"resolution": "revert"})
        until("it is put back", lambda: stack.call("/drifting/1", KEY)[1]["path"] == "/1")
        stack.until_drift(deployment, "inSync")

    def test_a_key_that_somebody_took_away_or_replaced_is_drift(self) -> None:
        deployment = self.deployed("opened")
        stack.edit(deployment, apiKey=None)
        report = stack.drift(deployment)
        self.assertEqual(report["state"], "drifted")
        self.assertTrue(all(field["path"].startswith("/policies") for field in report["fields"]), report)
        stack.edit(deployment, apiKey={"keys": [{"consumer": "shop", "key": "a key of somebody's own"}]})
        self.assertEqual(stack.drift(deployment)["state"], "drifted")

    def test_drift_is_put_right_where_the_environment_says_so(self) -> None:
        deployment = self.deployed("reverting", "tiny-revert")
        stack.edit(deployment, apiKey=None)
        self.assertEqual(stack.call("/reverting/1")[0], 200)
        stack.ok("POST", "/environments/tiny-revert/observations")
        until("the key is asked for again", lambda: stack.call("/reverting/1")[0] == 401)

    def test_a_gateway_that_is_away_is_unknown_and_an_api_that_is_away_is_missing(self) -> None:
        deployment = self.deployed("away")
        stack.gateway.kill()
        try:
            self.assertEqual(stack.drift(deployment)["state"], "unknown")
            self.assertEqual(stack.discover()["state"], "Failed")
        finally:
            stack.start_gateway()
        self.assertEqual(stack.drift(deployment)["state"], "inSync")
        stack.on_gateway("DELETE", f"/apis/{deployment['externalRef']}")
        self.assertEqual(stack.drift(deployment)["state"], "missing")


class Discovering(Story):
    def test_own_and_foreign_apis_are_found_and_what_is_known_is_not_read_again(self) -> None:
        deployment = self.deployed("found")
        discovery = stack.discover()
        self.assertEqual(discovery["state"], "Complete", discovery)
        findings = {finding["externalRef"]: finding for finding in stack.findings(discovery)}
        foreign = [reference for reference in findings if reference.startswith("team-")]
        self.assertEqual(len(foreign), FOREIGN)
        self.assertTrue(findings[deployment["externalRef"]]["managed"])
        self.assertEqual(findings[deployment["externalRef"]]["class"], "unchanged")
        self.assertEqual(findings["zz-damaged"]["class"], "error")
        self.assertIn("damaged", findings["zz-damaged"]["reason"])
        self.check_content(findings["team-0007"])
        self.check_import(discovery, findings["team-0007"])
        self.check_adoption()
        self.check_second_run()

    def check_content(self, finding: Json) -> None:
        content = stack.ok("GET", f"/discoveries/{self.last()}/items/{finding['id']}")["observed"]["content"]
        self.assertEqual([operation["match"]["path"] for operation in content["operations"]], ["/a", "/b/{id}"])
        self.assertEqual(content["policies"], [{"type": "auth.apiKey", "with": {
            "in": "header", "name": "x-team", "forward": False,
            "keys": [{"consumer": "seven", "secretRef": "team-7-seven-key"}]}}])

    def last(self) -> str:
        return stack.ok("GET", "/discoveries?limit=1")["items"][0]["id"]

    def check_import(self, discovery: Json, finding: Json) -> None:
        """The gateway does not show its keys. Without them, what is protected there does not become what is open."""
        take_in = lambda: stack.ok("POST", f"/discoveries/{discovery['id']}/imports", {"items": [finding["id"]]})
        result = take_in()["results"][0]
        self.assertEqual(result["action"], "skipped", result)
        self.assertIn("team-7-seven-key", result["message"])
        stack.apply(secret("team-7-seven-key", "seven's key"))
        result = take_in()["results"][0]
        self.assertEqual(result["action"], "created", result)

    def check_adoption(self) -> None:
        """Taken over where it is: its identity stays, and from now on it carries our mark."""
        request = {"items": [{"action": "adopt", "api": "team-7", "environment": "tiny"}]}
        plan = Planning.made_plan(request)
        self.assertEqual(plan["state"], "Ready", plan)
        stack.ok("POST", f"/plans/{plan['id']}/apply", {})
        until("the plan is applied", lambda: stack.ok("GET", f"/plans/{plan['id']}")["state"] == "Applied")
        held = stack.held({"externalRef": "team-0007"})
        self.assertEqual(held["labels"][translate.NAME_LABEL], "team-7")
        self.assertEqual((held["basePath"], held["tags"], len(held["routes"])), ("/team/7", ["public"], 2))
        self.assertEqual(stack.on_gateway("GET", "/apis/team-0008")[1]["labels"], {}, "others are left alone")

    def check_second_run(self) -> None:
        """What changed is read, and nothing else is."""
        status, _ = stack.on_gateway("PUT", "/apis/team-0009", {
            "name": "Team 9", "basePath": "/team/9", "upstreamUrl": "http://127.0.0.1:2"})
        self.assertEqual(status, 200)
        second = stack.discover()
        self.assertEqual((second["state"], second["counts"]["error"]), ("Complete", 1), second)
        content = next(item for item in stack.findings(second) if item["externalRef"] == "team-0009")
        self.assertEqual(content["class"], "new")
        log = (folder / "agent.log").read_text().splitlines()
        told = [json.loads(line) for line in log if "Discovery of `tiny`: complete" in line]
        self.assertGreater(told[-1]["unchanged"], FOREIGN - 10)


    def test_a_listing_that_breaks_off_is_partial_and_an_interrupted_one_goes_on(self) -> None:
        pages: list[str] = []
        def breaks_off(path: str) -> bool:
            pages.append(path)
            return len(pages) < 8
        self.addCleanup(setattr, stack.tap, "listing", staticmethod(lambda path: True))
        stack.tap.listing = staticmethod(breaks_off)
        discovery = stack.discover("tiny-revert")
        self.assertEqual((discovery["state"], discovery["counts"]["gone"]), ("Partial", 0), discovery)
        self.assertGreater(discovery["counts"]["new"], 100)

        pages.clear()
        def kills(path: str) -> bool:
            pages.append(path)
            if len(pages) == 8:
                stack.agent.kill()
            return len(pages) != 8
        stack.tap.listing = staticmethod(kills)
        asked = stack.ok("POST", "/discoveries", {"environment": "tiny-read-only"})
        until("the agent is killed", lambda: stack.agent.process is None)
        stack.agent.start()
        discovery = stack.discovered(asked)
        self.assertEqual((discovery["state"], discovery["counts"]["error"]), ("Complete", 1), discovery)
        found = {item["externalRef"] for item in stack.findings(discovery)}
        self.assertEqual(len([reference for reference in found if reference.startswith("team-")]), FOREIGN)
        self.assertIn("after=", pages[8], "it goes on after the last page that arrived")


class Crashing(Story):
    def tearDown(self) -> None:
        stack.tap.before = stack.tap.after = staticmethod(lambda method, path: True)

    def test_an_agent_survives_its_control_plane(self) -> None:
        deployment = self.deployed("surviving")
        stack.control_plane.kill()
        self.assertEqual(stack.call("/surviving/1", KEY)[0], 200)
        stack.start_control_plane()
        stack.until_drift(deployment, "inSync")
        self.deployed("surviving", operations=[])
        self.assertEqual(stack.call("/surviving/1/2", KEY)[0], 200)

    def kill_once(self, moment: str) -> None:
        """Kills the agent at the next change, right before or right after the gateway takes it."""
        def hook(method: str, path: str) -> bool:
            setattr(stack.tap, moment, staticmethod(lambda method, path: True))
            stack.agent.kill()
            return False
        setattr(stack.tap, moment, staticmethod(hook))

    def crash(self, moment: str, act: Any) -> None:
        self.kill_once(moment)
        act()
        until("the agent is killed", lambda: stack.agent.process is None)
        stack.agent.start()

    def on_gateway(self, name: str) -> list[str]:
        status, page = stack.on_gateway("GET", f"/apis?label=gatehouse.dev/api-name={name}")
        self.assertEqual(status, 200)
        return [item["id"] for item in page["items"]]

    def test_an_agent_that_is_killed_at_a_change_finishes_it_once(self) -> None:
        for moment in ("before", "after"):
            name = f"crash-{moment}"
            with self.subTest(name):
                stack.apply(api(name))
                asked: list[Json] = []
                self.crash(moment, lambda: asked.append(stack.deploy(name)))
                deployment = stack.settled(asked[0], "Deployed")
                self.assertEqual(self.on_gateway(name), [deployment["externalRef"]])
                self.assertEqual([stack.call(f"/{name}/1", key)[0] for key in (None, KEY)], [401, 200])
                self.crash(moment, lambda: stack.ok("DELETE", f"/deployments/{deployment['id']}"))
                until("it is gone", lambda: stack.admin("GET", f"/deployments/{deployment['id']}")[0] == 404)
                self.assertEqual(self.on_gateway(name), [])

    def test_a_second_agent_does_nothing_beside_the_first_and_ends_when_it_is_revoked(self) -> None:
        first = {agent["id"] for agent in stack.ok("GET", "/agents")["items"]}
        second = stack.another_agent("second")
        second.start()
        self.addCleanup(second.kill)
        until("it is connected", lambda: "Connected" in second.log.read_text())
        deployment = self.deployed("contended")
        stack.undeploy_and_wait(deployment)
        self.assertNotIn("Serving environment", second.log.read_text())
        added = next(agent["id"] for agent in stack.ok("GET", "/agents")["items"] if agent["id"] not in first)
        stack.ok("DELETE", f"/agents/{added}")
        until("it ends", lambda: second.exit_code() == 1)

    def test_an_agent_that_is_asked_to_stop_stops_and_has_told_no_secret(self) -> None:
        deployment = self.deployed("stopping")
        self.assertEqual(stack.agent.terminate(), 0)
        stack.agent.start()
        stack.until_drift(deployment, "inSync")
        key_file = folder / "agent/identity.json"
        self.assertEqual(stat.S_IMODE(key_file.stat().st_mode), 0o600)
        log = (folder / "agent.log").read_text()
        for told in log.splitlines():
            self.assertIn("message", json.loads(told))
        for kept in (KEY, ADMIN_TOKEN, json.loads(key_file.read_text())["key"]):
            self.assertNotIn(kept, log)


if __name__ == "__main__":
    unittest.main()

"""What the agent decides, without a control plane and a gateway."""

from __future__ import annotations

import threading
import time
import unittest
from unittest import mock

import connector
import reconcile
import translate
from backoff import Backoff
from canonical import canonical_json, fingerprint
from control_plane import Delivery, Problem, Unreachable, deliver
from environments import Environments
from gateway_client import GatewayError

API_KEY = {"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}}


class Deciding(unittest.TestCase):
    """One decision each."""

    def test_the_canonical_form_is_that_of_the_control_plane(self) -> None:
        value = {"b": 1.0, "a": [1.5, -0.0, 9_007_199_254_740_993, 1e300], "ü": "\n\u2028/"}
        self.assertEqual(canonical_json(value), '{"a":[1.5,0,9007199254740993,1e+300],"b":1,"ü":"\\n\u2028/"}')
        self.assertEqual(fingerprint({}), "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")

    @mock.patch("environments.log")
    def test_a_lease_that_ran_out_or_was_taken_away_is_none(self, _log: mock.Mock) -> None:
        environments = Environments(mock.Mock())
        assignment = {"id": "1", "name": "tiny", "mode": "read-write", "fencing": 7}
        self.assertTrue(environments.apply(assignment), "everything there needs a look")
        self.assertIsNone(environments.lease("1"), "it is not known how long it lasts")
        environments.leased_until = time.monotonic() + 60
        lease = environments.lease("1")
        assert lease is not None
        self.assertTrue(lease.is_held)
        self.assertFalse(environments.apply(dict(assignment)), "nothing new")
        self.assertTrue(environments.apply(assignment | {"fencing": 8}))
        self.assertFalse(lease.is_held, "what is under way under the old one stops")
        environments.leased_until = time.monotonic()
        self.assertIsNone(environments.lease("1"))

    def test_the_agent_holds_the_mode_by_itself(self) -> None:
        lease = mock.Mock(mode="read-only", environment_name="tiny")
        for act in (lambda: connector.deploy(lease, {}, {}), lambda: connector.undeploy(lease, {})):
            with self.assertRaises(GatewayError) as refused:
                act()
            self.assertEqual(refused.exception.kind, "Forbidden")
        lease.mode = "write-only"
        with self.assertRaises(GatewayError) as refused:
            connector.discover(lease, {}, {}, None)
        self.assertEqual(refused.exception.kind, "Forbidden")
        lease.client.assert_not_called()

    def test_filters_hold_together(self) -> None:
        summary = {"name": "Team [7]", "tags": ["public", "eu"]}
        for selection, expected in (
            ({}, True), ({"names": ["Team *"]}, True), ({"names": ["team *"]}, False), ({"names": ["Team [?]"]}, True),
            ({"names": ["Team [7-9]"]}, False), ({"tags": ["eu", "us"]}, True), ({"names": ["T*"], "tags": ["us"]}, False),
        ):
            self.assertEqual(connector.admits(selection, summary), expected, selection)

    def test_policies_that_add_up_are_not_taken_for_one(self) -> None:
        policies = [API_KEY, API_KEY, {"type": "cors", "with": {}}]
        operation = {"match": {"method": "GET", "path": "/"}, "policies": [API_KEY]}
        report = translate.fidelity_report({"policies": policies, "operations": [operation]})
        self.assertEqual([(entry["pointer"], entry["fidelity"]["level"]) for entry in report], [
            ("/policies/0", "exact"), ("/policies/1", "unsupported"), ("/policies/2", "unsupported"),
            ("/operations/0/policies/0", "unsupported")])
        unenforced, others = translate.losses({"policies": policies, "operations": [operation]})
        self.assertEqual((len(unenforced), len(others)), (2, 1))

    def test_nothing_that_guards_an_api_is_passed_over(self) -> None:
        keys = [{"consumer": "shop", "secretRef": "shop-key", "expiresAt": "2027-01-01T00:00:00Z"}]
        expiring = {"type": "auth.apiKey", "with": {"keys": keys}}
        asking = {"type": "ext.authz", "with": {"url": "https://authorizer.internal"}}
        unenforced, others = translate.losses({"policies": [expiring, asking]})
        self.assertEqual(([entry["policy"] for entry in unenforced], others), (["auth.apiKey", "ext.authz"], []))

    def test_what_the_gateway_has_no_words_for_is_refused(self) -> None:
        main = {"url": "http://127.0.0.1:1", "timeoutMs": 1, "connectTimeoutMs": 1}
        content = {"type": "rest", "upstreams": {"main": main}}
        operation = {"match": {"method": "GET", "path": "/"}, "policies": [], "deprecated": False}
        translate.check_expressible("shop", {**content, "operations": [operation]})
        for wrong, named in (
            ({**content, "upstreams": {"main": {**main, "protocol": "http2"}}}, "`protocol` of upstream `main`"),
            ({**content, "operations": [{**operation, "match": {**operation["match"], "pathRegex": "/a"}}]}, "`pathRegex`"),
            ({**content, "operations": [{**operation, "traffic": {}}]}, "`traffic`"),
        ):
            with self.assertRaises(GatewayError) as refused:
                translate.check_expressible("shop", wrong)
            self.assertEqual(refused.exception.kind, "Unsupported")
            self.assertIn(named, str(refused.exception))

    def test_pauses_grow_to_a_ceiling(self) -> None:
        backoff = Backoff(first_seconds=1, longest_seconds=8)
        for failures, ceiling in ((1, 1), (2, 2), (4, 8), (9_999, 8)):
            pauses = [backoff.pause(failures) for _ in range(100)]
            self.assertTrue(all(0 <= pause <= ceiling for pause in pauses) and max(pauses) > ceiling / 2)

    def test_a_report_is_sent_until_there_is_an_answer(self) -> None:
        away = Unreachable("away")
        for answers, expected in (
            ([away, Problem(503, "unavailable", ""), None], Delivery.ACKNOWLEDGED),
            ([away, Problem(409, "stale", "")], Delivery.STALE),
            ([Problem(409, "wrong-state", "")], Delivery.REFUSED),
            ([Problem(404, "not-found", "")], Delivery.REFUSED),
        ):
            send = mock.Mock(side_effect=answers)
            with mock.patch("control_plane.log"):
                self.assertIs(deliver("a test", threading.Event(), send), expected)
            self.assertEqual(send.call_count, len(answers))
        stopping = threading.Event()
        stopping.set()
        send = mock.Mock(side_effect=[away, None])
        with mock.patch("control_plane.log"):
            self.assertIs(deliver("a test", stopping, send), Delivery.STOPPED)
        self.assertEqual(send.call_count, 1, "what was done is told once, also at the end")

    def test_an_approved_plan_covers_what_it_saw_and_nothing_else(self) -> None:
        lease, mark = mock.Mock(environment_name="tiny"), {"apiName": "orders"}
        seen = {"state": "present", "fingerprint": "sha256:1", "externalRef": "x"}
        for expected, observation, is_void in (
            ({"state": "present", "fingerprint": "sha256:1"}, seen, False),
            ({"state": "present", "fingerprint": "sha256:2"}, seen, True),
            ({"state": "present", "fingerprint": "sha256:1"}, {"state": "absent"}, True),
            ({"state": "absent"}, {"state": "absent"}, False),
            ({"state": "absent"}, seen, True),
        ):
            outcome = reconcile.moved({"expected": expected}, mark, lease, observation)
            self.assertEqual(outcome is not None and outcome["reason"] == "PlanVoid", is_void)


if __name__ == "__main__":
    unittest.main()

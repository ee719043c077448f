"""Lets every other request find something, and keeps long polls short.

Names and identities that schemathesis makes up do not exist, so that without this all it would ever see of most
operations is their 404.
"""

import itertools
import json
import os

import schemathesis

KNOWN = json.loads(os.environ.get("GATEHOUSE_KNOWN", "{}"))
TURN = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    parameters = case.path_parameters or {}
    if next(TURN) % 2 == 0 and not deletes_for_good(case):
        if "name" in parameters:
            parameters["name"] = "existing"
        for collection, identity in KNOWN.items():
            if identity and "id" in parameters and f"/{collection}/{{id}}" in case.path:
                parameters["id"] = identity
    # A wait of a minute is a valid request and tells nothing more than one of a second.
    wait = (case.query or {}).get("waitSeconds")
    if str(wait).isdigit() and 1 < int(wait) <= 300:
        case.query["waitSeconds"] = "1"


def deletes_for_good(case):
    """Revoking the agent whose token all requests carry would end the conversation."""
    return case.method.upper() == "DELETE" and "/agents/" in case.path

"""Lets every other request find something, keeps long polls short, and knows NDJSON.

Names and identities that schemathesis makes up do not exist, so that without this all it would ever see of most
operations is their 404.
"""

import itertools
import json
import os
import re

import schemathesis

KNOWN = json.loads(os.environ.get("GATEHOUSE_KNOWN", "{}"))
TURN = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    if next(TURN) % 2 == 0 and not ends_the_conversation(case):
        put_known(case)
    # A wait of a minute is a valid request and tells nothing more than one of a second.
    wait = (case.query or {}).get("waitSeconds")
    if str(wait).isdigit() and 1 < int(wait) <= 60:
        case.query["waitSeconds"] = "1"


def put_known(case):
    parameters = case.path_parameters or {}
    for collection, parameter in re.findall(r"/([^/{]+)/\{(\w+)\}", case.path):
        if parameter == "name":
            parameters[parameter] = "existing"
        elif KNOWN.get(collection):
            parameters[parameter] = KNOWN[collection]
    # No cursor that somebody made up is one.
    (case.query or {}).pop("cursor", None)


def ends_the_conversation(case):
    """Requests after which the rest would find nothing: revoking the agent, deleting what was put in."""
    return case.method.upper() == "DELETE" or case.path.endswith("/completion")


@schemathesis.serializer("application/x-ndjson")
def ndjson(context, value):
    return json.dumps(value).encode() + b"\n"

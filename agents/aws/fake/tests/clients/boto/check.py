"""Drives a server of AWS's API with boto3, and holds every raw answer to the official model.

    python check.py ENDPOINT [TOPIC...]

Prints a line per departure to standard error, and `called SERVICE:OPERATION` for each operation to standard output. Ends
with 1 if there was a departure. Credentials come from the environment."""

import sys

import http_apis
import http_parts
import rest_access
import rest_apis
import rest_parts
import rest_pieces
from caller import Caller, Surprise


def topics():
    rest, http = [rest_apis, rest_access, rest_parts, rest_pieces], [http_apis, http_parts]
    for service, modules in {"apigateway": rest, "apigatewayv2": http}.items():
        for module in modules:
            for topic in module.TOPICS:
                yield service, f"{module.__name__}.{topic.__name__}", topic


def run(service, endpoint, topic):
    """What departs, and which operations were called."""
    aws = Caller(service, endpoint)
    try:
        topic(aws)
    except (Surprise, KeyError, IndexError) as error:
        aws.surprises.append(f"ended early: {error!r}")
    return aws.report(), aws.official.called


def main(endpoint, wanted):
    departed = False
    called = set()
    for service, name, topic in topics():
        if wanted and name not in wanted:
            continue
        departures, operations = run(service, endpoint, topic)
        called |= operations
        for departure in departures:
            departed = True
            print(f"{name}: {departure}", file=sys.stderr)
    print("\n".join(f"called {operation}" for operation in sorted(called)))
    return int(departed)


sys.exit(main(sys.argv[1], sys.argv[2:]))

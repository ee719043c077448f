"""Calls that have to succeed or to be refused in one way, with everything that was otherwise."""

import json
import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from official_model import Official

REGION = "eu-central-1"


class Surprise(Exception):
    """A call went otherwise than the story can go on after."""


class Caller:
    """One service at one endpoint."""

    def __init__(self, service, endpoint):
        options = {"region_name": REGION, "endpoint_url": endpoint}
        options["config"] = Config(retries={"total_max_attempts": 1}, proxies={})
        self.client = boto3.client(service, **options)
        self.official = Official()
        self.official.watch(self.client)
        self.surprises = []

    def ok(self, operation, **parameters):
        """The answer of a call that succeeds."""
        try:
            answer = getattr(self.client, operation)(**parameters)
        except (ClientError, ParamValidationError) as error:
            raise Surprise(f"{operation} {json.dumps(parameters, default=str)[:200]}: {error}") from error
        answer.pop("ResponseMetadata", None)
        return answer

    def refused(self, code, status, operation, message="", **parameters):
        """A call that is refused with a code, a status and the text."""
        try:
            self.ok(operation, **parameters)
        except Surprise as surprise:
            answer = getattr(surprise.__cause__, "response", {})
            error = answer.get("Error", {})
            found = (error.get("Code"), answer.get("ResponseMetadata", {}).get("HTTPStatusCode"))
            self.same(f"{operation} that is refused", found, (code, status))
            if message not in error.get("Message", ""):
                self.surprises.append(f"{operation} that says why: {error.get('Message')!r}, and not {message!r}")
        else:
            self.surprises.append(f"{operation} that is refused: it succeeded, and not {code} with {parameters}")

    def pages(self, operation, result, size, **parameters):
        """What all pages have, and how many there were."""
        pages = list(self.client.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **parameters))
        return [item for page in pages for item in page.get(result, [])], len(pages)

    def same(self, what, found, wanted):
        """Notes a difference."""
        if found != wanted:
            self.surprises.append(f"{what}: {found!r}, and not {wanted!r}")

    def report(self):
        """What departs from the model, and what was otherwise than the story has it."""
        return sorted(set(self.official.departures)) + self.surprises


def account():
    """The account that the access key of the tests belongs to."""
    return os.environ.get("AWS_ACCOUNT_ID", "111111111111")

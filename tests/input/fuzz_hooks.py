"""Loaded by schemathesis' own process: one more check, and a record. What it needs to know comes from the environment."""

import json
import os
from pathlib import Path

import schemathesis
from hypothesis import strategies as st
from schemathesis.openapi.checks import UnsupportedMethodResponse

import problem_check  # noqa: F401, registers itself
from world import NOBODY

RECORD = open(os.environ["INPUT_RECORD"], "a", buffering=1)
ACTING = set(os.environ["INPUT_ACTING"].split())
EXAMPLES = json.loads(Path(os.environ["INPUT_EXAMPLES"]).read_text())
OTHER_PATHS = json.loads(os.environ["INPUT_OTHER_PATHS"])
# What takes a thing out of the acting people's hands; to read or to change it is all right.
TAKES = ("archive_", "deactivate_", "delete_", "move_", "revoke_", "transfer_", "issue_activation_code")


@schemathesis.serializer("application/offset+octet-stream")
def as_bytes(context, value):
    """A tus chunk is just bytes, which schemathesis cannot know of this media type."""
    return {"data": value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")}


def operation_id(case):
    return case.operation.definition.raw.get("operationId", case.operation.label)


@schemathesis.hook
def flatmap_body(context, body):
    """Half of the bodies are the document's example: what is made at random is seldom taken, and links start from what was."""
    example = EXAMPLES.get(context.operation.definition.raw.get("operationId"))
    if example is None:
        return st.just(body)
    fresh = {name: st.uuids().map(str) if name == "client_event_id" else st.just(value) for name, value in example.items()}
    return st.one_of(st.just(body), st.fixed_dictionaries(fresh))


@schemathesis.hook
def before_call(context, case, kwargs):
    # Whoever asks must outlive the asking, or all that follows is 401 and hides what it should show.
    if operation_id(case).startswith(TAKES):
        for name, value in (case.path_parameters or {}).items():
            if value in ACTING:
                case.path_parameters[name] = NOBODY


@schemathesis.hook
def after_call(context, case, response):
    RECORD.write(json.dumps({"operation": operation_id(case), "status": response.status_code}) + "\n")


@schemathesis.hook
def filter_failure(context, failure, case, response):
    # Another method on `/members/imports` is a request for the member `imports`, whose answer is 404, not 405.
    is_of_other_path = response.request.method in OTHER_PATHS.get(case.operation.path, [])
    return not (isinstance(failure, UnsupportedMethodResponse) and is_of_other_path)

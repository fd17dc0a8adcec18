"""The main jobs from end to end, by the document alone: each of its links must lead to a success for some role (P14)."""

import requests

import problem_check  # noqa: F401, registers itself
import world
from document import narrow
from report import Findings
from server import Server, sign_in_roles
from walk import Walk

# What every answer must be, by schemathesis' names.
ANSWER_CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "problem_document",
)


def run(options):
    findings = Findings("links")
    with Server(options) as server:
        clients = sign_in_roles(server)
        known, values = world.build(server, clients)
        official = requests.get(server.url + "/api/v1/openapi.json", timeout=10).json()
        walk = Walk(server, clients, narrow(official, known, values), known, ANSWER_CHECKS, findings)
        led, stuck = walk.run()
        findings.extend(("link", one) for one in stuck)
        findings.extend(("link", panic) for panic in server.panics())
    findings.note(f"{len(led)} of {len(led) + len(stuck)} links followed to a 2xx")
    return findings

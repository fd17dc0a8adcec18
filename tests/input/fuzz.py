"""Part `schemathesis`: the OpenAPI document against the server, for each role, with links. Promise P14."""

import base64
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import requests

import problem_check  # noqa: F401, registers itself
import world
from document import examples, narrow, operations, other_paths
from links import ANSWER_CHECKS
from report import Findings
from server import ROLES, Server, Unusable, sign_in, sign_in_roles

HERE = Path(__file__).parent
CHECKS = (*ANSWER_CHECKS, "unsupported_method", "allow_header_conformance", "ignored_auth")
# How thoroughly: phases of schemathesis and examples for each operation in them.
SHORT = {"coverage": False, "fuzzing": 3, "stateful": 0}
SHORT_ADMIN = {"coverage": True, "fuzzing": 0, "stateful": 3}
LONG = {"coverage": True, "fuzzing": 50, "stateful": 100}


def run(options):
    findings = Findings("schemathesis")
    asked, reached, total = set(), set(), 0
    # The one with the most to do first; two at once are what two cores carry.
    order = sorted(ROLES, key=lambda role: role != "admin")
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda role: one_role(role, options), order))
    for role, (answers, faults, total) in zip(order, results):
        findings.extend((role, fault) for fault in faults)
        names, good = {one["operation"] for one in answers}, {one["operation"] for one in answers if one["status"] // 100 == 2}
        asked |= names
        reached |= good
        findings.requests += len(answers)
        told = f"{len(names)} of {total} operations asked, {len(good)} answered 2xx, {len(faults)} findings"
        print(f"  {role}: {len(answers)} requests, {told}", flush=True)
    findings.note(f"{len(asked)} of {total} operations asked, {len(reached)} answered 2xx to some role")
    if options.keep:
        never = sorted(asked - reached)
        (Path(options.keep) / "schemathesis-never-2xx.txt").write_text("\n".join(never) + "\n")
    return findings


def one_role(role, options):
    effort = LONG if options.long else SHORT_ADMIN if role == "admin" else SHORT
    with Server(options) as server:
        answers, faults, total = fuzz_as(server, role, effort, options)
        return answers, faults + server.panics(), total


def fuzz_as(server, role, effort, options):
    """Runs schemathesis as one role: each answer's operation and status, what failed, and the number of operations."""
    clients = sign_in_roles(server)
    acting = acting_ids(clients)  # before `world` adds roles that may go
    known, values = world.build(server, clients)
    official = requests.get(server.url + "/api/v1/openapi.json", timeout=10).json()
    document = narrow(official, known, values)
    folder, spare = server.folder, sign_in(server, "demo-member-059").token
    (folder / "document.json").write_text(json.dumps(document))
    (folder / "examples.json").write_text(json.dumps(examples(document)))
    (folder / "schemathesis.toml").write_text(settings(effort, clients[role].token, spare))
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE),
        "SCHEMATHESIS_HOOKS": "fuzz_hooks",
        "INPUT_RECORD": str(folder / "record"),
        "INPUT_ACTING": " ".join(acting),
        "INPUT_EXAMPLES": str(folder / "examples.json"),
        "INPUT_OTHER_PATHS": json.dumps(other_paths(official)),
    }
    command = command_line(server.url, effort, options.seed)
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    if options.keep:
        (Path(options.keep) / f"schemathesis-{role}.txt").write_text(done.stdout + done.stderr)
    report = folder / "report.json"
    if done.returncode not in (0, 1) or not report.exists() or json.loads(report.read_text())["errors"]:
        raise Unusable(f"schemathesis failed as {role}:\n{(done.stdout + done.stderr)[-3000:]}")
    if options.keep:
        shutil.copy(folder / "record", Path(options.keep) / f"schemathesis-{role}.jsonl")
    answers = [json.loads(line) for line in (folder / "record").read_text().splitlines()]
    if role != "anonymous" and clients[role].get("/me").status_code != 200:
        raise Unusable(f"the session of the {role} did not outlive the run: what followed its end shows nothing")
    return answers, failures(folder / "report.ndjson"), len(operations(official))


def acting_ids(clients):
    """What the roles act with, and must keep: members, sessions, roles, and the organizations that these hang from."""
    found = set()
    for client in clients.values():
        if client.token:
            me = client.make("GET", "/me")
            found.add(jwt.decode(client.token, options={"verify_signature": False})["sid"])
            if me.get("member"):
                found |= {me["member"]["id"], me["member"]["organization_id"]}
    admin = clients["admin"]
    for organization in [one for one in found if admin.get(f"/organizations/{one}").ok]:
        found |= {one["id"] for one in admin.make("GET", f"/organizations/{organization}/roles")["items"]}
    return found


def command_line(url, effort, seed):
    phases = [name for name in ("coverage", "fuzzing", "stateful") if effort[name]]
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", "document.json", "--url", url]
    command += ["--phases", ",".join(phases), "--checks", ",".join(CHECKS), "--seed", str(seed), "--continue-on-failure"]
    command += ["--report", "json,ndjson", "--report-json-path", "report.json", "--report-ndjson-path", "report.ndjson"]
    command += ["--output-sanitize", "false", "--warnings", "off"]
    return command + ["--request-timeout", "10", "--suppress-health-check", "all"]


def settings(effort, token, spare):
    """schemathesis.toml: what its command line has no words for. `spare` is a session that may end."""
    own = f'[headers]\nAuthorization = "Bearer {token}"' if token else ""
    logout = f'[[operations]]\ninclude-operation-id = "logout"\nheaders.Authorization = "Bearer {spare}"' if token else ""
    return f"""
max-stream-events = 1
{own}
[phases.fuzzing.generation]
max-examples = {effort["fuzzing"] or 1}
[phases.stateful.generation]
max-examples = {effort["stateful"] or 1}
[[operations]]
include-path-regex = "/uploads"
headers.Tus-Resumable = "1.0.0"
{logout}
"""


def failures(path):
    """What failed in a run, one for each operation, check, status and message, with the first request that showed it."""
    seen = {}
    with open(path) as lines:
        for line in lines:
            if line.startswith('{"ScenarioFinished"'):
                recorder = json.loads(line)["ScenarioFinished"]["recorder"]
                for case, checks in recorder.get("checks", {}).items():
                    for check in checks:
                        if check["status"] == "failure":
                            asked = recorder["cases"][case]["value"]
                            label = f"{asked['method']} {asked['path']}"
                            remember(seen, check, recorder.get("interactions", {}).get(case) or {}, label)
    return list(seen.values())


def remember(seen, check, interaction, label):
    failure, request, answer = check["failure_info"]["failure"], interaction.get("request") or {}, interaction.get("response") or {}
    status, message = answer.get("status_code"), " ".join(failure["message"].split())
    body = text(answer.get("content"))[:300]
    curl = f"curl -X {request.get('method')} '{request.get('uri')}' -d '{text(request.get('body'))[:600]}'"
    seen.setdefault((label, check["name"], status, message[:60]), f"{label} {check['name']}: {message[:400]}\n    got {status} {body}\n    {curl}")


def text(content):
    return base64.b64decode((content or {}).get("$base64") or "").decode(errors="replace")

"""Follows each of the document's links once, with the document's examples: the main jobs from end to end, which chance seldom meets.

Every answer on the way goes through schemathesis' checks. Each step is tried as each role until one may.
"""

import uuid

import schemathesis
from schemathesis.checks import CHECKS as REGISTERED
from schemathesis.core.failures import FailureGroup

from document import examples
from world import instant

# Not the event that stands there already: everybody has checked in at it.
AFRESH = ("find_code", "publish_event")
ROLES = ("secretary", "admin", "organizer", "member", "anonymous")


class Walk:
    def __init__(self, server, clients, document, known, checks, findings):
        self.known = known
        self.server, self.clients, self.findings = server, clients, findings
        self.examples = examples(document)
        self.links = list(links(document))
        loaded = [result.ok() for result in schemathesis.openapi.from_dict(document).get_all_operations()]
        self.operations = {one.definition.raw["operationId"]: one for one in loaded}
        self.why = {}  # an operation that was not reached: its answer
        self.checks = [REGISTERED.get_one(name) for name in checks]

    def run(self):
        """The links that led to a 2xx, and those that did not, with the last answer."""
        led, stuck = [], []
        for source, _, target, parameters, body in self.links:
            name = f"{source} -> {target}"
            origin = self.reach(source)
            answer = self.step(target, *resolve(parameters, body, origin)) if origin is not None else None
            if answer is not None and answer.status_code < 300:
                led.append(name)
            else:
                stuck.append(f"{name}: " + (f"{answer.status_code} {answer.text[:160]}" if answer is not None else f"its source answered {self.why[source]}"))
        return led, stuck

    def reach(self, operation, depth=0):
        """A fresh 2xx: of the example with things that exist, else by a link that leads there."""
        answer = None if operation in AFRESH else self.step(operation, {}, {})
        if answer is not None and answer.status_code < 300:
            return answer
        for source, _, target, parameters, body in self.links if depth < 4 else ():
            if target == operation and (origin := self.reach(source, depth + 1)) is not None:
                answer = self.step(operation, *resolve(parameters, body, origin))
                if answer.status_code < 300:
                    return answer
        self.why[operation] = f"{answer.status_code} {answer.text[:200]}" if answer is not None else "nothing"
        return None

    def step(self, operation_id, parameters, body):
        """The first 2xx; else the answer that tells most of why not."""
        best = None
        for role in ROLES:
            answer = self.call(operation_id, role, parameters, body)
            if answer.status_code < 300:
                return answer
            if best is None or best.status_code in (401, 403, 404):
                best = answer
        return best

    def call(self, operation_id, role, parameters, body):
        operation = self.operations[operation_id]
        path, headers = {}, {}
        paths, changes = needs(self.known).get(operation_id, ({}, {}))
        parameters = {**paths, **parameters}
        for one in operation.definition.raw.get("parameters", []):
            if one["in"] == "path":
                path[one["name"]] = parameters.get(one["name"]) or one["schema"]["enum"][0]
            elif one["name"] == "If-Match":
                headers["If-Match"] = parameters.get("If-Match", "*")
        told = {"path_parameters": path, "headers": headers}
        if "requestBody" in operation.definition.raw:
            example = self.examples.get(operation_id, {})
            fresh = {name: str(uuid.uuid4()) for name in ("client_event_id", "password") if name in example}
            if "proof" in body:
                example = {name: value for name, value in example.items() if name != "code"}
            told |= {"body": {**example, **fresh, **changes, **body}, "media_type": "application/json"}
        case = operation.Case(**told)
        token = self.clients[role].token
        answer = case.call(base_url=self.server.url, headers={"Authorization": f"Bearer {token}"} if token else None)
        self.findings.requests += 1
        try:
            case.validate_response(answer, checks=self.checks)
        except FailureGroup as group:
            for failure in group.exceptions:
                self.findings.add(operation_id, " ".join(str(failure).split())[:400])
        return answer


def links(document):
    """Each link: the operation it starts from, the status, where it leads, parameters and members of the body."""
    for item in document["paths"].values():
        for operation in item.values():
            for status, answer in operation.get("responses", {}).items():
                # What takes a thing back comes first: nobody may share, or sign up, a second time.
                takes_back = lambda link: link["operationId"].startswith(("withdraw_", "cancel_"))  # noqa: E731
                for link in sorted(answer.get("links", {}).values(), key=takes_back, reverse=True):
                    yield operation["operationId"], status, link["operationId"], link.get("parameters", {}), link.get("requestBody", {})


def each(value, change):
    """`value` with every text in it changed."""
    if isinstance(value, dict):
        return {name: each(one, change) for name, one in value.items()}
    if isinstance(value, list):
        return [each(one, change) for one in value]
    return change(value) if isinstance(value, str) else value


def resolve(parameters, body, origin):
    """A link's expressions, by the answer it starts from."""

    def value(text):
        if text == "$response.header.ETag":
            return origin.headers["etag"][0]
        if not text.startswith("$response.body#/"):
            return text
        found = origin.json()
        for part in text.removeprefix("$response.body#/").split("/"):
            found = found[int(part) if isinstance(found, list) else part]
        return found

    return each(parameters, value), each(body, value)


def needs(known):
    """What an example lacks to be taken here and now: (path parameters, body) by operation."""
    root, branch = known["OrganizationId"][:2]
    published = known["LessonId"][0]
    return {
        "create_organization": ({}, {"name": f"支部{uuid.uuid4().hex[:8]}", "parent_id": root}),
        "update_organization": ({}, {"name": f"支部{uuid.uuid4().hex[:8]}"}),
        "update_progress": ({}, {"played": [], "sections": [0], "position": 0}),
        "create_event": ({}, {"starts_at": instant(minutes=-1), "ends_at": instant(hours=2), "opens_before_s": 3600}),
        "transfer_member": ({}, {"organization_id": branch}),
        "create_guest": ({}, {"phone": phone()}),
        "create_own_guest": ({}, {"phone": phone()}),
        "create_series": ({}, {"organization_id": branch, "lessons": [{"lesson_id": published}]}),
        "create_study_plan": ({}, {"organization_id": branch, "series_ids": []}),
        "start_quiz_attempt": ({"id": published}, {}),
        "request_leave": ({"id": known["EventId"][2]}, {}),
        "create_sign_up": ({"id": known["EventId"][3]}, {"answers": {}}),
    }


def phone():
    return f"139{uuid.uuid4().int % 10**8:08}"

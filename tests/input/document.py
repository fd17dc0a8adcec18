"""The suite's own copy of the OpenAPI document: requests mostly name things that exist, answers are judged as documented."""

import copy
import json
import re
from datetime import datetime, timezone

from world import NOBODY, day, instant

PREFIX = "#/components/schemas/"
ASKED = "Asked."  # before the name of a schema that only requests use
# What ends a thing gets the last one that was made, so that all others still meet one that lives.
ENDS = re.compile("^(annul|archive|cancel|close|deactivate|decline|delete|end|move|reject|revoke|transfer|withdraw)_")
# The moment at which the document's examples were thought up; here they happen now.
EXAMPLES_NOW = datetime(2026, 11, 24, 1, 35, tzinfo=timezone.utc)
MUST_BE_UNIQUE = ("phone", "employee_no", "account_name")


def narrow(document, known, values):
    """A copy in which an id in a request is one of those that `world` made, or nobody's; all else stays as it is."""
    copied = copy.deepcopy(document)
    schemas = copied["components"]["schemas"]
    asked = {}
    for _, _, operation in operations(copied):
        for parameter in operation.get("parameters", []):
            special = special_parameter(parameter, operation, known, values)
            parameter["schema"] = special or redirect(parameter["schema"], schemas, asked)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            content["schema"] = redirect(content.get("schema", {}), schemas, asked)
    for name, schema in asked.items():
        if name in known:
            schema = ids(known[name])
        elif name == "Instant":
            schema = {"anyOf": [{**schema, "enum": [instant(minutes=-5), instant(hours=2), instant(days=3)]}, schema]}
        elif isinstance(schema.get("example"), dict):
            schema = {**schema, "example": living_example(schema, known)}
        schemas[ASKED + name] = schema
    return copied


def ids(some):
    return {"type": "string", "format": "uuid", "enum": [*some, NOBODY]}


def living_example(schema, known):
    """The example with ids of things that exist, moved to the present, and without what only one thing can have."""
    example = {}
    for name, value in schema["example"].items():
        kind = re.search(ASKED + r"(\w+Id)\"", json.dumps(schema.get("properties", {}).get(name)))
        if kind and kind[1] in known:
            some = known[kind[1]][0]
            value = [some] if isinstance(value, list) else some
        if name not in MUST_BE_UNIQUE:
            example[name] = to_the_present(value)
    return example


def to_the_present(value):
    if isinstance(value, list):
        return [to_the_present(one) for one in value]
    if isinstance(value, dict):
        return {name: to_the_present(one) for name, one in value.items()}
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value):
        return instant(seconds=(datetime.fromisoformat(value) - EXAMPLES_NOW).total_seconds())
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return day((datetime.fromisoformat(value + "T00:00:00Z") - EXAMPLES_NOW).days + 1)
    return value


def special_parameter(parameter, operation, known, values):
    kind = parameter["schema"].get("$ref", "").removeprefix(PREFIX)
    if parameter["in"] == "path" and kind in known:
        *living, last = known[kind]
        return ids([last] if ENDS.match(operation["operationId"]) else living or [last])
    if parameter["name"] == "If-Match":
        return {"type": "string", "enum": ["*", '"1"', '"0"']}
    if parameter["name"] == "token":
        return {"type": "string", "enum": [values["token"], "x"]}
    return None


def redirect(schema, schemas, asked):
    """The same schema with references to copies of what they name, which go into `asked`."""
    if isinstance(schema, list):
        return [redirect(one, schemas, asked) for one in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref", "")
    if reference.startswith(PREFIX):
        name = reference.removeprefix(PREFIX)
        if name not in asked:
            asked[name] = {}  # before its inside is followed: a schema may hold itself
            asked[name].update(redirect(schemas[name], schemas, asked))
        return {**schema, "$ref": PREFIX + ASKED + name}
    return {key: value if key == "example" else redirect(value, schemas, asked) for key, value in schema.items()}


def operations(document):
    """All of them as (method, path, operation)."""
    return [(method, path, one) for path, methods in document["paths"].items() for method, one in methods.items()]


def examples(document):
    """The example of each operation's JSON body, by operation id."""
    found = {}
    for _, _, operation in operations(document):
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        schema = document["components"]["schemas"].get(schema.get("$ref", "").removeprefix(PREFIX), schema)
        if isinstance(schema.get("example"), dict):
            found[operation["operationId"]] = schema["example"]
    return found


def other_paths(document):
    """For each path, the methods of templates that match it as well: `/members/imports` is also a `/members/{id}`."""
    found = {}
    for path in document["paths"]:
        for other, methods in document["paths"].items():
            pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(other))
            if other != path and re.fullmatch(pattern, path):
                found.setdefault(path, []).extend(method.upper() for method in methods)
    return found

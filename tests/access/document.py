"""What the OpenAPI document says can be asked: the operations, and every slot in which a request names a thing by id."""

import json
from dataclasses import dataclass

METHODS = ("get", "put", "post", "patch", "delete", "options")
# Ids that a phone makes up; they name nothing of anybody's.
OF_THE_PHONE = ("client_event_id", "session_id")
# Parts of a path that name no thing: a year, the name of a rule, the number of a picture.
NO_THINGS = ("year", "rule", "number")
# Slots that the document tells as plain text: secrets (a code, a ticket), and what tus has in a header.
TOLD_AS_TEXT = {
    "create_upload": "header:organization_id",
    "verify_code": "body:/code",
    "check_in": "body:/code",
    "check_in_batch": "body:/items/0/code",
    "create_check_in_proof": "body:/code",
    "check_in_as_guest": "body:/code",
    "find_media_content": "query:ticket",
}


@dataclass
class Operation:
    id: str
    method: str
    path: str
    # Where a request names a thing -> the type of the id.
    slots: dict
    parameters: set
    takes_body: bool
    statuses: set


def read(file):
    document = json.load(open(file))
    schemas = document["components"]["schemas"]
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield _operation(path, method, item[method], schemas)


def _operation(path, method, found, schemas):
    slots, parameters = {}, set()
    for parameter in found.get("parameters", []):
        name, where = parameter["name"], parameter["in"]
        parameters.add(name)
        for _, kind in _ids(parameter.get("schema", {}), "", schemas):
            if where in ("path", "query"):
                slots[f"{where}:{name}"] = kind
        if where == "path" and name not in NO_THINGS:
            slots.setdefault(f"path:{name}", name)
    for content in found.get("requestBody", {}).get("content", {}).values():
        for pointer, kind in _ids(content.get("schema", {}), "", schemas):
            slots[f"body:{pointer}"] = kind
    if found["operationId"] in TOLD_AS_TEXT:
        slots[TOLD_AS_TEXT[found["operationId"]]] = "text"
    takes_body = "requestBody" in found
    return Operation(found["operationId"], method.upper(), path, slots, parameters, takes_body, set(found["responses"]))


def _ids(schema, pointer, schemas, seen=()):
    """Pointers to all ids in a schema, with the name of their type; the first of a list stands for all of it."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        if name in seen:
            return
        target = schemas[name]
        if target.get("format") == "uuid":
            yield pointer, name
        else:
            yield from _ids(target, pointer, schemas, seen + (name,))
        return
    if schema.get("format") == "uuid" and not pointer.endswith(OF_THE_PHONE):
        # An id that may be null is written out where it is used.
        yield pointer, schema.get("title", "MediaId")
    for branch in ("oneOf", "anyOf", "allOf"):
        for option in schema.get(branch, []):
            yield from _ids(option, pointer, schemas, seen)
    if "items" in schema:
        yield from _ids(schema["items"], f"{pointer}/0", schemas, seen)
    for name, value in schema.get("properties", {}).items():
        yield from _ids(value, f"{pointer}/{name}", schemas, seen)

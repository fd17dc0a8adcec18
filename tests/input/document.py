"""The suite's own copy of the OpenAPI document: requests mostly name things that exist, answers are judged as documented."""

import copy
import re

from world import NOBODY, instant

PREFIX = "#/components/schemas/"
ASKED = "Asked."  # before the name of a schema that only requests use


def narrow(document, known, values):
    """A copy in which an id in a request is one of those that `world` made, or nobody's; all else stays as it is."""
    copied = copy.deepcopy(document)
    schemas = copied["components"]["schemas"]
    asked = {}
    for path in copied["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", []):
                parameter["schema"] = narrow_parameter(parameter, values) or redirect(parameter["schema"], schemas, asked)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                content["schema"] = redirect(content.get("schema", {}), schemas, asked)
    for name, schema in asked.items():
        if name in known:
            schema = {"type": "string", "format": "uuid", "enum": [*known[name], NOBODY]}
        elif name == "Instant":
            schema = {"anyOf": [{**schema, "enum": [instant(minutes=-5), instant(hours=2), instant(days=3)]}, schema]}
        schemas[ASKED + name] = schema
    return copied


def narrow_parameter(parameter, values):
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


def shadowed_paths(document):
    """Plain paths that a templated one matches too: another method there is that one's business, and not 405."""
    templates = [re.compile("^" + re.sub(r"\{[^}]*\}", "[^/]+", path) + "$") for path in document["paths"] if "{" in path]
    return [path for path in document["paths"] if "{" not in path and any(one.match(path) for one in templates)]

"""JSON schemas of tools in the few words that every vendor's endpoint takes.

Gemini refuses a request for ``$ref``, ``additionalProperties``, ``const``, ``default``, most of ``format``, a list of
types, an ``enum`` of numbers, or anything beside ``anyOf``. So references are written out, and what else a schema says
becomes a part of its description, where a model reads it just as well.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

MAX_NODES = 500
MAX_DEPTH = 12
MAX_DESCRIPTION = 1024
"""Characters of a tool's description that OpenAI takes."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What all vendors take as a tool's name."""
_ARGUMENT = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TYPES = ("string", "integer", "number", "boolean", "object", "array")
_TOLD = {
    "default": "default",
    "format": "format",
    "pattern": "pattern",
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "multipleOf": "a multiple of",
    "minLength": "least characters",
    "maxLength": "most characters",
    "minItems": "least items",
    "maxItems": "most items",
}

Schema = dict[str, Any]


class BadSchema(ValueError):
    """A schema that cannot be offered; the message is the end of a sentence about its tool."""


def definition(name: str, description: str, parameters: Any) -> Schema:
    """A tool in the shape that OpenAI-compatible endpoints take. Raises ``BadSchema``."""
    if not NAME.fullmatch(name):
        raise BadSchema("has a name that is not made of up to 64 ASCII letters, digits, _ and -")
    portable = _Portable(parameters if isinstance(parameters, Mapping) else {})
    function = {"name": name, "description": description, "parameters": portable.arguments()}
    return {"type": "function", "function": function}


_Path = tuple[str, ...]
"""One entry for each level above a node: the reference that led there, or nothing."""


class _Portable:
    """One schema on its way; what it grows to is counted, because references can make that exponential."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._nodes = 0

    def arguments(self) -> Schema:
        """The schema of a call's arguments, which is that of an object in any case."""
        node, path = self._flat(self._root, ())
        return self._object(node, path) if node.get("properties") else {"type": "object", "properties": {}}

    def _node(self, given: Any, path: _Path) -> Schema:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise BadSchema("has a schema that is too large")
        node, path = self._flat(given, path)
        if choices := self._choices(node, path):
            return choices
        kind = _kind(node)
        made: Schema = {"type": kind}
        if kind == "object" and len(path) < MAX_DEPTH:
            made = self._object(node, path)
        elif kind == "array":
            made["items"] = self._node(_items(node), (*path, "")) if len(path) < MAX_DEPTH else {"type": "string"}
        elif kind == "string" and (enum := _strings(node)):
            made["enum"] = enum
        return _described(made, node)

    def _flat(self, given: Any, path: _Path) -> tuple[dict[str, Any], _Path]:
        """A node together with what it refers to and what it is put together from."""
        node = dict(given) if isinstance(given, Mapping) else {}
        reference = node.pop("$ref", None)
        if isinstance(reference, str):
            # Written out, what refers to itself would have no end.
            if reference in path or len(path) >= MAX_DEPTH:
                return {"type": "object", **node}, path
            target, path = self._flat(self._found(reference), (*path, reference))
            node = {**target, **node}
        parts = node.pop("allOf", None)
        for part in parts[:MAX_DEPTH] if isinstance(parts, list) and len(path) < MAX_DEPTH else ():
            node = _merged(self._flat(part, (*path, ""))[0], node)
        return node, path

    def _found(self, reference: str) -> Any:
        found: Any = self._root
        for part in reference.removeprefix("#/").split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        return found

    def _choices(self, node: dict[str, Any], path: _Path) -> Schema | None:
        """A node that is one of several; none where it is just one, which then takes the place of all."""
        kinds = node.get("type")
        several = [{**node, "type": kind} for kind in kinds] if isinstance(kinds, list) else None
        found = several or node.pop("anyOf", None) or node.pop("oneOf", None)
        if not isinstance(found, list):
            return None
        choices = [self._flat(choice, path) for choice in found[:MAX_NODES]]
        choices = [(choice, at) for choice, at in choices if choice.get("type") != "null"]
        about: Schema = {name: node[name] for name in ("description", "default") if name in node}
        if len(choices) > 1 and not all(_constants(choice) for choice, _ in choices):
            # Beside them nothing may stand, so each says what there is to say of all.
            return {"anyOf": [self._node({**about, **choice}, (*at, "")) for choice, at in choices]}
        values = [value for choice, _ in choices for value in _constants(choice)]
        node.pop("type", None)
        node.update({**(choices[0][0] if len(choices) == 1 else {"enum": values}), **about})
        return None

    def _object(self, node: dict[str, Any], path: _Path) -> Schema:
        properties = node.get("properties")
        if not isinstance(properties, Mapping) or not properties:
            return {"type": "object"}
        if not all(isinstance(name, str) and _ARGUMENT.fullmatch(name) for name in properties):
            raise BadSchema("has an argument whose name is not made of up to 64 ASCII letters, digits, _, . and -")
        parts = {name: self._node(part, (*path, "")) for name, part in properties.items()}
        required = node.get("required")
        needed = [name for name in required if name in parts] if isinstance(required, list) else []
        return {"type": "object", "properties": parts, **({"required": needed} if needed else {})}


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    merged = {**one, **other}
    if isinstance(one.get("properties"), Mapping) and isinstance(other.get("properties"), Mapping):
        merged["properties"] = {**one["properties"], **other["properties"]}
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        merged["required"] = [*one["required"], *other["required"]]
    return merged


def _kind(node: dict[str, Any]) -> str:
    if node.get("type") in _TYPES:
        return str(node["type"])
    if "properties" in node or "additionalProperties" in node:
        return "object"
    if "items" in node or "prefixItems" in node:
        return "array"
    kinds = {bool: "boolean", int: "integer", float: "number"}
    found = {kinds.get(type(value), "string") for value in _constants(node)}
    return found.pop() if len(found) == 1 else "string"


def _items(node: dict[str, Any]) -> Any:
    """The schema of an array's items; a tuple's items are of any of its kinds."""
    if isinstance(node.get("prefixItems"), list):
        kinds = {json.dumps(item, sort_keys=True, default=str): item for item in node["prefixItems"]}
        return {"anyOf": list(kinds.values())}
    return node.get("items")


def _constants(node: dict[str, Any]) -> list[Any]:
    if "const" in node:
        return [node["const"]]
    return list(node["enum"]) if isinstance(node.get("enum"), list) else []


def _strings(node: dict[str, Any]) -> list[str]:
    """An enumeration that a vendor takes; another one is told in words."""
    values = [value for value in _constants(node) if value is not None]
    return list(dict.fromkeys(values)) if all(isinstance(value, str) and value for value in values) else []


def _described(made: Schema, node: dict[str, Any]) -> Schema:
    """With the description, and in it what the schema itself may not say."""
    told = [f"{words}: {_json(node[name])}" for name, words in _TOLD.items() if node.get(name) is not None]
    if "enum" not in made and (values := _constants(node)):
        told.insert(0, f"one of {', '.join(map(_json, values))}")
    if made["type"] == "object" and isinstance(node.get("additionalProperties"), Mapping):
        told.append(f"values: {_json(node['additionalProperties'].get('type', 'any'))}")
    given = node.get("description")
    description = given if isinstance(given, str) else ""
    if told:
        description = f"{description} ({'; '.join(told)})".strip()
    return {**made, "description": description[:MAX_DESCRIPTION]} if description else made


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)

"""chat/agent/tool_schema.py: the schemas of strangers, in words that every vendor takes."""

import json
from typing import Any

import pytest

from chat.agent.tool_schema import BadSchema, definition

X_INTEGER = {"type": "integer", "description": "x"}
X_STRING = {"type": "string", "description": "x"}


def portable(parameters: Any) -> Any:
    return definition("tool", "", parameters)["function"]["parameters"]


def argument(part: Any, **more: Any) -> Any:
    return portable({"type": "object", "properties": {"a": part}, **more})["properties"]["a"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": ["string", "null"]}, {"type": "string"}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        (
            {"oneOf": [{"const": "a"}, {"const": "b"}], "description": "x"},
            {"type": "string", "enum": ["a", "b"], "description": "x"},
        ),
        ({"anyOf": [{"type": "null"}]}, {"type": "string"}),
        ({"type": "string", "enum": ["a", None, "a"]}, {"type": "string", "enum": ["a"]}),
        ({"enum": [1, "a"]}, {"type": "string", "description": "(one of 1, a)"}),
        ({"type": "string", "enum": ["", "a"]}, {"type": "string", "description": "(one of , a)"}),
        ({"allOf": [{"type": "string"}, {"description": "x"}]}, {"type": "string", "description": "x"}),
        ({"type": "array"}, {"type": "array", "items": {"type": "string"}}),
        ({"type": "tuple"}, {"type": "string"}),
        ({"type": "string", "format": "uri", "examples": ["x"]}, {"type": "string", "description": "(format: uri)"}),
        ({"$ref": "#/nowhere"}, {"type": "string"}),
        ({"type": "object", "required": ["x"]}, {"type": "object"}),
        (True, {"type": "string"}),
        (None, {"type": "string"}),
        ([1], {"type": "string"}),
        ({"description": 3}, {"type": "string"}),
    ],
)
def test_an_argument_is_told_in_few_words(given: Any, expected: Any) -> None:
    assert argument(given) == expected


@pytest.mark.parametrize("given", [None, {}, [], "x", {"type": "string"}, {"properties": []}, {"properties": {}}])
def test_arguments_are_always_those_of_an_object(given: Any) -> None:
    assert portable(given) == {"type": "object", "properties": {}}


def test_references_are_written_out() -> None:
    given = argument({"$ref": "#/$defs/a~1b", "description": "mine"}, **{"$defs": {"a/b": {"type": "integer"}}})
    assert given == {"type": "integer", "description": "mine"}


def test_references_in_a_circle_come_to_an_end() -> None:
    circle = {"x": {"$ref": "#/$defs/y"}, "y": {"$ref": "#/$defs/x"}}
    assert argument({"$ref": "#/$defs/x"}, **{"$defs": circle}) == {"type": "object"}


def test_a_deep_schema_is_cut() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(400):
        deep = {"type": "object", "properties": {"a": deep}}
    assert json.dumps(portable(deep)).count("properties") < 20


@pytest.mark.parametrize(
    "properties",
    [
        {f"a{number}": {} for number in range(600)},
        {"a b": {}},
        {"": {}},
        {"ä": {}},
        {"x" * 65: {}},
    ],
)
def test_what_no_vendor_takes_is_refused(properties: dict[str, Any]) -> None:
    with pytest.raises(BadSchema):
        portable({"type": "object", "properties": properties})


def test_references_cannot_grow_without_end() -> None:
    levels = {f"l{n}": {"properties": {name: {"$ref": f"#/$defs/l{n + 1}"} for name in "abcdef"}} for n in range(10)}
    with pytest.raises(BadSchema, match="too large"):
        argument({"$ref": "#/$defs/l0"}, **{"$defs": levels})


@pytest.mark.parametrize("name", ["", "1a", "a b", "a.b", "ä", "x" * 65])
def test_a_name_that_some_vendor_refuses(name: str) -> None:
    with pytest.raises(BadSchema, match="name"):
        definition(name, "", {})

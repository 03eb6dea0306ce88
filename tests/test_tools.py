"""chat/agent/tools.py: a typed function becomes a tool, or its author is told why not."""

import datetime
import enum
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field

from chat import toolset
from chat.agent import tools
from chat.agent.events import ToolCallRequest
from chat.agent.toolbox import Toolbox
from chat.agent.tools import ToolContext, ToolMistake, optional_tool, tool


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: int = 0


class Node(BaseModel):
    name: str
    children: list["Node"] = []


async def get_weather(location: str, days: int = 1) -> str:
    """Weather forecast for a place.

    location: city and country
    """
    return f"{days} sunny days in {location}"


@pytest.fixture(autouse=True)
def _no_other_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "registry", {})
    monkeypatch.setattr(tools, "_places", {})


def schema(function: Callable[..., Any]) -> dict[str, Any]:
    tool(function)
    found: dict[str, Any] = json.loads(json.dumps(tools.registry[function.__name__].schema))
    assert found["type"] == "function"
    return dict(found["function"])


def argument(kind: Any, default: Any = ...) -> dict[str, Any]:
    """The schema of an argument of some type, without the description, and what the tool makes of it."""

    def take(given: Any = default) -> None: ...

    take.__annotations__["given"] = kind
    properties: dict[str, Any] = schema(take)["parameters"]["properties"]
    return dict(properties["given"])


# What the model is told.


def test_the_whole_definition_comes_from_signature_and_docstring() -> None:
    assert schema(get_weather) == {
        "name": "get_weather",
        "description": "Weather forecast for a place.",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "city and country"},
                "days": {"type": "integer", "description": "(default: 1)"},
            },
            "required": ["location"],
        },
    }


def test_a_registered_function_stays_what_it_was() -> None:
    assert tool(get_weather) is get_weather


def test_a_tool_without_arguments_has_an_empty_object() -> None:
    def now() -> str:
        return "now"

    assert schema(now) == {"name": "now", "description": "now", "parameters": {"type": "object", "properties": {}}}


def test_without_a_docstring_the_name_has_to_do() -> None:
    def open_the_door() -> None: ...

    assert schema(open_the_door)["description"] == "open the door"


def test_lines_of_the_docstring_describe_the_arguments() -> None:
    def book(room: str, guests: int, note: str = "") -> None:
        """Books a room.

        Args:
            room: its number,
                as on the door
            guests (int): how many: 1 to 4
            others: no argument of this one

        Returns: nothing
        """

    found = schema(book)
    assert found["description"] == "Books a room.\n\n    others: no argument of this one\n\nReturns: nothing"
    described = {name: part.get("description") for name, part in found["parameters"]["properties"].items()}
    assert described == {"room": "its number, as on the door", "guests": "how many: 1 to 4", "note": "(default: )"}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (float, {"type": "number"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (list, {"type": "array", "items": {"type": "string"}}),
        (dict[str, int], {"type": "object", "description": "(values: integer)"}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal[1, 2], {"type": "integer", "description": "(one of 1, 2)"}),
        (Literal["a"], {"type": "string", "enum": ["a"]}),
        (Color, {"type": "string", "enum": ["red", "blue"]}),
        (Optional[int], {"type": "integer"}),  # noqa: UP045
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (datetime.date, {"type": "string", "description": "(format: date)"}),
        (
            Annotated[int, Field(ge=0, description="how many")],
            {"type": "integer", "description": "how many (at least: 0)"},
        ),
        (Any, {"type": "string"}),
    ],
)
def test_types_become_words_that_every_vendor_takes(kind: Any, expected: dict[str, Any]) -> None:
    assert argument(kind) == expected


def test_dataclasses_and_models_are_written_out() -> None:
    point = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    point["properties"]["y"] = {"type": "integer", "description": "(default: 0)"}  # type: ignore[index]
    assert argument(list[Point]) == {"type": "array", "items": point}


def test_a_type_that_holds_itself_comes_to_an_end() -> None:
    written = json.dumps(argument(Node))
    assert "$ref" not in written
    assert len(written) < 1000


@pytest.mark.parametrize("word", ["title", "$defs", "additionalProperties", "const"])
def test_words_that_some_vendor_refuses_are_not_there(word: str) -> None:
    assert f'"{word}"' not in json.dumps([argument(kind) for kind in (Node, list[Point], Color, dict[str, Point])])


# What the function gets.


async def result(function: Callable[..., Any], arguments: dict[str, Any], user: ToolContext | None = None) -> Any:
    return await tools.registry[tool(function).__name__].run(json.dumps(arguments), user or ToolContext())


async def test_arguments_have_their_types() -> None:
    def where(points: list[Point], color: Color, day: datetime.date) -> tuple[Any, ...]:
        return points, color, day

    given = {"points": [{"x": 1}], "color": "red", "day": "2026-01-02"}
    assert await result(where, given) == ([Point(1, 0)], Color.RED, datetime.date(2026, 1, 2))


@pytest.mark.parametrize("name", ["schema", "json", "model_config", "copy", "_hidden", "self"])
async def test_any_name_of_a_parameter_will_do(name: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def same({name}: str = 'default'): return {name}", scope)
    assert await result(scope["same"], {name: "given"}) == "given"
    assert await tools.registry["same"].run("{}", ToolContext()) == "default"


async def test_who_asks_is_told_to_the_function_and_hidden_from_the_model() -> None:
    def whoami(user: ToolContext, greeting: str = "Hi") -> str:
        return f"{greeting} {user.email}"

    assert list(schema(whoami)["parameters"]["properties"]) == ["greeting"]
    assert await result(whoami, {}, ToolContext("ann@example.com")) == "Hi ann@example.com"


async def test_a_model_cannot_say_who_asks() -> None:
    def whoami(user: ToolContext) -> str:
        return user.email

    tool(whoami)
    made = await Toolbox(tuple(tools.registry.values())).call(
        tool_call("whoami", '{"user": {"email": "bob@example.com"}}')
    )
    assert made.failed


def tool_call(name: str, arguments: str) -> Any:

    return ToolCallRequest("1", name, arguments)


# What cannot be a tool is told by name when its module is imported.


def untyped(first) -> None: ...  # type: ignore[no-untyped-def]
def many(*first: int) -> None: ...
def keywords(**first: int) -> None: ...
def positional(first: int, /) -> None: ...
def generator() -> Any:
    yield 1


async def async_generator() -> Any:
    yield 1


def unknown_type(first: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def no_schema(first: Callable[[], int]) -> None: ...
def grüße() -> None: ...
def größe_of(größe: int) -> None: ...
def talkative() -> None: ...


talkative.__doc__ = "x" * 1025


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (untyped, "parameter first has no type"),
        (many, "parameter first cannot be given by name"),
        (keywords, "parameter first cannot be given by name"),
        (positional, "parameter first cannot be given by name"),
        (generator, "returns its result"),
        (async_generator, "returns its result"),
        (unknown_type, "signature cannot be read"),
        (no_schema, "Callable"),
        (grüße, "ASCII"),
        (größe_of, "ASCII"),
        (talkative, "1025 characters"),
        (Point, "must be a function"),
    ],
)
def test_a_mistake_names_the_function(function: Any, why: str) -> None:
    with pytest.raises(ToolMistake, match=rf"test_tools\.{function.__name__} is no tool: .*{why}"):
        tool(function)


def test_two_tools_of_one_name_are_a_mistake() -> None:
    def other(location: str) -> None: ...

    other.__name__ = "get_weather"
    tool(get_weather)
    with pytest.raises(ToolMistake, match="there is a tool get_weather already, in tests"):
        tool(other)


def test_a_module_that_is_read_again_brings_its_tools_again() -> None:
    tool(get_weather)
    tool(get_weather)
    assert list(tools.registry) == ["get_weather"]


# Which are on.


def first() -> None: ...
def second() -> None: ...
def dangerous() -> None: ...


@pytest.mark.parametrize(
    ("names", "on"),
    [
        ("*", ["first", "second"]),
        ("second", ["second"]),
        ("second,first", ["first", "second"]),
        ("*,dangerous", ["first", "second", "dangerous"]),
        ("none", []),
        ("third", []),
    ],
)
def test_the_variable_says_which_tools_are_on(names: str, on: list[str]) -> None:
    tool(first)
    tool(second)
    optional_tool(dangerous)
    assert [found.name for found in toolset.switched_on(names)] == on


def test_the_tools_that_come_with_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert {"search_context", "current_time", "fetch_page"} <= set(tools.registry)
    assert "fetch_page" not in [found.name for found in toolset.switched_on("*")]

"""The registry of tools: a typed Python function becomes something a model can call."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from ccagent.text import clean

logger = logging.getLogger(__name__)
Function = TypeVar("Function", bound=Callable[..., Any])

MAX_RESULT_CHARS = 20_000
TOOL_SECONDS = 30


@dataclass(frozen=True)
class Tool:
    """A function with the model of its arguments."""

    name: str
    description: str
    function: Callable[..., Any]
    arguments: type[BaseModel]

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The tool in the shape that OpenAI-compatible endpoints take."""
        parameters = self.arguments.model_json_schema()
        parameters.pop("title", None)
        return {
            "type": "function",
            "function": {"name": self.name, "description": self.description, "parameters": parameters},
        }


_registry: dict[str, Tool] = {}


def tool(function: Function) -> Function:
    """Registers a function, sync or async, under its name; its docstring tells the model what it is for."""
    fields: dict[str, Any] = {
        name: (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(function, eval_str=True).parameters.items()
    }
    arguments = create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)
    description = inspect.getdoc(function) or ""
    _registry[function.__name__] = Tool(function.__name__, description, function, arguments)
    return function


def registered() -> tuple[str, ...]:
    """Names of all tools, in the order in which they were registered."""
    return tuple(_registry)


def schemas(names: Sequence[str]) -> list[dict[str, Any]]:
    return [_registry[name].schema for name in names]


async def call(name: str, arguments: str) -> tuple[str, bool]:
    """Runs a tool with arguments in JSON: its result for the model, and whether it failed.

    A failure is data for the model, which can mend its arguments or do without; a bug's details reach only the log.
    """
    found = _registry.get(name)
    if found is None:
        return f"There is no tool named {name}. The tools are: {', '.join(_registry)}.", True
    try:
        given = found.arguments.model_validate_json(arguments or "{}")
    except ValidationError as error:
        return f"The arguments are wrong: {_problems(error)}", True
    values = {field: getattr(given, field) for field in type(given).model_fields}
    try:
        async with asyncio.timeout(TOOL_SECONDS):
            result = str(await _run(found.function, values))
    except TimeoutError:
        return f"The tool took longer than {TOOL_SECONDS} seconds.", True
    except Exception:  # a tool is somebody else's code; a bug in it must not end the answer
        logger.exception("The tool %s failed", name)
        return "The tool failed.", True
    return _cut(clean(result)), False


async def _run(function: Callable[..., Any], values: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(**values)
    return await asyncio.to_thread(function, **values)


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'arguments'}: {item['msg']}" for item in error.errors())


def _cut(result: str) -> str:
    if len(result) <= MAX_RESULT_CHARS:
        return result
    return f"{result[:MAX_RESULT_CHARS]}\n[cut: {len(result) - MAX_RESULT_CHARS} more characters]"

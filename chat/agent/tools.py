"""The registry of tools: a typed Python function becomes something a model can call."""

import inspect
import re
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError

from chat.agent.threads import in_thread
from chat.agent.tool_schema import MAX_DESCRIPTION, BadSchema, definition

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class ToolContext:
    """Who asks, and where. A tool gets it by a parameter of this type, which the model does not see.

    ``email`` is empty for an anonymous call, ``conversation`` a primary key, ``time_zone`` a name such as
    ``Africa/Johannesburg``: the agent's own, since nobody tells the person's. What a tool adds to ``passages`` is noted
    with the answer as something it was given.
    """

    email: str = ""
    conversation: int = 0
    time_zone: str = "UTC"
    passages: list[dict[str, Any]] = field(default_factory=list)


class ToolFailed(Exception):
    """The tool has no result; the message is for the model, which can act on it, ``detail`` for the operator."""

    def __init__(self, message: str, detail: str = "") -> None:
        self.detail = detail
        super().__init__(message)


class ToolMistake(TypeError):
    """A function that cannot be a tool; raised when its module is imported."""


@dataclass(frozen=True)
class Tool:
    """Something that a model can call.

    ``schema`` has the shape that endpoints take. ``run`` is given the arguments as the model wrote them, and may raise
    anything; ``ToolFailed`` for what the model is to know. ``is_on`` says whether it is offered without being named.
    """

    name: str
    schema: dict[str, Any]
    run: Callable[[str, ToolContext], Coroutine[Any, Any, Any]]
    is_on: bool = True


registry: dict[str, Tool] = {}
_places: dict[str, tuple[str, str]] = {}


def tool(function: Function) -> Function:
    """Registers a function, sync or async, under its name; its docstring tells the model what it is for.

    Raises ``ToolMistake``.
    """
    _register(function, is_on=True)
    return function


def optional_tool(function: Function) -> Function:
    """As ``tool``, but the model is offered it only where ``TOOLS`` names it."""
    _register(function, is_on=False)
    return function


def _register(function: Callable[..., Any], *, is_on: bool) -> None:
    name = getattr(function, "__name__", type(function).__name__)
    place = (getattr(function, "__module__", ""), getattr(function, "__qualname__", ""))
    # A module that is read again brings its own functions once more.
    if _places.setdefault(name, place) != place and name in registry:
        raise ToolMistake(f"{_place(function)}: there is a tool {name} already, in {'.'.join(_places[name])}.")
    typed = _TypedFunction(function)
    try:
        schema = definition(name, typed.description, typed.schema())
    except BadSchema as problem:
        raise ToolMistake(f"{_place(function)}: it {problem}.") from None
    _places[name] = place
    registry[name] = Tool(name, schema, typed.run, is_on)


def _place(function: Any) -> str:
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', repr(function))} is no tool"


class _TypedFunction:
    """A function with the model of its arguments."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._context = ""
        parameters = self._parameters()
        self.description, about = _documented(function, parameters)
        if len(self.description) > MAX_DESCRIPTION:
            raise ToolMistake(
                f"{_place(function)}: its docstring has {len(self.description)} characters besides its parameters; "
                f"vendors take {MAX_DESCRIPTION}."
            )
        # Not under their own names, some of which mean something to pydantic.
        self._names = {f"p{number}": name for number, name in enumerate(parameters)}
        fields: dict[str, Any] = {
            field_name: (
                Annotated[parameters[name].annotation, Field(alias=name), *_description(about.get(name))],
                ... if parameters[name].default is inspect.Parameter.empty else parameters[name].default,
            )
            for field_name, name in self._names.items()
        }
        try:
            made: type[BaseModel] = create_model("arguments", __config__=ConfigDict(extra="forbid"), **fields)
        except PydanticUserError as error:
            raise ToolMistake(f"{_place(function)}: {error.message.splitlines()[0]}") from error
        self._arguments = made

    def schema(self) -> dict[str, Any]:
        try:
            return self._arguments.model_json_schema()
        except PydanticUserError as error:
            raise ToolMistake(f"{_place(self._function)}: {error.message.splitlines()[0]}") from error

    async def run(self, arguments: str, user: ToolContext) -> Any:
        try:
            given = self._arguments.model_validate_json(arguments or "{}")
        except ValidationError as error:
            raise ToolFailed(f"The arguments are wrong: {_problems(error)}") from None
        values = {name: getattr(given, field_name) for field_name, name in self._names.items()}
        if self._context:
            values[self._context] = user
        if inspect.iscoroutinefunction(self._function):
            return await self._function(**values)
        result = await in_thread(self._function, **values)
        return await result if inspect.isawaitable(result) else result

    def _parameters(self) -> dict[str, inspect.Parameter]:
        """Those that the model sees."""
        function = self._function
        if not inspect.isroutine(function) or _is_generator(function):
            raise ToolMistake(f"{_place(function)}: it must be a function that returns its result.")
        try:
            found = dict(inspect.signature(function, eval_str=True).parameters)
        except (NameError, SyntaxError, ValueError) as error:
            raise ToolMistake(f"{_place(function)}: its signature cannot be read: {error}.") from error
        for name, parameter in list(found.items()):
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise ToolMistake(f"{_place(function)}: its parameter {name} cannot be given by name.")
            if parameter.annotation is parameter.empty:
                raise ToolMistake(f"{_place(function)}: its parameter {name} has no type; write {name}: str, or so.")
            if ToolContext in (parameter.annotation, *get_args(parameter.annotation)):
                self._context = name
                del found[name]
        return found


def _description(text: str | None) -> list[Any]:
    """None leaves a description that the type itself has."""
    return [Field(description=text)] if text else []


def _is_generator(function: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


_HEADING = re.compile(r"\s*(Args|Arguments|Parameters):\s*")
_ABOUT = re.compile(r"(?P<indent>\s*)(?P<name>\w+)(?: \([^)]*\))?:\s+(?P<text>\S.*)")


def _documented(function: Callable[..., Any], names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """What the docstring says of the function, and of its parameters in lines like ``name: text``.

    A line that is indented deeper goes on with the one before. Without a docstring the name has to do.
    """
    kept: list[str] = []
    about: dict[str, str] = {}
    current: re.Match[str] | None = None
    for line in (inspect.getdoc(function) or "").splitlines():
        match = _ABOUT.fullmatch(line)
        if match and match["name"] in names:
            current = match
            about[match["name"]] = match["text"].strip()
        elif current and line.strip() and len(line) - len(line.lstrip()) > len(current["indent"]):
            about[current["name"]] += f" {line.strip()}"
        else:
            current = None
            if not _HEADING.fullmatch(line):
                kept.append(line)
    description = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    return description or function.__name__.replace("_", " "), about


def _problems(error: ValidationError) -> str:
    """Each argument with what is wrong about it, without what was given: that is the model's own."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'arguments'}: {_WORDS.get(item['type'], item['msg'])}" for item in found
    )


_WORDS = {"extra_forbidden": "There is no such argument.", "missing": "It is missing."}

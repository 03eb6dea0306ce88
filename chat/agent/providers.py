"""Model providers; the only module that imports ``openai``, whose errors it turns into ours."""

import asyncio
import json
import logging
import random
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import httpx2
import openai

from ccagent.vendors import retry_after
from chat.agent import errors, listing, wire
from chat.agent.events import ModelEvent
from chat.agent.prompt import ModelRequest
from chat.agent.toolbox import Toolbox
from chat.agent.transport import Body, Transport
from chat.agent.vendors import NEWER_LENGTHS, UNKNOWN, VENDORS, Timeouts

logger = logging.getLogger(__name__)


_OPTION_VALUES: dict[str, Any] = {"stream_options": {"include_usage": True}}
_OPTIONAL = ("tools", "stream_options", "temperature", *NEWER_LENGTHS)
_Option = tuple[str, float | None]


def _option(name: str, value: Any) -> _Option:
    """A field as it is refused: one with a number perhaps for the number alone, which is out of a model's range."""
    return name, value if isinstance(value, int | float) else None


class OpenAIProvider:
    """Any vendor through its OpenAI-compatible endpoint."""

    def __init__(self, name: str, model: str, base_url: str, api_key: str, timeouts: Timeouts, retries: int) -> None:
        self.name = name
        self.model = model
        self._timeouts = timeouts
        self._retries = retries
        self._vendor = VENDORS.get(name, UNKNOWN)
        # What this model does without for good: fields, those with a number only together with that number.
        self._refused: set[_Option] = set()
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key or "none",
            # The library's own tries know nothing of the time that is left.
            max_retries=0,
            http_client=httpx2.AsyncClient(transport=Transport(timeouts.connect)),
            # Compression would hold small pieces back.
            default_headers={"Accept-Encoding": "identity"},
            timeout=None,
        )

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        clock = asyncio.get_running_loop()
        seconds = min(self._timeouts.first_byte, request.first_byte_seconds)
        begun = False
        try:
            async with asyncio.timeout(seconds) as deadline, AsyncExitStack() as stack:
                body = await self._open(request, stack, clock.time() + seconds)
                reader = wire.AnswerReader()
                while piece := await body.read():
                    # Not with every piece: timers cost more than reading does.
                    gained = clock.time() + self._timeouts.stall - (deadline.when() or 0)
                    if not begun or gained > self._timeouts.stall / 10:
                        deadline.reschedule(clock.time() + self._timeouts.stall)
                    begun = True
                    for text in reader.feed(piece):
                        yield text
                for event in reader.end():
                    yield event
        except TimeoutError as error:
            raise errors.TimedOut("silence in the middle" if begun else "no first token in time") from error
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError) as error:
            raise translate(error, self.model) from error

    async def models(self) -> listing.Listing:
        """The models that the provider says it has. Raises ``ProviderError``."""
        headers = {name: value.format(key=self._client.api_key) for name, value in self._vendor.listing_headers}
        try:
            async with asyncio.timeout(self._timeouts.first_byte), AsyncExitStack() as stack:
                stream = await self._client.get(
                    self._vendor.listing,
                    cast_to=object,
                    options={"headers": headers},
                    stream=True,
                    stream_cls=openai.AsyncStream[object],
                )
                stack.push_async_callback(stream.close)
                return listing.read(await stream.response.extensions["body"].read_all(listing.MAX_BYTES))
        except TimeoutError as error:
            raise errors.TimedOut("no list of models in time") from error
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError) as error:
            raise translate(error, self.model) from error

    async def close(self) -> None:
        await self._client.close()

    async def _open(self, request: ModelRequest, stack: AsyncExitStack, deadline: float) -> Body:
        """The open answer, after as many tries as are allowed and fit into the time."""
        number = 0
        while True:
            try:
                return await self._send_accepted(request, stack)
            except (openai.APIConnectionError, openai.APIStatusError) as error:
                pause = _pause(error, number)
                too_late = asyncio.get_running_loop().time() + pause >= deadline
                if number == self._retries or too_late or not _may_pass(error):
                    raise
                await asyncio.sleep(pause)
                number += 1

    async def _send_accepted(self, request: ModelRequest, stack: AsyncExitStack) -> Body:
        """A field that the model can do without and refuses is left out for good, and the call made once more."""
        # Not the set that all calls share: another one may learn the same at the same moment.
        left_out = set(self._refused)
        while True:
            body = self._body(request, left_out)
            try:
                return await self._send(body, stack)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                refused = {_option(name, body[name]) for name in _OPTIONAL if name in body and _refuses(error, name)}
                if not refused:
                    raise
                left_out |= refused
                # A length that is too much for this prompt may be right for the next one.
                if not _is_too_long(_words_of(error)):
                    names = ", ".join(sorted(name for name, _ in refused))
                    logger.info("%s (%s) refuses %s: not sent any more", self.name, self.model, names)
                    self._refused |= refused

    def _body(self, request: ModelRequest, left_out: set[_Option]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "messages": wire.messages(request), "stream": True}
        options: dict[str, Any] = {name: _OPTION_VALUES[name] for name in self._vendor.options}
        if ("tools", None) not in left_out:
            options |= self._tools(request.toolbox)
        if request.temperature is not None:
            options["temperature"] = request.temperature
        length = next((name for name in self._vendor.lengths if (name, request.max_tokens) not in left_out), None)
        if length and request.max_tokens is not None:
            options[length] = request.max_tokens
        return body | {name: value for name, value in options.items() if _option(name, value) not in left_out}

    def _tools(self, toolbox: Toolbox) -> dict[str, Any]:
        if not toolbox.tools or (toolbox.closed and not self._vendor.keeps_tools):
            return {}
        schemas = toolbox.schemas
        if self._vendor.names_no_arguments:
            schemas = [_without_arguments(schema) for schema in schemas]
        return {"tools": schemas, "tool_choice": "none"} if toolbox.closed else {"tools": schemas}

    async def _send(self, body: dict[str, Any], stack: AsyncExitStack) -> Body:
        # Not chat.completions.create(): it walks through every message once more, which took most of a turn's time.
        stream = await self._client.post(
            "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=openai.AsyncStream[object]
        )
        stack.push_async_callback(stream.close)
        opened: Body = stream.response.extensions["body"]
        return opened


def _without_arguments(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a tool, which tells nothing of its arguments if there are none."""
    function = schema["function"]
    if function["parameters"]["properties"]:
        return schema
    return {**schema, "function": {name: value for name, value in function.items() if name != "parameters"}}


def _may_pass(error: openai.APIError) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 429) or error.status_code >= 500 or _is_failed_call(_words_of(error))
    return True


def _pause(error: openai.APIError, number: int) -> float:
    """Seconds before the next try: what the provider asks for, else ever longer and at random."""
    asked = (
        retry_after(error.response.headers.get("retry-after", "")) if isinstance(error, openai.APIStatusError) else None
    )
    return asked or random.uniform(0.25, 0.5) * 2**number


def _refuses(error: openai.APIStatusError, name: str) -> bool:
    """Whether the vendor's words name a field as one that it does not take."""
    said = _words_of(error)
    # "tools" is a word that an error may hold for many a reason, and without them the model can do less, for good.
    if name == "tools":
        return bool(_NO_TOOLS.search(said))
    names = (name, "max_output_tokens") if name in NEWER_LENGTHS else (name,)
    return any(_bare(each) in _bare(said) for each in names)


def _is_too_long(words: str) -> bool:
    return any(each in words.lower() for each in _TOO_LONG)


def _is_failed_call(words: str) -> bool:
    """Groq's word for a tool call that its model wrote wrong."""
    return "failed_generation" in words or "tool_use_failed" in words


def _words_of(error: openai.APIStatusError) -> str:
    """What the vendor said, whatever its shape."""
    return error.message if error.body is None else json.dumps(error.body, default=str)


def _bare(text: str) -> str:
    """Without case and underscores: some vendors write the names of fields in a way of their own."""
    return text.replace("_", "").lower()


_NO_TOOLS = re.compile(
    r"not support\w* .{0,20}\btools?\b"
    r"|\btools?\W.{0,30}(not supported|unsupported|deprecated|not a valid field)"
    r"|(unsupported|unknown)[^.]{0,30}\btools\b"
    r'|extra_forbidden.{0,30}"tools"\]',
    re.IGNORECASE,
)
_MOVED = "The model provider sends us to another address: the operator must check PROVIDER_BASE_URL."
_KEY_REFUSED = ("api key not valid", "incorrect api key")
_TOO_LONG = (
    "context length",
    "context_length",
    "context limit",
    "context window",
    "input token count",
    "maximum context",
    "maximum prompt length",
    "prompt is too long",
    "too many tokens",
)


def translate(error: Exception, model: str) -> errors.ProviderError:
    """Our counterpart of an error of the library's or its HTTP client's."""
    no_connection = isinstance(error.__cause__, httpx2.ConnectTimeout)
    match error:
        case openai.APITimeoutError() | httpx2.TimeoutException() if not no_connection:
            return errors.TimedOut(repr(error))
        case openai.APIStatusError():
            return _translate_status(error, model)
        case openai.APIConnectionError():
            return errors.TimedOut(repr(error.__cause__ or error), sentence="The model provider cannot be reached.")
        case _:
            return errors.BrokenAnswer(repr(error))


def _translate_status(error: openai.APIStatusError, model: str) -> errors.ProviderError:
    detail = f"HTTP {error.status_code}: {_words_of(error)}"
    match error.status_code:
        case 401 | 403:
            return errors.KeyRefused(detail)
        case 404:
            return _model_not_found(detail, model)
        case 429 | 503 | 529:
            return errors.Busy(detail, retry_after=retry_after(error.response.headers.get("retry-after", "")) or 5)
        case 413:
            return errors.PromptTooLong(detail)
        case 400 | 422:
            return _translate_refusal(detail, model)
        case status if 300 <= status < 400:
            return errors.ProviderError(detail, sentence=_MOVED)
        case status if status >= 500 or status in (402, 408):
            return errors.ProviderError(detail)
        case _:
            return errors.Refused(detail)


def _translate_refusal(detail: str, model: str) -> errors.ProviderError:
    """Several vendors have one status for all that they refuse: their words tell what it was."""
    said = detail.lower()
    if any(words in said for words in _KEY_REFUSED):
        return errors.KeyRefused(detail)
    if "invalid model" in said:
        return _model_not_found(detail, model)
    if _is_too_long(said):
        return errors.PromptTooLong(detail)
    if _is_failed_call(said):
        return errors.BrokenAnswer(detail)
    return errors.Refused(detail)


def _model_not_found(detail: str, model: str) -> errors.ModelNotFound:
    return errors.ModelNotFound(detail, sentence=f"The model provider has no model named {model}.")

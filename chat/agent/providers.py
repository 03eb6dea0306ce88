"""Model providers; the only module that imports ``openai``, whose errors it turns into ours."""

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import aiohttp
import httpx2
import openai

from ccagent.environment import Environment
from chat.agent import errors, tools, wire
from chat.agent.events import ModelEvent
from chat.agent.offline import OfflineProvider
from chat.agent.prompt import ModelRequest

logger = logging.getLogger(__name__)


class Provider(Protocol):
    """One model of one vendor. ``stream`` raises ``ProviderError``."""

    name: str
    model: str

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]: ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Vendor:
    """What this project knows of a vendor's OpenAI-compatible endpoint."""

    base_url: str
    default_model: str = ""
    # Fields beyond the least that every endpoint takes; a vendor refuses what it does not know.
    options: tuple[str, ...] = ()


VENDORS = {
    "google-genai": Vendor(
        "https://generativelanguage.googleapis.com/v1beta/openai/", "gemini-2.5-flash", ("stream_options",)
    ),
    "openai": Vendor("https://api.openai.com/v1", options=("stream_options",)),
    "anthropic": Vendor("https://api.anthropic.com/v1/"),
    "mistralai": Vendor("https://api.mistral.ai/v1"),
    "groq": Vendor("https://api.groq.com/openai/v1", options=("stream_options",)),
    "cohere": Vendor("https://api.cohere.ai/compatibility/v1"),
    "cerebras": Vendor("https://api.cerebras.ai/v1", options=("stream_options",)),
    "xai": Vendor("https://api.x.ai/v1", options=("stream_options",)),
}
_OPTION_VALUES: dict[str, Any] = {"stream_options": {"include_usage": True}}


@dataclass(frozen=True)
class Timeouts:
    """In seconds; ``first_byte`` includes connecting and every retry."""

    connect: float
    first_byte: float
    stall: float


class OpenAIProvider:
    """Any vendor through its OpenAI-compatible endpoint."""

    def __init__(self, name: str, model: str, base_url: str, api_key: str, timeouts: Timeouts, retries: int) -> None:
        self.name = name
        self.model = model
        self._timeouts = timeouts
        self._options = set(VENDORS[name].options) if name in VENDORS else set()
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key or "none",
            max_retries=retries,
            # A redirect could carry the key to another host.
            http_client=openai.DefaultAioHttpClient(follow_redirects=False, trust_env=False),
            # Compression would hold small pieces back.
            default_headers={"Accept-Encoding": "identity"},
            timeout=httpx2.Timeout(timeouts.stall, connect=timeouts.connect),
        )

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        try:
            async with asyncio.timeout(self._timeouts.first_byte) as deadline, AsyncExitStack() as stack:
                response = await self._open(request, stack)
                async for batch in wire.events(response.aiter_raw()):
                    deadline.reschedule(None)
                    for event in batch:
                        yield event
        except TimeoutError as error:
            raise errors.TimedOut("no first token in time") from error
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError) as error:
            raise translate(error, self.model) from error

    async def close(self) -> None:
        await self._client.close()

    async def _open(self, request: ModelRequest, stack: AsyncExitStack) -> httpx2.Response:
        """The open answer. An optional field that the vendor refuses is left out for good and the call made again."""
        try:
            return await self._send(request, stack)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            said = _bare(_words_of(error))
            refused = {name for name in self._options if _bare(name) in said}
            if not refused:
                raise
            logger.info("%s refuses %s: not sent any more", self.name, ", ".join(sorted(refused)))
            self._options -= refused
            return await self._send(request, stack)

    async def _send(self, request: ModelRequest, stack: AsyncExitStack) -> httpx2.Response:
        body: dict[str, Any] = {"model": self.model, "messages": wire.messages(request), "stream": True}
        if request.tools:
            body["tools"] = tools.schemas(request.tools)
        body |= {name: _OPTION_VALUES[name] for name in self._options}
        # Not chat.completions.create(): it walks through every message once more, which took most of a turn's time.
        stream = await self._client.post(
            "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=openai.AsyncStream[object]
        )
        stack.push_async_callback(stream.close)
        return stream.response


def _words_of(error: openai.APIStatusError) -> str:
    """What the vendor said, whatever its shape."""
    return error.message if error.body is None else json.dumps(error.body, default=str)


def _bare(text: str) -> str:
    """Without case and underscores: some vendors write the names of fields in a way of their own."""
    return text.replace("_", "").lower()


_KEY_REFUSED = ("api key not valid", "incorrect api key")
_TOO_LONG = (
    "context length",
    "context_length",
    "context window",
    "input token count",
    "maximum context",
    "maximum prompt length",
    "prompt is too long",
    "too many tokens",
)


def translate(error: Exception, model: str) -> errors.ProviderError:
    """Our counterpart of an error of the library's or its HTTP client's."""
    # What comes through aiohttp has this name also where the connection was refused.
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
            return errors.Busy(detail, retry_after=_retry_after(error.response))
        case 400 | 413 | 422:
            return _translate_refusal(detail, model)
        case status if status >= 500:
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
    if any(words in said for words in _TOO_LONG):
        return errors.PromptTooLong(detail)
    return errors.Refused(detail)


def _model_not_found(detail: str, model: str) -> errors.ModelNotFound:
    return errors.ModelNotFound(detail, sentence=f"The model provider has no model named {model}.")


def _retry_after(response: httpx2.Response) -> float:
    """Seconds the provider asks for; 5 where it names none, or a date."""
    try:
        seconds = float(response.headers.get("retry-after", ""))
    except ValueError:
        return 5
    return seconds if math.isfinite(seconds) and seconds > 0 else 5


def configured(env: Environment) -> Callable[[], Provider]:
    """How to make the provider that the environment names; raises ``NotConfigured``, with a sentence for operators."""
    key = env.provider_api_key.get_secret_value()
    name = env.provider_name or ("google-genai" if key else "custom" if env.provider_base_url else "")
    if not name:
        return OfflineProvider
    vendor = VENDORS.get(name)
    base_url = env.provider_base_url or (vendor.base_url if vendor else "")
    model = env.provider_model or (vendor.default_model if vendor else "")
    if not base_url:
        raise errors.NotConfigured(
            sentence=(
                f"PROVIDER_NAME is {name}, which is none of {', '.join(VENDORS)}: set PROVIDER_BASE_URL to its address."
            )
        )
    if not key and vendor and not env.provider_base_url:
        raise errors.NotConfigured(sentence=f"PROVIDER_API_KEY is missing: set it to your key of {name}.")
    if not model:
        raise errors.NotConfigured(sentence=f"PROVIDER_MODEL is missing: set it to the name of a model of {name}.")
    timeouts = Timeouts(env.provider_connect_seconds, env.provider_first_byte_seconds, env.provider_stall_seconds)
    return lambda: OpenAIProvider(name, model, base_url, key, timeouts, env.provider_retries)


# An HTTP client's connections belong to the loop they were opened on.
_current: WeakKeyDictionary[asyncio.AbstractEventLoop, Provider] = WeakKeyDictionary()


def current(env: Environment) -> Provider:
    """This process's provider, one for each event loop; raises ``NotConfigured``."""
    loop = asyncio.get_running_loop()
    if loop not in _current:
        _current[loop] = configured(env)()
    return _current[loop]


async def close() -> None:
    """Closes the idle connections of this loop's provider; the process ends."""
    if provider := _current.pop(asyncio.get_running_loop(), None):
        await provider.close()

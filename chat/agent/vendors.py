"""What a model provider is, and what this project knows of each vendor of models."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from ccagent.vendors import BASE_URLS
from chat.agent.events import ModelEvent
from chat.agent.prompt import ModelRequest


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
    # The names of an answer's greatest length, the one to try first in front.
    lengths: tuple[str, ...] = ("max_tokens", "max_completion_tokens")
    # Refuses the description of a tool's arguments where it has none.
    names_no_arguments: bool = False
    # Refuses earlier tool calls in a request that offers no tools.
    keeps_tools: bool = False
    # How to have all of its models listed at once, and what its list wants besides the usual key.
    listing: str = "/models"
    listing_headers: tuple[tuple[str, str], ...] = ()


NEWER_LENGTHS = ("max_completion_tokens", "max_tokens")
UNKNOWN = Vendor("")
VENDORS = {
    "google-genai": Vendor(BASE_URLS["google-genai"], "gemini-2.5-flash", ("stream_options",), names_no_arguments=True),
    "openai": Vendor(BASE_URLS["openai"], options=("stream_options",), lengths=NEWER_LENGTHS),
    "anthropic": Vendor(
        BASE_URLS["anthropic"],
        options=("stream_options",),
        keeps_tools=True,
        listing="/models?limit=1000",
        listing_headers=(("x-api-key", "{key}"), ("anthropic-version", "2023-06-01")),
    ),
    "mistralai": Vendor(BASE_URLS["mistralai"]),
    "groq": Vendor(BASE_URLS["groq"], options=("stream_options",), lengths=NEWER_LENGTHS),
    "cohere": Vendor(BASE_URLS["cohere"], options=("stream_options",), listing="/models?page_size=1000"),
    "cerebras": Vendor(BASE_URLS["cerebras"], options=("stream_options",), lengths=NEWER_LENGTHS),
    "xai": Vendor(BASE_URLS["xai"], options=("stream_options",), lengths=NEWER_LENGTHS),
}


@dataclass(frozen=True)
class Timeouts:
    """In seconds; ``first_byte`` includes connecting and every retry, ``stall`` counts from then on."""

    connect: float
    first_byte: float
    stall: float

"""What an agent run yields; plain data that knows neither storage nor a vendor."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A model is asked from the start: what earlier ones did counts no more, ``failures`` says what became of them.

    ``kind`` is that of the ``ProviderError`` of the one before.
    """

    provider: str
    model: str
    failures: str = ""
    kind: str = ""


@dataclass(frozen=True)
class TextDelta:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True)
class ToolCallRequest:
    """A call the model asks for. ``arguments`` is JSON as the model wrote it, so it may be broken.

    ``extra`` holds what a vendor wants back beside the call, such as Gemini's thought signature.
    """

    id: str
    name: str
    arguments: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ToolResult:
    """What a call gave; a failure is a result too, which the model can act on.

    ``error`` holds what only the operator is to see; ``step`` counts a turn's model calls from 1.
    """

    call: ToolCallRequest
    content: str
    failed: bool
    duration_ms: int
    error: str = ""
    step: int = 1


@dataclass(frozen=True)
class Usage:
    """Tokens of one model call, as the provider counted them or, where it told nothing, as we guess.

    ``completion_tokens`` are all that the model wrote, reasoning too; ``cached_tokens`` are those of the prompt that
    the provider had read before and sells for less.
    """

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False
    cached_tokens: int = 0


@dataclass(frozen=True)
class ModelCall:
    """Who was asked, and for how many tokens."""

    provider: str
    model: str
    usage: Usage


@dataclass(frozen=True)
class Finished:
    """The model call is over, for the reason the provider gives: ``stop``, ``length``, ``tool_calls``, …"""

    reason: str


ModelEvent = TextDelta | ToolCallRequest | Usage | Finished
"""What a provider yields."""

AgentEvent = Asked | TextDelta | ToolResult | Usage | Finished
"""What a run yields: tool calls only once they have a result, ``Finished`` only once, last."""

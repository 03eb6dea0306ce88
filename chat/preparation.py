"""What goes into a turn's prompt, gathered in one visit to the database."""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from chat import history
from chat.agent.prompt import ModelRequest, words
from chat.content import Block, plain_text
from chat.models import Message, Prompt
from context.passages import FoundPassage, passages

passages_given: ContextVar[list[dict[str, Any]]] = ContextVar("passages_given")
"""What the running turn's message will note as given; the tool that searches adds to it."""


@dataclass(frozen=True)
class Prepared:
    """What the model is asked, and what its message notes of that: the prompt's version and the passages."""

    request: ModelRequest
    prompt: int
    passages: list[dict[str, Any]]


def prepare(question: Message, blocks: Sequence[Block]) -> Prepared:
    """The prompt in force, the passages that fit the question, and the newest turns that the budget holds."""
    prompt = Prompt.in_force()
    earlier = history.before(question)
    asked_before = next((words(message.blocks) for message in earlier if message.role == "user"), "")
    found = passages(plain_text(blocks), asked_before)
    request = history.model_request(question, blocks, prompt, found, earlier)
    return Prepared(request, prompt.pk, [noted(passage) for passage in found])


def noted(passage: FoundPassage) -> dict[str, Any]:
    """A passage as the message's row keeps it: where it stands, not what it says."""
    names = ("document", "title", "source", "heading", "score")
    return {name: getattr(passage, name) for name in names} | {"chunks": list(passage.chunks)}

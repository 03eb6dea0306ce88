"""What goes into a turn's prompt, gathered in one visit to the database."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chat import history, toolset
from chat.agent.prompt import ModelRequest, PromptMessage, words
from chat.content import Block, plain_text
from chat.models import Message
from chat.prompts import in_force
from context.embeddings import QuestionVector, active
from context.passages import FoundPassage, goes_on, passages


@dataclass(frozen=True)
class Prepared:
    """What the model is asked, and what its message notes of that: the prompt's version and the passages.

    ``model`` is the name that the version gives, empty where it leaves that to the environment. Tools that
    search add to ``passages`` while the turn runs.
    """

    request: ModelRequest
    model: str
    prompt: int
    passages: list[dict[str, Any]]


def meant(question: Message, blocks: Sequence[Block]) -> str:
    """The words whose meaning is searched for: a short question with the one before it.

    None without embeddings, or where the version in force says that documents are not looked into.
    """
    if not active() or not in_force().retrieval:
        return ""
    asked = plain_text(blocks)
    return f"{_asked_before(history.before(question))}\n{asked}" if goes_on(asked) else asked


def prepare(question: Message, blocks: Sequence[Block], vector: QuestionVector | None = None) -> Prepared:
    """The prompt in force, the passages that fit the question, and the newest turns that the budget holds."""
    prompt = in_force()
    earlier = history.before(question)
    asked_before = _asked_before(earlier)
    found = passages(plain_text(blocks), asked_before, vector, prompt.passages) if prompt.retrieval else []
    request = history.model_request(question, blocks, prompt, found, earlier)
    given = [noted(passage) for passage in found]
    toolbox = toolset.toolbox(question.conversation.email, question.conversation_id, given, searches=prompt.retrieval)
    return Prepared(dataclasses.replace(request, toolbox=toolbox), prompt.model, prompt.version, given)


def _asked_before(newest_first: Sequence[PromptMessage]) -> str:
    return next((words(message.blocks) for message in newest_first if message.role == "user"), "")


def noted(passage: FoundPassage) -> dict[str, Any]:
    """A passage as the message's row keeps it: where it stands, not what it says."""
    names = ("document", "title", "source", "heading", "score")
    return {name: getattr(passage, name) for name in names} | {"chunks": list(passage.chunks)}

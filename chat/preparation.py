"""What goes into a turn's prompt, gathered in one visit to the database."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from ccagent.text import cut_to, estimated_tokens
from chat import history, memory, summaries, toolset, window
from chat.agent.prompt import ModelRequest
from chat.agent.windows import history_tokens
from chat.content import Block, plain_text
from chat.memory import Memory
from chat.models import Message
from chat.prompts import in_force
from context.embeddings import QuestionVector, active
from context.passages import FoundPassage, goes_on, passages
from context.search import is_empty


@dataclass(frozen=True)
class Prepared:
    """What the model is asked, and what its message notes of that: the prompt's version and the passages.

    ``model`` is the name that the version gives, empty where it leaves that to the environment. Tools that
    search add to ``passages`` while the turn runs. ``outgrown`` says that turns fell out of the window which no
    summary holds, ``looked`` that there were documents and that they were looked into.
    """

    request: ModelRequest
    model: str
    prompt: int
    passages: list[dict[str, Any]]
    outgrown: bool
    looked: bool


def meant(question: Message, blocks: Sequence[Block]) -> str:
    """The words whose meaning is searched for: a short question with the one before it.

    None without embeddings, or where the version in force says that documents are not looked into.
    """
    if not active() or not in_force().retrieval:
        return ""
    asked = plain_text(blocks)
    return f"{window.asked_before(question)}\n{asked}" if goes_on(asked) else asked


def prepare(question: Message, blocks: Sequence[Block], vector: QuestionVector | None = None) -> Prepared:
    """The prompt in force, what is remembered, the passages that fit the question, and the newest turns that fit."""
    prompt = in_force()
    tokens = history_tokens(settings.ENV, prompt.model)
    known = _known(question, tokens)
    given = window.window(question, blocks, tokens - estimated_tokens(known.summary) if known.summary else tokens)
    found = passages(plain_text(blocks), given.asked_before, vector, prompt.passages) if prompt.retrieval else []
    request = history.model_request(question, prompt, found, given, known)
    notes = [noted(passage) for passage in found]
    toolbox = toolset.toolbox(question.conversation.email, question.conversation_id, notes, searches=prompt.retrieval)
    outgrown = given.first > known.through + 1
    looked = prompt.retrieval and (bool(notes) or not is_empty())
    return Prepared(
        dataclasses.replace(request, toolbox=toolbox), prompt.model, prompt.version, notes, outgrown, looked
    )


def _known(question: Message, tokens: int) -> Memory:
    """What is remembered; a summary from a time when there was more room is cut."""
    known = memory.recall(question.conversation_id, question.conversation.email, question.sequence)
    if not known.summary:
        return known
    return dataclasses.replace(known, summary=cut_to(summaries.limit(tokens), known.summary))


def noted(passage: FoundPassage) -> dict[str, Any]:
    """A passage as the message's row keeps it: where it stands, not what it says."""
    names = ("document", "title", "source", "heading", "score", "coverage", "similarity")
    return {name: getattr(passage, name) for name in names} | {"chunks": list(passage.chunks)}

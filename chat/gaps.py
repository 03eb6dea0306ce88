"""Whether an answer may not have helped, judged when it ends; an operator decides."""

import re
from collections.abc import Sequence
from typing import Any

from chat.models import Message
from chat.storage import MadeCall
from chat.unknown import is_unknown

_SEARCH_TOOL = "search_context"
_LEAST_WORDS = 3
"""A message of fewer and without a question mark is taken for a greeting or a thank-you, not for a question."""
# Scripts without gaps between words: each sign counts as one.
_WORD = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]|\w+")


def columns(
    asked: str, status: str, text: str, passages: Sequence[dict[str, Any]], looked: bool, calls: Sequence[MadeCall]
) -> dict[str, Any]:
    """What an answer's row keeps of it. ``looked`` says that there were documents and that they were looked into."""
    coverage = max((passage["coverage"] for passage in passages), default=0.0) if looked else None
    similarities = [passage["similarity"] for passage in passages if passage["similarity"] is not None]
    nothing = looked and not passages and not _found_elsewhere(calls) and is_question(asked)
    return {
        "coverage": coverage,
        "similarity": max(similarities, default=None),
        "gap": _gap(status, text, nothing),
    }


def is_question(text: str) -> bool:
    """Whether a message asks for something, as far as its length and its signs tell."""
    return len(_WORD.findall(text[:200])) >= _LEAST_WORDS or any(sign in text for sign in "?\uff1f\u061f")


def _gap(status: str, text: str, nothing: bool) -> str:
    if status in (Message.Status.FAILED, Message.Status.INTERRUPTED):
        return Message.Gap.FAILED.value
    if status != Message.Status.COMPLETE:
        return ""
    if is_unknown(text):
        return Message.Gap.UNKNOWN.value
    return Message.Gap.NOTHING_FOUND.value if nothing else ""


def _found_elsewhere(calls: Sequence[MadeCall]) -> bool:
    """Whether a tool gave something that no document has to hold, such as the time."""
    return any(not call.result.failed and call.result.call.name != _SEARCH_TOOL for call in calls)

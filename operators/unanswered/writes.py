"""What an operator does about open questions."""

import re
from collections.abc import Sequence

from django.db import transaction
from django.db.models.functions import Now

from ccagent.text import clean
from chat.models import UNANSWERED, Message
from context.ingest import ingest
from context.models import Document

MAX_TITLE = 300


def settle(answers: Sequence[int]) -> int:
    """Takes the questions of these answers off the list; returns how many were on it."""
    return Message.objects.filter(UNANSWERED, pk__in=answers).update(settled_at=Now())


def flag(answer: int, *, on: bool) -> Message | None:
    """Puts the question of an answer on the list, again where it was settled, or says that this was a mistake."""
    found = Message.objects.filter(pk=answer, role=Message.Role.ASSISTANT).select_related("conversation")
    Message.objects.filter(pk__in=found.values("pk")).update(
        flagged_at=Now() if on else None, **({"settled_at": None} if on else {})
    )
    return found.first()


def write_answer(question: str, others: str, answer: str, answers: Sequence[int], by: str) -> Document:
    """Makes a document of an operator's answer and settles the questions of ``answers``; raises `Unreadable`.

    The question is its title and heading, and other wordings stand below that, so that who asks again, in whichever of
    them, finds it.
    """
    title = line(question)[:MAX_TITLE]
    also = [wording for wording in map(line, clean(others).splitlines()) if wording]
    parts = [f"# {title}", *(["\n".join(f"- {wording}" for wording in also)] if also else []), clean(answer).strip()]
    with transaction.atomic():
        document = ingest("\n\n".join(parts), name="answer.md", title=title, added_by=by).document
        settle(answers)
    return document


def line(text: str) -> str:
    """A text on one line, without what Markdown would take for a heading or a list."""
    return re.sub(r"^[#>*+\-\s]+", "", " ".join(clean(text).split()))

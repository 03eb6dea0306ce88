"""How an export is written: pieces of text that make one file."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, Literal, get_args

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from chat.content import File, Image
from chat.history import agent_message
from chat.models import Conversation, Fact, Message, Summary
from context.models import Document
from operators.data import page
from operators.data.records import messages

Format = Literal["jsonl", "csv", "json", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)
TYPES: dict[Format, str] = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "html": "text/html; charset=utf-8",
}
_PIECE = 65_536


def export(conversations: QuerySet[Conversation], form: Format) -> Iterator[str]:
    """The file, in pieces of 64 KB or one message. ``json`` and ``html`` have also what is known of the people."""
    return _joined(_WRITERS[form](conversations))


def _joined(pieces: Iterable[str]) -> Iterator[str]:
    waiting: list[str] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield "".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield "".join(waiting)


# One line for each message.


def _json_lines(conversations: QuerySet[Conversation]) -> Iterator[str]:
    for message in messages(conversations):
        yield _json({"conversation": _conversation(message.conversation)} | _message(message)) + "\n"


_COLUMNS = (
    "conversation", "email", "archived_at", "id", "sequence", "role", "status", "date", "text", "files", "images",
    "model", "prompt_tokens", "completion_tokens", "total_ms",
)  # fmt: skip


def _csv(conversations: QuerySet[Conversation]) -> Iterator[str]:
    # Without a byte order mark Excel takes UTF-8 for something else.
    yield "\ufeff" + _row(_COLUMNS)
    for message in messages(conversations):
        blocks = message.content
        conversation = message.conversation
        yield _row(
            (
                conversation.pk,
                conversation.email,
                _date(conversation.archived_at),
                message.pk,
                message.sequence,
                message.role,
                message.status,
                _date(message.date),
                message.text,
                "\n".join(block.name for block in blocks if isinstance(block, File)),
                "\n".join(block.name for block in blocks if isinstance(block, Image)),
                message.model,
                message.prompt_tokens,
                message.completion_tokens,
                message.total_ms,
            )
        )


def _row(values: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([harmless(value) if isinstance(value, str) else value for value in values])
    return line.getvalue()


def harmless(cell: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) else cell  # noqa: RUF001


# One part for each person.


def _people(conversations: QuerySet[Conversation]) -> Iterator[tuple[str, QuerySet[Conversation]]]:
    """E-mails with their conversations; all anonymous calls together, as those of an empty one."""
    last: str | None = None
    emails = conversations.order_by("email")
    while True:
        rest = emails if last is None else emails.filter(email__gt=last)
        last = rest.values_list("email", flat=True).first()
        if last is None:
            return
        yield last, conversations.filter(email=last)


def _document(conversations: QuerySet[Conversation]) -> Iterator[str]:
    yield f'{{"agent": {_json(settings.APP_NAME)}, "exported_at": {_json(_date(timezone.now()))}, "people": ['
    comma = ""
    for email, theirs in _people(conversations):
        yield f'{comma}\n{_json(person(email))[:-1]}, "conversations": ['
        yield from _conversations(theirs)
        yield "]}"
        comma = ","
    yield "\n]}\n"


def _conversations(conversations: QuerySet[Conversation]) -> Iterator[str]:
    comma = ""
    for conversation, said in groupby(messages(conversations), key=lambda message: message.conversation):
        head = _conversation(conversation) | {"summaries": summaries(conversation)}
        yield f'{comma}\n{_json(head)[:-1]}, "messages": ['
        inner = ""
        for message in said:
            yield f"{inner}\n{_json(_message(message))}"
            inner = ","
        yield "]}"
        comma = ","


def _page(conversations: QuerySet[Conversation]) -> Iterator[str]:
    yield page.head()
    for email, theirs in _people(conversations):
        yield page.person(**person(email))
        for conversation, said in groupby(messages(theirs), key=lambda message: message.conversation):
            yield page.conversation(conversation, summaries(conversation))
            for message in said:
                yield page.message(message)
    yield page.foot()


def person(email: str) -> dict[str, Any]:
    """What is known of somebody besides what was said."""
    facts = Fact.objects.filter(email=email) if email else Fact.objects.none()
    added = Document.objects.filter(added_by__iexact=email) if email else Document.objects.none()
    return {
        "email": email,
        "facts": [{"text": fact.text, "created_at": _date(fact.created_at)} for fact in facts],
        "documents_added": list(added.values("id", "title", "source")),
    }


def summaries(conversation: Conversation) -> list[dict[str, Any]]:
    every = Summary.objects.filter(conversation=conversation).order_by("through")
    return [{"through": one.through, "text": one.text, "created_at": _date(one.created_at)} for one in every]


def _conversation(conversation: Conversation) -> dict[str, Any]:
    names = ("created_at", "last_activity_at", "archived_at")
    dates = {name: _date(getattr(conversation, name)) for name in names}
    return {"id": conversation.pk, "email": conversation.email} | dates


def _message(message: Message) -> dict[str, Any]:
    """``message`` is the contract's ``AgentMessage``; around it stands what else is known."""
    shown = {
        "id": message.pk,
        "sequence": message.sequence,
        "status": message.status,
        "message": agent_message(message),
    }
    if message.role == Message.Role.USER:
        return shown
    names = ("provider", "model", "finish_reason", "prompt_tokens", "completion_tokens", "first_token_ms", "total_ms")
    usage = {name: getattr(message, name) for name in names}
    return shown | {"usage": usage, "tool_calls": [_call(call) for call in message.tool_calls.all()]}


def _call(call: Any) -> dict[str, Any]:
    return {name: getattr(call, name) for name in ("name", "arguments", "result", "failed", "duration_ms")}


def _date(date: datetime | None) -> str | None:
    return date.isoformat().replace("+00:00", "Z") if date else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


_WRITERS: dict[Format, Callable[[QuerySet[Conversation]], Iterator[str]]] = {
    "jsonl": _json_lines,
    "csv": _csv,
    "json": _document,
    "html": _page,
}

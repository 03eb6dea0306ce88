# mypy: allow-untyped-calls
"""What the chat endpoints cannot say of themselves in the OpenAPI document."""

import dataclasses
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension, OpenApiViewExtension
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view

from ccagent.api.openapi import (
    NOT_BLANK,
    Responses,
    Schema,
    answer_headers,
    envelope,
    failures,
    record,
    schema,
    security,
)
from chat.agent import errors
from chat.content import BLOCK_TYPES, MAX_BLOCKS, MAX_NAME_CHARS, Image
from chat.serializers import ChatPrompt, PageQuery

_BASE64 = (
    r"^(data:image/[A-Za-z0-9_.+-]+(;[A-Za-z0-9_.+-]+=[A-Za-z0-9_.+-]*)*;base64,)?"
    r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$"
)
_DESCRIPTIONS = {"base64": "Plain base64, or a `data:image/…;base64,…` URL.", "text": "", "name": ""}
_WORDS = "Who is the king of the jungle?"
_SAID = {"role": "user", "content": [{"type": "text", "text": _WORDS}], "date": "2026-11-07T10:30:00Z"}
_ANSWER = {
    "role": "assistant",
    "content": [{"type": "text", "text": "George is the king of the jungle."}],
    "date": "2026-11-07T10:30:01Z",
    "sources": [{"title": "George", "source": "https://example.com/george", "document": 1}],
}


def _blocks(owner: str) -> list[Schema]:
    """A schema for each kind of block, from its dataclass."""
    return [
        schema(
            f"{owner}Content{name.capitalize()}",
            **record(
                type={"type": "string", "enum": [name]},
                **{field.name: _field(field.name, owner, block) for field in dataclasses.fields(block)},
            ),
        )
        for name, block in BLOCK_TYPES.items()
    ]


def _field(name: str, owner: str, block: type[Any]) -> Schema:
    limits: Schema = {}
    if owner == "ChatPrompt" and block is Image:
        limits = {"pattern": _BASE64} if name == "base64" else {"maxLength": MAX_NAME_CHARS}
    described = {"description": _DESCRIPTIONS[name]} if _DESCRIPTIONS[name] else {}
    return {"type": "string", **limits, **described}


def _union(refs: list[Schema]) -> Schema:
    mapping = {name: ref["$ref"] for name, ref in zip(BLOCK_TYPES, refs, strict=True)}
    return {"oneOf": refs, "discriminator": {"propertyName": "type", "mapping": mapping}}


class Blocks(OpenApiSerializerFieldExtension):
    """A question: blocks of which one at least says something, or a plain text."""

    target_class = "chat.serializers.BlocksField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Schema:  # noqa: ARG002
        mute = {"type": {"enum": ["text", "file"]}, "text": {"not": {"pattern": NOT_BLANK}}}
        blank = {"type": "object", "required": ["text"], "properties": mute}
        items = {"type": "array", "items": _union(_blocks("ChatPrompt")), "minItems": 1, "maxItems": MAX_BLOCKS}
        plain = {"type": "string", "pattern": NOT_BLANK}
        return {"anyOf": [{**items, "not": {"type": "array", "items": blank}}, plain]}


_PROMPT = """
A question. `message` is understood in the place of `content`; a missing `date` is now. A `file` may have `base64` in
the place of `text`, the file as it is: then the agent takes the text out.
""".strip().replace("\n", " ")


class Prompt(OpenApiSerializerExtension):
    """``message`` is an older name of ``content``: told in words, so that there is one way to ask."""

    target_class = ChatPrompt

    def map_serializer(self, auto_schema: Any, direction: Any) -> Schema:
        mapped: Schema = super().map_serializer(auto_schema, direction)
        del mapped["properties"]["message"]
        return {**mapped, "required": ["content"], "description": _PROMPT}


_STRING = {"type": "string"}
_SOURCE = schema(
    "MessageSource",
    **record(
        title=_STRING,
        source={"type": "string", "description": "The address it came from; empty for a text that was posted."},
        document={"type": "integer", "description": "The document's id."},
    ),
    description="A document whose passages an answer was given.",
)
_SOURCES = {"type": "array", "items": _SOURCE, "description": "The best first; missing where there are none."}
_MESSAGE = schema(
    "AgentMessage",
    **record(
        "sources",
        role={"type": "string", "enum": ["user", "assistant"]},
        content={"type": "array", "items": _union(_blocks("AgentMessage"))},
        date={"type": "string", "format": "date-time"},
        sources=_SOURCES,
    ),
)
_SENT = envelope("SendMessageResponse", _MESSAGE)
_HISTORY = envelope("GetChatHistoryResponse", {"type": "array", "items": _MESSAGE})
_STOPPED = envelope("StopAnswerResponse", record(stopped={"type": "integer", "description": "How many answers."}))
_ARCHIVED = envelope("StartOverResponse", record(archived={"type": "boolean", "description": "False: there was none."}))
schema(
    "StreamEvent",
    **record(
        "sources",
        "paused",
        "success",
        "error",
        chunk={
            "type": "string",
            "description": "The next piece of the answer; empty where the event says another thing.",
        },
        sources=_SOURCES,
        paused={
            "type": "boolean",
            "enum": [True],
            "description": "What comes is an operator's, and may take its time.",
        },
        success={"type": "boolean", "enum": [False]},
        error={"type": "string", "description": "Why the answer broke off, as a sentence."},
    ),
    description="What stands behind `data: ` in a line of a stream. The answer is all `chunk`s together.",
)
_EVENT = record(data={"type": "string", "description": "A `StreamEvent` as JSON."})
# To some tools a stream is its events, to others one text.
_STREAM = {"anyOf": [{**_EVENT, "title": "An event"}, {"type": "string", "title": "The whole stream"}]}
_EVENTS = """data: {"chunk": "George is the king"}

data: {"chunk": " of the jungle."}

data: {"chunk": "", "sources": [{"title": "George", "source": "https://example.com/george", "document": 1}]}

"""
_STREAMED = """
Each event is one line `data: ` with a `StreamEvent` as JSON, and a blank line; lines that begin with a colon keep the
connection awake and mean nothing. What goes wrong before the first piece is an `Error` with its status. After it the
last event is `{"chunk": "", "success": false, "error": "…"}`. The end of the answer is the end of the body.
"""


def _stream(description: str) -> Responses:
    example = OpenApiExample("Events", _EVENTS, media_type="text/event-stream")
    return {(200, "text/event-stream"): OpenApiResponse(_STREAM, f"{description}\n{_STREAMED}", [example])}


def _ok(body: Schema, data: Any, description: str) -> Responses:
    example = OpenApiExample("Answer", {"data": data, "success": True}, response_only=True)
    return {200: OpenApiResponse(body, description, [example])}


_ASKING = failures(
    400,
    401,
    411,
    413,
    415,
    429,
    500,
    _409=(
        "The `Idempotency-Key` came with another body before, or the answer was stopped before its first word.",
        "This Idempotency-Key came with another request before: use a new key.",
    ),
    _422=("No text can be had from a `file` that came with `base64`.", "notes.pdf: This holds no text."),
    _502=("The model provider refused, or its answer is none.", errors.ProviderError.sentence),
    _503=(
        "The database is away, the provider is busy, or the agent restarts; or no model is set up.",
        errors.Busy.sentence,
    ),
    _504=("The model provider did not answer in time.", errors.TimedOut.sentence),
)
_READING = failures(400, 401, 500, 503)
_IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": '^([!#-~]{1,255}|"[!#-~]{1,253}")$'},
    OpenApiParameter.HEADER,
    description="The same key with the same body gives the same answer, and asks the model once.",
)
_QUESTIONS = [
    OpenApiExample("A question", {"content": [{"type": "text", "text": _WORDS}]}, request_only=True),
    OpenApiExample(
        "A file",
        {
            "content": [
                {"type": "text", "text": "What is in it?"},
                {"type": "file", "name": "notes.txt", "text": "George likes hats."},
            ],
            "date": "2026-11-07T10:30:00Z",
        },
        request_only=True,
    ),
]
_OLDER = OpenApiParameter(
    "Link",
    str,
    OpenApiParameter.HEADER,
    response=[200],
    description='The address of the page with older messages, as `<…>; rel="next"`; missing with the oldest ones.',
)


def _operation(name: str, summary: str, responses: Responses, *more: OpenApiParameter, **others: Any) -> Any:
    waits = [status for status in (429, 503) if status in responses]
    return extend_schema(
        operation_id=name,
        summary=summary,
        tags=["Chat"],
        responses=responses,
        parameters=[*more, *answer_headers(waits)],
        **others,
    )


def _asking(name: str, summary: str, answered: Responses) -> Any:
    return _operation(
        name,
        summary,
        answered | _ASKING,
        _IDEMPOTENCY,
        request=ChatPrompt,
        examples=_QUESTIONS,
        auth=security(email=False),
    )


def _own(name: str, summary: str, answered: Responses, *more: Any) -> Any:
    """An operation on what is the person's own, for which an e-mail is needed."""
    return _operation(name, summary, answered | _READING, *more, auth=security(email=True))


class SendMessage(OpenApiViewExtension):
    target_class = "chat.views.SendMessage"

    def view_replacement(self) -> Any:
        answered = _ok(_SENT, _ANSWER, "The answer.")
        return extend_schema_view(post=_asking("sendMessage", "Ask, and wait for the whole answer", answered))(
            self.target
        )


class StreamMessage(OpenApiViewExtension):
    target_class = "chat.views.StreamMessage"

    def view_replacement(self) -> Any:
        joined = _stream("First the text so far, then the rest.") | {
            204: OpenApiResponse(None, "Nothing is being answered.")
        }
        stopped = _ok(_STOPPED, {"stopped": 1}, "What was written stays in the history.")
        return extend_schema_view(
            post=_asking("streamMessage", "Ask, and get the answer as it is written", _stream("The answer.")),
            get=_own("joinAnswer", "Come back to an answer that is being written", joined),
            delete=_own("stopAnswer", "Stop the answers that are being written", stopped),
        )(self.target)


class History(OpenApiViewExtension):
    target_class = "chat.views.History"

    def view_replacement(self) -> Any:
        read = _ok(_HISTORY, [_SAID, _ANSWER], "The messages, oldest first.")
        archived = _ok(_ARCHIVED, {"archived": True}, "The history is empty now; running answers were stopped.")
        summary = "Read the history, the whole of it unless asked otherwise"
        return extend_schema_view(
            get=_own("getChatHistory", summary, read, PageQuery, _OLDER),
            delete=_own("startOver", "Start over with an empty history", archived),
        )(self.target)

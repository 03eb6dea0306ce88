"""A model provider to test against: the real wire format over real HTTP, and every way of getting it wrong.

    with FakeProvider() as provider:
        provider.replies(status(429, retry_after=1), text("Hello there", pause=0.1))
        ...  # talk to provider.base_url
        assert provider.requests[-1].json["model"] == "fake"

`replies` has good answers, `faults` bad ones, `shapes` the same answers in other bytes; `python -m tests.fake_provider`
is a cheap provider of many paced streams, to measure with.
"""

from .embeddings import broken_vectors, only_if, too_few_vectors, vectors_of
from .faults import (
    bad_json,
    bad_utf8,
    context_too_long,
    cut,
    dropped,
    endless,
    error_event,
    field_refused,
    html,
    huge_line,
    json_error,
    key_refused,
    late,
    model_not_found,
    no_done,
    no_finish,
    nothing,
    null_delta,
    odd_choices,
    redirect,
    refused,
    silence,
    stall,
    status,
    wordless,
)
from .replies import Call, Gate, Reply, Response, call, echo, reasoning, text, tool_calls
from .request import Request
from .server import FakeProvider, closed_port, full_port
from .shapes import crlf, in_one_segment, sliced, with_comments
from .vendors import VENDORS

__all__ = [
    "VENDORS",
    "Call",
    "FakeProvider",
    "Gate",
    "Reply",
    "Request",
    "Response",
    "bad_json",
    "bad_utf8",
    "broken_vectors",
    "call",
    "closed_port",
    "context_too_long",
    "crlf",
    "cut",
    "dropped",
    "echo",
    "endless",
    "error_event",
    "field_refused",
    "full_port",
    "html",
    "huge_line",
    "in_one_segment",
    "json_error",
    "key_refused",
    "late",
    "model_not_found",
    "no_done",
    "no_finish",
    "nothing",
    "null_delta",
    "odd_choices",
    "only_if",
    "reasoning",
    "redirect",
    "refused",
    "silence",
    "sliced",
    "stall",
    "status",
    "text",
    "too_few_vectors",
    "tool_calls",
    "vectors_of",
    "with_comments",
    "wordless",
]

# mypy: allow-untyped-calls
"""The API's OpenAPI document, generated from views and serializers.

Imported when somebody asks for the document, and not before: an idle server does without drf-spectacular. What views
and serializers cannot say of themselves is in each app's ``openapi.py``.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import autodiscover_modules
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema_field
from rest_framework import serializers

from ccagent.api.authentication import EMAIL_HEADER, KEY_HEADER
from ccagent.api.errors import SENTENCES

Schema = dict[str, Any]
Responses = dict[int | tuple[int, str], Any]

NOT_BLANK = r"[^\s\x1c-\x1f\x85]"
"""The pattern of a text with something in it, as Python sees it."""
schemas: dict[str, Schema] = {}
"""Schemas of bodies that no serializer makes, by name."""

_DESCRIPTION = """
The endpoints that the chat window of Code Capsules calls, and a few besides.

Press **Authorize** for the two headers: the agent's key, and the e-mail of the person who asks. In development mode
without `INTERNAL_API_KEY` any key will do.

Every answer that is no stream is JSON in one of two shapes: `ApiResponse`, or `Error` with a sentence that says what
happened and what to do. That holds for what has no operation too: 404 for another path, 405 for another method, and,
from the HTTP server itself, 408 for a request that does not arrive whole and 431 for a head that is too long. Each has
an `X-Request-ID`.
"""
_MEANINGS = {
    400: "The body, a header or a parameter is malformed; the sentence names it.",
    401: "The key is missing or wrong, or there is no e-mail where one is needed.",
    411: "There is no body, or its length is not stated.",
    413: "The body is larger than 10 MB.",
    415: "The body is not `application/json`.",
    429: "Too many calls: wait for `Retry-After`.",
    500: "A bug; the agent's log has the cause.",
    503: "The database is away: wait for `Retry-After`.",
}
_SECURITY_SCHEMES = {
    "ApiKeyAuth": {
        "type": "apiKey",
        "in": "header",
        "name": KEY_HEADER,
        "description": "The value of the agent's `INTERNAL_API_KEY`.",
    },
    "EmailAuth": {
        "type": "apiKey",
        "in": "header",
        "name": EMAIL_HEADER,
        "description": "The e-mail address of the person; each has one history.",
    },
}


def schema(name: str, **definition: Any) -> Schema:
    """Names a schema of the document; returns the reference to it."""
    schemas[name] = definition
    return {"$ref": f"#/components/schemas/{name}"}


def record(*optional: str, **properties: Schema) -> Schema:
    """An object with these properties, all of them required but the ``optional`` ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


_SUCCESS = {"type": "boolean", "enum": [True]}
ERROR = schema(
    "Error",
    **record(
        success={"type": "boolean", "enum": [False]},
        error={"type": "string", "description": "One sentence: what happened, and what to do."},
    ),
)


@extend_schema_field(_SUCCESS)
class Success(serializers.BooleanField):
    """``success`` of an envelope that is a serializer."""


schema("ApiResponse", **record(data={"description": "What was asked for."}, success=_SUCCESS))


def envelope(name: str, data: Any) -> Schema:
    """The ``ApiResponse`` around this, by a name of its own."""
    return schema(name, **record(data=data, success=_SUCCESS))


def failures(*statuses: int, **others: tuple[str, str]) -> Responses:
    """Answers in the shape ``Error``; ``others`` are ``_409=(meaning, sentence)``."""
    told = {status: (_MEANINGS[status], SENTENCES[status]) for status in statuses}
    told |= {int(name.lstrip("_")): words for name, words in others.items()}
    return {
        status: OpenApiResponse(
            ERROR, meaning, [OpenApiExample("Error", {"success": False, "error": sentence}, response_only=True)]
        )
        for status, (meaning, sentence) in sorted(told.items())
    }


def answer_headers(waits: Sequence[int]) -> list[OpenApiParameter]:
    """The headers of answers; ``waits`` are the statuses that may say how many seconds to wait."""
    retry = "Seconds to wait before another try."
    request = "Names the request in the agent's log; the same as that of the request, where it has a usable one."
    return [
        OpenApiParameter("Retry-After", int, OpenApiParameter.HEADER, response=list(waits), description=retry),
        OpenApiParameter("X-Request-ID", str, OpenApiParameter.HEADER, response=[200], description=request),
    ]


def security(*, email: bool) -> Any:
    """Which headers a call needs; ``email`` says that one without an e-mail is refused."""
    both: dict[str, list[str]] = {"ApiKeyAuth": [], "EmailAuth": []}
    if email:
        return [both]
    keyless: list[dict[str, list[str]]] = [{}] if settings.ALLOW_ANONYMOUS else []
    return [both, {"ApiKeyAuth": []}, *keyless]


@cache
def document() -> bytes:
    """The document as JSON."""
    autodiscover_modules("openapi")
    described = {
        "TITLE": settings.APP_NAME,
        "DESCRIPTION": _DESCRIPTION.strip(),
        "VERSION": "1",
        "DISABLE_DOCSTRING_DESCRIPTIONS": True,
        "SERVERS": [{"url": "/"}],
        "TAGS": [
            {"name": "Chat", "description": "Questions, answers, and what was said before."},
            {"name": "Context", "description": "What the agent is given to know."},
        ],
        "APPEND_COMPONENTS": {"schemas": schemas, "securitySchemes": _SECURITY_SCHEMES},
        # As in the URL configuration: asking comes first.
        "SORT_OPERATIONS": False,
        # Choices stay where they are, without a schema of their own.
        "POSTPROCESSING_HOOKS": [],
    }
    with patched_settings(described):
        return json.dumps(SchemaGenerator().get_schema(public=True), indent=1).encode()

# mypy: allow-untyped-calls
"""What the context endpoints cannot say of themselves in the OpenAPI document."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiViewExtension
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.serializers import Serializer

from ccagent.api.openapi import NOT_BLANK, Schema, Success, answer_headers, failures, security
from context import serializers
from context.fetch import UNREACHABLE

_ADDED = {"id": 1, "title": "George", "source": "", "status": "ready", "chunks": 1, "characters": 64}
_ADDED_FROM = _ADDED | {"source": "https://example.com/"}
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_LAST_LABEL = "[A-Za-z_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PORT = "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}))?"
_ADDRESS = rf"^https?://(({_LABEL}\.){{0,5}}{_LAST_LABEL}|{_OCTET}(\.{_OCTET}){{3}}){_PORT}([/?#][!-~]*)?$"
_UNREADABLE = "There is nothing to know: it cannot be fetched, or what is there cannot be read."


class ContextText(OpenApiSerializerExtension):
    target_class = serializers.ContextText

    def map_serializer(self, auto_schema: Any, direction: Any) -> Schema:
        mapped: Schema = super().map_serializer(auto_schema, direction)
        mapped["properties"]["text"]["pattern"] = NOT_BLANK
        return mapped


class ContextUrl(OpenApiSerializerExtension):
    target_class = serializers.ContextURL

    def get_name(self, auto_schema: Any, direction: Any) -> str:  # noqa: ARG002
        return "ContextUrl"

    def map_serializer(self, auto_schema: Any, direction: Any) -> Schema:
        mapped: Schema = super().map_serializer(auto_schema, direction)
        mapped["properties"]["url"]["pattern"] = _ADDRESS
        return mapped


class AddContextTextResponse(Serializer[Any]):
    data = serializers.AddedDocument()  # type: ignore[assignment]
    success = Success()


class AddContextFromUrlResponse(AddContextTextResponse):
    pass


def _adding(name: str, summary: str, body: Any, response: Any, examples: tuple[Any, Any]) -> Any:
    asked, added = examples
    success = OpenApiExample("Answer", {"data": added, "success": True}, response_only=True)
    answered = {200: OpenApiResponse(response, "It is in the context.", [success])}
    refused = failures(400, 401, 411, 413, 415, 429, 500, 503, _422=(_UNREADABLE, UNREACHABLE.format(20)))
    return extend_schema_view(
        post=extend_schema(
            operation_id=name,
            summary=summary,
            tags=["Context"],
            request=body,
            responses=answered | refused,
            parameters=answer_headers([429, 503]),
            examples=[OpenApiExample("Example", asked, request_only=True)],
            auth=security(email=False),
        )
    )


class AddText(OpenApiViewExtension):
    target_class = "context.views.AddText"

    def view_replacement(self) -> Any:
        asked = {"text": "George is the king of the jungle. He likes hats and eats snails.", "title": "George"}
        return _adding(
            "addContextText", "Give it a text to know", serializers.ContextText, AddContextTextResponse, (asked, _ADDED)
        )(self.target)


class AddURL(OpenApiViewExtension):
    target_class = "context.views.AddURL"

    def view_replacement(self) -> Any:
        asked = {"url": "https://example.com/"}
        return _adding(
            "addContextFromUrl",
            "Give it a page or document of the web to know",
            serializers.ContextURL,
            AddContextFromUrlResponse,
            (asked, _ADDED_FROM),
        )(self.target)

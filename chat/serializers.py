"""What the chat endpoints take."""

import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from ccagent.api.errors import ApiError
from chat import content
from chat.content import Block, Upload


class BlocksField(serializers.Field[list[Block | Upload], Any, list[dict[str, str]], Any]):
    """A list of content blocks, or a plain string for one block of text."""

    def to_internal_value(self, data: Any) -> list[Block | Upload]:
        try:
            return content.parse(data, str(self.field_name))
        except content.InvalidContent as problem:
            # Not a ValidationError, whose sentence would get this field's name once more.
            raise ApiError(400, str(problem)) from None


class StrictDateTimeField(serializers.DateTimeField):
    """An ISO 8601 date; without a time zone it is taken as UTC."""

    def to_internal_value(self, data: Any) -> datetime.datetime:
        try:
            return super().to_internal_value(data).astimezone(datetime.UTC)
        except OverflowError:
            raise serializers.ValidationError("is beyond the years 1 to 9999.") from None


class ChatPrompt(serializers.Serializer[Any]):
    """``{"content": [block, …], "date": …}``, or ``{"message": "plain text"}`` as the templates document it."""

    content = BlocksField(required=False)
    message = BlocksField(required=False)
    date = StrictDateTimeField(required=False, allow_null=True)

    def validate(self, prompt: dict[str, Any]) -> dict[str, Any]:
        if "content" in prompt and "message" in prompt:
            raise serializers.ValidationError("Send content or message, not both.")
        blocks = prompt.get("content") or prompt.get("message")
        if blocks is None:
            raise serializers.ValidationError("content: is missing.")
        return {"blocks": blocks, "date": prompt.get("date") or timezone.now()}


class PageQuery(serializers.Serializer[Any]):
    """``?limit=`` and ``?before=`` of the history."""

    limit = serializers.IntegerField(required=False, min_value=1, max_value=1_000_000)
    before = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)

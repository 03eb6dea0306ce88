"""What the context endpoints take and give."""

from typing import Any

from rest_framework import serializers

from ccagent.api.fields import StrictCharField
from context.models import Document
from context.web_url import WebURL


class ContextText(serializers.Serializer[Any]):
    text = StrictCharField()
    title = StrictCharField(required=False, allow_blank=True, max_length=500)

    def validate_text(self, text: str) -> str:
        if not text.strip():
            raise serializers.ValidationError("is blank: send some words.")
        return text


class ContextURL(serializers.Serializer[Any]):
    url = StrictCharField()

    def validate_url(self, url: str) -> str:
        """In its one form, by which it is known when it comes again."""
        try:
            return str(WebURL.parse(url))
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None


class AddedDocument(serializers.ModelSerializer[Document]):
    chunks = serializers.IntegerField(source="chunks.count")
    characters = serializers.SerializerMethodField()

    class Meta:
        model = Document
        fields = ["id", "title", "source", "status", "chunks", "characters"]

    def get_characters(self, document: Document) -> int:
        return len(document.text)

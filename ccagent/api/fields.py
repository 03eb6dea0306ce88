"""Serializer fields that do not guess."""

from typing import Any

from rest_framework import serializers


class StrictCharField(serializers.CharField):
    """A string as it came; DRF's own field would take a number for one and trim it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("must be a string.")
        return data

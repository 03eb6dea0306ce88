"""Figures of people and messages in templates."""

from typing import Any

from django import template

from operators.people import figures
from operators.people.parts import Part

register = template.Library()
register.filter("dollars", figures.dollars)


@register.filter
def number(count: int | None) -> str:
    return "-" if count is None else figures.number(count)


@register.filter
def seconds(milliseconds: int | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds / 1000:.2f} s"


@register.filter
def calls(parts: list[Part]) -> list[Any]:
    """The tool calls among a message's parts."""
    return [part for part in parts if part["kind"] == "call"]

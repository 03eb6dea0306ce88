"""Controls for the pages that show a person or a transcript."""

import uuid
from typing import Any

from django import template

from chat.models import Message, Person
from chat.storage import PAUSED
from operators.takeover import views

register = template.Library()


@register.inclusion_tag("operators/takeover.html", takes_context=True, name="takeover")
def controls(context: dict[str, Any], person: Person | None) -> dict[str, Any]:
    """Pause, resume and reply; nothing for who may not, and for callers without an e-mail."""
    request = context["request"]
    shown: dict[str, Any] = {"person": person, "may": person is not None and request.user.has_perm("chat.take_over")}
    if shown["may"] and person is not None and person.paused_at:
        shown |= {"once": f"reply {uuid.uuid4()}", "unsent": views.unsent(request, person.pk)}
    return shown | _form(context)


@register.inclusion_tag("operators/flag.html", takes_context=True)
def flag(context: dict[str, Any], message: Message) -> dict[str, Any]:
    """A button beside an answer: it did not help, or that was a mistake."""
    may = message.finish_reason != PAUSED and context["request"].user.has_perm("chat.flag_message")
    return {"message": message, "may": may} | _form(context)


def _form(context: dict[str, Any]) -> dict[str, Any]:
    return {"csrf_token": context.get("csrf_token"), "next": context["request"].get_full_path()}

""" "Ask again with today's prompt": a second answer beside the first."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ccagent.database import in_database
from chat.agent.events import ToolResult
from chat.models import Message
from chat.rehearsal import Rehearsal, rehearse
from operators.audit import Action, record
from operators.people.markup import rendered
from operators.people.parts import readable
from operators.people.transcript import passages, ready


@require_POST
async def ask_again(request: HttpRequest, message: int) -> HttpResponse:
    """A view outside of the admin's own: those run in threads, which a model would keep waiting."""
    allowed = await in_database(_may, request)
    if allowed is not None:
        return allowed
    question = await in_database(_question, request, message)
    rehearsal = await rehearse(question)
    return await in_database(partial(_page, request, message, rehearsal))


def _may(request: HttpRequest) -> HttpResponse | None:
    user = request.user = get_user(request)
    if not (user.is_active and user.is_staff):
        return redirect_to_login("/admin/", "admin:login")
    if not user.has_perms(["chat.view_message", "chat.ask_again"]):
        raise PermissionDenied
    return None


def _question(request: HttpRequest, answer: int) -> Message:
    """The question of an answer; what an operator wrote themselves has none to ask again."""
    answered = Message.objects.filter(pk=answer, role=Message.Role.ASSISTANT, author="").first()
    if answered is None:
        raise Http404
    questions = Message.objects.select_related("conversation").filter(
        conversation=answered.conversation_id, role=Message.Role.USER, sequence__lt=answered.sequence
    )
    question = questions.order_by("-sequence").first()
    if question is None:
        raise Http404
    record(request, Action.ASKED_AGAIN, whom=str(question.conversation), details=f"message {question.pk}")
    return question


def _page(request: HttpRequest, answer: int, rehearsal: Rehearsal) -> HttpResponse:
    first = Message.objects.select_related("conversation").get(pk=answer)
    [shown] = ready([first])
    [given] = passages([rehearsal.passages])
    context = {
        **admin.site.each_context(request),
        "title": _("Asked again"),
        "conversation": first.conversation,
        "message": first,
        "shown": shown,
        "second": rehearsal,
        "second_html": rendered(rehearsal.text),
        "second_passages": given,
        "second_calls": [
            {"call": _as_stored(call), "arguments": readable(call.call.arguments)} for call in rehearsal.calls
        ],
    }
    return TemplateResponse(request, "operators/people/again.html", context).render()


def _as_stored(result: ToolResult) -> dict[str, Any]:
    """A call's result by the names that a stored one has."""
    return vars(result) | {"name": result.call.name, "arguments": result.call.arguments, "result": result.content}

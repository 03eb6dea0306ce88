"""What the buttons of a takeover do."""

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chat import live, takeover, turns
from chat.models import Message, Person
from operators.audit import Action, record


@require_POST
def pause(request: HttpRequest, person: int) -> HttpResponse:
    """``stop`` in the form also ends what the agent is writing at the moment."""
    who = _person(request, person)
    stop = "stop" in request.POST
    if takeover.pause(who.email, request.user.get_username(), stop=stop):
        record(request, Action.PAUSED, whom=who.email, details="and stopped its answer" if stop else "")
        messages.success(request, _("The agent is paused for %(email)s: you answer now.") % {"email": who.email})
    else:
        messages.info(request, _("The agent was paused already."))
    return back(request)


@require_POST
def resume(request: HttpRequest, person: int) -> HttpResponse:
    who = _person(request, person)
    if takeover.resume(who.email):
        record(request, Action.RESUMED, whom=who.email)
        messages.success(request, _("The agent answers %(email)s again.") % {"email": who.email})
        async_to_sync(turns.relay.tell)()
    else:
        messages.info(request, _("The agent was not paused."))
    return back(request)


@require_POST
def reply(request: HttpRequest, person: int) -> HttpResponse:
    who = _person(request, person)
    words, once = request.POST.get("text", ""), request.POST.get("once", "")
    try:
        message, is_new = takeover.reply(who.email, words, request.user.get_username(), once)
    except takeover.TakeoverProblem as problem:
        messages.error(request, str(problem))
        request.session[_kept(person)] = words[:10_000]
        return back(request)
    if is_new:
        record(request, Action.REPLIED, whom=who.email)
        async_to_sync(_tell)(message)
    messages.success(request, _("Your answer is in the conversation."))
    return back(request)


async def _tell(message: Message) -> None:
    """Those who wait for the words, and those who watch the conversation."""
    await turns.relay.tell()
    await live.publish(message.conversation_id, message.pk, message.status, message.text)


def unsent(request: HttpRequest, person: int) -> str:
    """What an operator wrote and could not be stored, once, so that it is not lost."""
    return str(request.session.pop(_kept(person), ""))


def _kept(person: int) -> str:
    return f"unsent-reply-{person}"


def _person(request: HttpRequest, person: int) -> Person:
    if not request.user.has_perm("chat.take_over"):
        raise PermissionDenied
    return get_object_or_404(Person, pk=person)


def back(request: HttpRequest) -> HttpResponse:
    """To the page on which the button was, by the address in its form."""
    address = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return redirect(address if is_ours else "admin:index")

"""People, their conversations and messages for operators: to read, not to write."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Left
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.decorators import display

from ccagent.admin_base import ModelAdmin, ReadOnly
from chat.models import Conversation, Fact, Message, Person
from operators.audit import Action, record
from operators.data.admin import export_lines, export_table
from operators.people import filters, images, search, transcript
from operators.people.figures import dollars, number
from operators.people.lists import MessageList, ShortPaginator

_CONVERSATIONS = 100
"""Most conversations that a person's page lists, the newest."""


class _Records(ReadOnly, ModelAdmin[Any]):
    """Lists of what happened."""

    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    paginator = ShortPaginator
    list_filter_submit = True


@admin.register(Person)
class PersonAdmin(_Records):
    list_display = ["email", "last_activity_at", "message_count", "token_count", "costs", "state"]
    list_filter = [
        filters.StateFilter,
        ("last_activity_at", RangeDateFilter),
        filters.StatusFilter,
        filters.ModelFilter,
        filters.FlaggedFilter,
        filters.ErrorFilter,
    ]
    search_fields = ["email"]
    search_help_text = gettext_lazy("A part of an e-mail address.")
    actions = [export_lines, export_table]

    @admin.display(description=gettext_lazy("messages"), ordering="messages")
    def message_count(self, person: Person) -> str:
        return number(person.messages)

    @admin.display(description=gettext_lazy("tokens"), ordering="completion_tokens")
    def token_count(self, person: Person) -> str:
        return number(person.tokens)

    @admin.display(description=gettext_lazy("cost"), ordering="cost")
    def costs(self, person: Person) -> str:
        return dollars(person.cost)

    @display(  # type: ignore[untyped-decorator]
        description=gettext_lazy("state"),
        ordering="paused_at",
        label={"active": "success", "paused": "warning"},
    )
    def state(self, person: Person) -> tuple[str, str]:
        return ("paused", _("Paused")) if person.paused_at else ("active", _("Active"))

    def change_view(self, request: HttpRequest, object_id: str, *_args: Any, **_more: Any) -> HttpResponse:
        person = self.get_object(request, object_id)
        if person is None:
            raise Http404
        if not self.has_view_permission(request, person):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": person.email,
            "person": person,
            "conversations": _conversations(person),
            "most": _CONVERSATIONS,
            "facts": Fact.objects.filter(email=person.email) if request.user.has_perm("chat.view_fact") else [],
        }
        return TemplateResponse(request, "operators/people/person.html", context)


def _conversations(person: Person) -> QuerySet[Conversation]:
    """The newest with the words that they began with; one query."""
    first = Message.objects.filter(conversation=OuterRef("pk"), role=Message.Role.USER).order_by("sequence")
    beginning = Subquery(first.annotate(beginning=Left("text", 160)).values("beginning")[:1])
    return Conversation.objects.filter(email=person.email).annotate(beginning=beginning)[:_CONVERSATIONS]


@admin.register(Conversation)
class ConversationAdmin(_Records):
    list_display = ["person", "is_archived", "message_count", "last_activity_at", "created_at"]
    list_filter = [("archived_at", admin.EmptyFieldListFilter), ("last_activity_at", RangeDateFilter)]
    search_fields = ["email"]
    search_help_text = gettext_lazy("A part of an e-mail address.")
    actions = [export_lines, export_table]

    @admin.display(description=gettext_lazy("person"), ordering="email")
    def person(self, conversation: Conversation) -> str:
        return str(conversation)

    @admin.display(description=gettext_lazy("archived"), ordering="archived_at", boolean=True)
    def is_archived(self, conversation: Conversation) -> bool:
        return conversation.archived_at is not None

    @admin.display(description=gettext_lazy("messages"), ordering="last_sequence")
    def message_count(self, conversation: Conversation) -> str:
        return number(conversation.last_sequence)

    def get_urls(self) -> list[URLPattern]:
        image = path("image/<int:pk>", self.admin_site.admin_view(images.image), name="chat_image")
        return [image, *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, *_args: Any, **_more: Any) -> HttpResponse:
        """The transcript."""
        if not (self.has_view_permission(request) and request.user.has_perm("chat.view_message")):
            raise PermissionDenied
        conversation = self.get_object(request, object_id)
        if conversation is None:
            raise Http404
        place = transcript.Place(**{name: _integer(request, name) for name in ("before", "after", "message")})
        shown = transcript.page(conversation, place)
        record(request, Action.VIEWED, whom=str(conversation), quiet_for=images.QUIET)
        person = Person.objects.filter(email=conversation.email).first() if conversation.email else None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(conversation),
            "conversation": conversation,
            "person": person,
            "page": shown,
            "summary": conversation.summaries.first(),
            "is_live": shown.later is None,
            "may_delete": self.has_delete_permission(request, conversation),
        }
        return TemplateResponse(request, "operators/people/transcript.html", context)


def _integer(request: HttpRequest, name: str) -> int | None:
    given = request.GET.get(name, "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else None


@admin.register(Message)
class MessageAdmin(_Records):
    """What was said, across everybody: a search that leads into transcripts."""

    list_display = ["said", "person", "answered_by", "how", "created_at"]
    list_display_links = None
    list_filter = [
        ("created_at", RangeDateFilter),
        ("role", admin.ChoicesFieldListFilter),
        filters.StatusFilter,
        filters.ModelFilter,
        filters.FlaggedFilter,
        filters.ErrorFilter,
        filters.PromptFilter,
        filters.EmailFilter,
    ]
    list_select_related = ["conversation"]
    ordering = ["-created_at", "-pk"]
    search_fields = ["text"]
    search_help_text = gettext_lazy('Words, "words that stand together", -words that do not occur.')

    class Media:
        css = {"all": ["operators/people.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        shown = ["conversation__email", "role", "status", "model", "author", "created_at", "flagged_at"]
        return super().get_queryset(request).only(*shown)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[MessageList]:  # noqa: ARG002
        return MessageList

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[Message],
        search_term: str,
    ) -> tuple[QuerySet[Message], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(pk__in=search.found(queryset, search_term)), False

    @admin.display(description=gettext_lazy("message"))
    def said(self, message: Message) -> SafeString:
        piece = getattr(message, "snippet", "") or _("(no words)")
        return format_html('<a class="op-said" href="{}">{}</a>', address(message), piece)

    @admin.display(description=gettext_lazy("person"))
    def person(self, message: Message) -> str:
        return str(message.conversation)

    @admin.display(description=gettext_lazy("by"))
    def answered_by(self, message: Message) -> str:
        return message.author or message.model or (_("person") if message.role == Message.Role.USER else "")

    @display(  # type: ignore[untyped-decorator]
        description=gettext_lazy("status"),
        label={"failed": "danger", "interrupted": "warning", "stopped": "warning", "streaming": "info"},
    )
    def how(self, message: Message) -> tuple[str, str] | None:
        return None if message.status == Message.Status.COMPLETE else (message.status, message.get_status_display())

    def change_view(self, request: HttpRequest, object_id: str, *_args: Any, **_more: Any) -> HttpResponse:
        """A message is read in its conversation."""
        message = self.get_object(request, object_id)
        if message is None:
            raise Http404
        return redirect(address(message))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Messages go with their conversation."""
        return request.user.has_perm("chat.delete_conversation")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}


def address(message: Message) -> str:
    """Where a message stands in its transcript."""
    page = reverse("admin:chat_conversation_change", args=[message.conversation_id])
    return f"{page}?message={message.pk}#message-{message.pk}"

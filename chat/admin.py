"""Conversations for operators: to read, not to write."""

import base64
import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator

from ccagent.admin_base import ModelAdmin, ReadOnly, TabularInline
from chat import prompt_admin  # noqa: F401  (registers itself)
from chat.content import serialise
from chat.mcp import admin as tool_servers  # noqa: F401  (registers itself)
from chat.models import Attachment, Conversation, Fact, Message, Summary, ToolCall

_TRANSCRIPT_MESSAGES = 200


@admin.register(Conversation)
class ConversationAdmin(ReadOnly, ModelAdmin[Conversation]):
    list_display = ["person", "current", "messages_so_far", "last_activity_at", "created_at"]
    list_filter = [("archived_at", admin.EmptyFieldListFilter), "last_activity_at"]
    search_fields = ["email"]
    fields = ["person", "last_activity_at", "created_at", "archived_at", "facts", "summary", "transcript"]
    readonly_fields = ["person", "last_activity_at", "created_at", "archived_at", "facts", "summary", "transcript"]
    date_hierarchy = "last_activity_at"

    class Media:
        css = {"all": ["chat/transcript.css"]}
        js = ["chat/transcript.js"]

    @admin.display(ordering="email")
    def person(self, conversation: Conversation) -> str:
        return str(conversation)

    @admin.display(boolean=True, ordering="archived_at")
    def current(self, conversation: Conversation) -> bool:
        return conversation.is_current

    @admin.display(description="remembered facts")
    def facts(self, conversation: Conversation) -> SafeString | str:
        """What is remembered of the person, each with the way to its deletion."""
        facts = Fact.objects.filter(email=conversation.email) if conversation.email else []
        lines = [
            format_html('{} (<a href="{}">delete</a>)', fact.text, reverse("admin:chat_fact_delete", args=[fact.pk]))
            for fact in facts
        ]
        return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in lines)) or "none"

    def summary(self, conversation: Conversation) -> SafeString | str:
        """The newest summary; the earlier ones and what they cost are one link away."""
        newest = conversation.summaries.first()
        if newest is None:
            return "none"
        every = reverse("admin:chat_summary_changelist") + f"?conversation__id__exact={conversation.pk}"
        return format_html(
            'of messages 1 to {}, <a href="{}">all summaries</a><div class="summary">{}</div>',
            newest.through,
            every,
            newest.text,
        )

    @admin.display(description="messages", ordering="last_sequence")
    def messages_so_far(self, conversation: Conversation) -> int:
        return conversation.last_sequence

    def transcript(self, conversation: Conversation) -> SafeString:
        """The newest messages in order; all of them are one link away."""
        newest = conversation.messages.prefetch_related("tool_calls").order_by("-sequence")[:_TRANSCRIPT_MESSAGES]
        messages = list(newest)[::-1]
        attachments = Attachment.objects.filter(message__in=messages).defer("base64")
        images: dict[tuple[int, int], Attachment] = {(image.message_id, image.position): image for image in attachments}
        return render_to_string(
            "admin/chat/conversation/transcript.html",
            {
                "conversation": conversation,
                "messages": [(message, _parts(message, images)) for message in messages],
                "all": reverse("admin:chat_message_changelist") + f"?conversation__id__exact={conversation.pk}&o=2",
            },
        )

    def get_urls(self) -> list[URLPattern]:
        image = path("image/<int:pk>", self.admin_site.admin_view(self.image), name="chat_image")
        return [image, *super().get_urls()]

    def image(self, request: HttpRequest, pk: int) -> HttpResponse:
        """An attachment's image, under headers that keep a hostile file from acting as a page."""
        attachment = Attachment.objects.filter(pk=pk).first()
        if attachment is None or not self.has_view_permission(request):
            raise Http404
        head, _, data = attachment.base64.rpartition(",")
        kind = head.removeprefix("data:").partition(";")[0] or "image/png"
        shown = kind in ("image/png", "image/jpeg", "image/gif", "image/webp")
        response = HttpResponse(base64.b64decode(data), content_type=kind if shown else "application/octet-stream")
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response["Content-Disposition"] = "inline" if shown else "attachment"
        return response


def _parts(message: Message, images: dict[tuple[int, int], Attachment]) -> list[dict[str, Any]]:
    """What a message is made of, in its order: blocks, and between the pieces of an answer its tool calls."""
    calls = list(message.tool_calls.all())
    if not calls:
        return _with_links(message, images)
    parts: list[dict[str, Any]] = []
    begin = 0
    for call in calls:
        if text := message.text[begin : call.text_offset].strip():
            parts.append({"type": "text", "text": text})
        begin = max(begin, call.text_offset)
        parts.append({"type": "call", "call": call, "arguments": _readable(call.arguments)})
    if text := message.text[begin:].strip():
        parts.append({"type": "text", "text": text})
    return parts


def _readable(arguments: str) -> str:
    """A call's arguments on one line, without the outer braces where they are an object."""
    try:
        given = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments
    if not isinstance(given, dict):
        return arguments
    return ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in given.items())


def _with_links(message: Message, images: dict[tuple[int, int], Attachment]) -> list[dict[str, Any]]:
    """The blocks of a message; an image's one with the address of the image instead of the image."""
    blocks: list[dict[str, Any]] = [{**serialise(block)} for block in message.content]
    for position, block in enumerate(blocks):
        image = images.get((message.pk, position))
        if image:
            block["url"] = reverse("admin:chat_image", args=[image.pk])
    return blocks


class ToolCallInline(ReadOnly, TabularInline[ToolCall, Message]):
    model = ToolCall
    fields = ["step", "name", "arguments", "result", "failed", "error", "duration_ms"]
    extra = 0


@admin.register(Message)
class MessageAdmin(ReadOnly, ModelAdmin[Message]):
    list_display = ["conversation", "sequence", "role", "status", "beginning", "created_at"]
    list_filter = ["role", "status", "model", "created_at"]
    list_select_related = ["conversation"]
    search_fields = ["text", "conversation__email"]
    readonly_fields = ["shown_passages"]
    exclude = ["blocks", "passages"]
    inlines = [ToolCallInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return super().get_queryset(request).defer("blocks", "passages")

    @admin.display(description="text")
    def beginning(self, message: Message) -> str:
        return Truncator(message.text).chars(100)

    @admin.display(description="passages given")
    def shown_passages(self, message: Message) -> SafeString | str:
        lines = [format_html("{} (score {})", item["title"], round(item["score"], 3)) for item in message.passages]
        return format_html("<br>".join(["{}"] * len(lines)), *lines) if lines else "none"


@admin.register(Summary)
class SummaryAdmin(ReadOnly, ModelAdmin[Summary]):
    list_display = ["conversation", "through", "model", "prompt_tokens", "completion_tokens", "beginning", "created_at"]
    list_filter = ["created_at"]
    list_select_related = ["conversation"]
    search_fields = ["conversation__email"]
    readonly_fields = ["created_at"]

    @admin.display(description="text")
    def beginning(self, summary: Summary) -> str:
        return Truncator(summary.text).chars(100)


@admin.register(Fact)
class FactAdmin(ReadOnly, ModelAdmin[Fact]):
    """What the model was to remember of people; deleting is the only thing that an operator does to it."""

    list_display = ["email", "text", "created_at"]
    list_display_links = ["text"]
    list_filter = ["created_at"]
    search_fields = ["email", "text"]
    readonly_fields = ["created_at"]

"""The admin's menu: what an operator looks for, in their words; each sees what they may open.

To add a page, add an `Entry` to its group.
"""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Entry:
    """A line of the menu.

    ``icon`` is a name of Google's Material Symbols, ``permission`` the one that its page asks for (empty: for everybody
    in the admin), ``badge`` the dotted path of a function that gives a request's number or an empty text.
    """

    title: str | Promise
    icon: str
    page: str
    permission: str = ""
    badge: str = ""


GROUPS: list[tuple[str | Promise, list[Entry]]] = [
    ("", [Entry(_("Overview"), "monitoring", "admin:index")]),
    (
        _("Conversations"),
        [
            Entry(_("People"), "person", "admin:chat_person_changelist", "chat.view_person"),
            Entry(_("Conversations"), "forum", "admin:chat_conversation_changelist", "chat.view_conversation"),
            Entry(_("Unanswered"), "contact_support", "admin:unanswered", "chat.view_message"),
            Entry(_("Search messages"), "search", "admin:chat_message_changelist", "chat.view_message"),
            Entry(_("Remembered facts"), "psychology", "admin:chat_fact_changelist", "chat.view_fact"),
        ],
    ),
    (
        _("What it knows"),
        [
            Entry(_("Documents"), "description", "admin:context_document_changelist", "context.view_document"),
            Entry(_("Try a question"), "manage_search", "admin:try_question", "context.view_document"),
            Entry(
                _("Search by meaning"),
                "hub",
                "admin:context_embeddingindex_changelist",
                "context.view_embeddingindex",
            ),
        ],
    ),
    (
        _("How it behaves"),
        [
            Entry(_("Prompts"), "edit_note", "admin:chat_prompt_changelist", "chat.view_prompt"),
            Entry(_("Tools"), "construction", "admin:chat_toolserver_changelist", "chat.view_toolserver"),
        ],
    ),
    (
        _("Who may do what"),
        [
            Entry(_("Team"), "group", "admin:auth_user_changelist", "auth.view_user"),
            Entry(_("Roles"), "badge", "admin:auth_group_changelist", "auth.view_group"),
            Entry(
                _("Forgotten people"),
                "person_remove",
                "admin:operators_forgottenperson_changelist",
                "operators.view_forgottenperson",
            ),
            Entry(_("Log"), "history", "admin:operators_auditentry_changelist", "operators.view_auditentry"),
            Entry(_("Doctor"), "stethoscope", "admin:operators_doctor", "operators.run_doctor"),
        ],
    ),
]


def menu(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups with what this user may open, as Unfold wants them."""
    may = request.user.has_perm
    groups = [
        (title, [entry for entry in entries if not entry.permission or may(entry.permission)])
        for title, entries in GROUPS
    ]
    return [{"title": title, "items": [_item(entry) for entry in entries]} for title, entries in groups if entries]


def _item(entry: Entry) -> dict[str, Any]:
    item = {"title": entry.title, "icon": entry.icon, "link": reverse(entry.page)}
    return item | ({"badge": entry.badge} if entry.badge else {})

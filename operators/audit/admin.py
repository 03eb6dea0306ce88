"""The log as operators read it; nobody adds to it, changes it or deletes from it here."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateFilter

from ccagent.admin_base import ModelAdmin, ReadOnly
from operators.audit import Action
from operators.models import AuditEntry


class ActionFilter(admin.SimpleListFilter):
    title = _("what")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        return [(action.value, str(action.label)) for action in Action]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:  # noqa: ARG002
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, ModelAdmin[AuditEntry]):
    list_display = ["at", "who", "what", "whom", "details"]
    list_display_links = None
    list_filter = [ActionFilter, ("at", RangeDateFilter)]
    list_filter_submit = True
    search_fields = ["who", "whom", "details"]
    list_per_page = 50
    show_full_result_count = False

    @admin.display(description=_("what"), ordering="action")
    def what(self, entry: AuditEntry) -> str:
        known = entry.action in Action.values
        return str(Action(entry.action).label) if known else entry.action

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

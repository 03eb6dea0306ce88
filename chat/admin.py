"""What is remembered of people and of conversations, for operators: to read, not to write."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from ccagent import audit
from ccagent.admin_base import ModelAdmin, ReadOnly
from chat import prompt_admin  # noqa: F401  (registers itself)
from chat.mcp import admin as tool_servers  # noqa: F401  (registers itself)
from chat.models import Fact, Summary


@admin.register(Summary)
class SummaryAdmin(ReadOnly, ModelAdmin[Summary]):
    list_display = ["conversation", "through", "model", "prompt_tokens", "completion_tokens", "beginning", "created_at"]
    list_filter = ["created_at"]
    list_select_related = ["conversation"]
    search_fields = ["conversation__email"]
    readonly_fields = ["created_at"]

    @admin.display(description=_("text"))
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

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Fact]) -> list[LogEntry]:
        """Whose they were; what they said is not kept, and Django's own history would."""
        details = str(self.opts.verbose_name)
        audit.record_each(request, audit.Action.DELETED, [fact.email for fact in queryset], details=details)
        return []

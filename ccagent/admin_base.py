"""What the pages of the admin are made from; each change that they make comes into the log."""

from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib.admin import ModelAdmin as DjangoModelAdmin
from django.contrib.admin.models import LogEntry
from django.db.models import Model, QuerySet
from django.forms import Media
from django.http import HttpRequest, HttpResponse
from unfold.fields import UnfoldAdminReadonlyField

from ccagent import audit

# Unfold has no types; its classes are Django's with another look.
if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as UnfoldModelAdmin
    from django.contrib.admin import StackedInline
    from django.contrib.admin import TabularInline as UnfoldTabularInline
else:
    from unfold.admin import ModelAdmin as UnfoldModelAdmin
    from unfold.admin import StackedInline
    from unfold.admin import TabularInline as UnfoldTabularInline

_resolve = UnfoldAdminReadonlyField._resolve_field


def _resolve_columns(field: Any) -> Any:
    """Whether it is a file or JSON is only a question for a column; Unfold would compute everything else once more."""
    name = field.field["field"]
    is_column = isinstance(name, str) and any(name == column.name for column in field.form.instance._meta.fields)
    return _resolve(field) if is_column else False


UnfoldAdminReadonlyField._resolve_field = _resolve_columns

__all__ = ["ModelAdmin", "ReadOnly", "StackedInline", "TabularInline"]

Row = TypeVar("Row", bound=Model)
Parent = TypeVar("Parent", bound=Model)


class ReadOnly:
    """What is a record of what happened is not edited."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


class ModelAdmin(UnfoldModelAdmin[Row]):
    """Unfold's, which also tells the log what Django's own history of an object is told."""

    added = audit.Action.ADDED

    @property
    def media(self) -> Media:
        """Django's: Unfold adds what a list's filters need to every page, where some of it breaks."""
        media: Media = DjangoModelAdmin.media.fget(self)  # type: ignore[attr-defined]
        return media

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None) or {}
        if "media" in context:
            context["media"] += UnfoldModelAdmin.media.fget(self)  # type: ignore[attr-defined]
        return response

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        return self._recorded(request, self.added, super().log_addition(request, obj, message))

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        return self._recorded(request, audit.Action.CHANGED, super().log_change(request, obj, message))

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Row]) -> list[LogEntry]:
        gone = [str(each) for each in queryset]
        audit.record_each(request, audit.Action.DELETED, gone, details=str(self.opts.verbose_name))
        return super().log_deletions(request, queryset)

    def has_export_permission(self, request: HttpRequest) -> bool:
        """What the actions ask for that hand out what people said."""
        return bool(request.user.has_perm("operators.export_data"))

    def _recorded(self, request: HttpRequest, action: str, entry: LogEntry) -> LogEntry:
        details = f"{self.opts.verbose_name}: {entry.get_change_message()}"
        audit.record(request, action, whom=entry.object_repr, details=details)
        return entry


class TabularInline(UnfoldTabularInline[Row, Parent]):
    """Unfold's, whose switches have no label for those who do not see the column's head."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.widget.attrs["aria-label"] = str(field.label)
        return field

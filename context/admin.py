"""What the agent was given to know, for operators: to add, to look at, to switch off, to remove."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ccagent import audit
from ccagent.admin_base import ModelAdmin, ReadOnly
from context.admin_adding import Adding
from context.catalogue import counted
from context.models import Chunk, Document, EmbeddingIndex, Source
from context.progress import Progress, progress

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList

    from context.catalogue import CountedDocument
else:
    from unfold.views import ChangeList

_SHOWN_CHARS = 20_000
_SHOWN_CHUNKS = 50
_REFRESHED_AT_ONCE = 20


class ProgressList(ChangeList):
    """Asks for all documents of the page at once how far they are."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        for far in progress(self.result_list):
            far.document.far = far  # type: ignore[attr-defined]


@admin.register(Document)
class DocumentAdmin(Adding, ModelAdmin[Document]):
    list_display = ["title", "source", "language", "chunk_count", "characters", "how_far", "added_by", "created_at"]
    list_filter = ["enabled", "status", "language", "created_at"]
    list_per_page = 50
    search_fields = ["title", "source", "text"]
    readonly_fields = [
        "how_far",
        "addresses",
        "language",
        "status",
        "added_by",
        "created_at",
        "updated_at",
        "chunks",
        "beginning",
    ]
    fields = ["title", "enabled", *readonly_fields]
    actions = ["enable", "disable", "refresh"]

    def get_queryset(self, request: HttpRequest) -> "QuerySet[CountedDocument]":
        return counted(super().get_queryset(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ProgressList]:  # noqa: ARG002
        return ProgressList

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        document = kwargs.get("obj")
        pages = document.sources.filter(address__regex="^https?://") if document else Source.objects.none()
        context["is_from_the_web"] = pages.exists()
        return super().render_change_form(request, context, *args, **kwargs)

    # The list.

    @admin.display(description=gettext_lazy("how far"))
    def how_far(self, document: Document) -> str:
        far: Progress = getattr(document, "far", None) or progress([document])[0]
        return far.words

    @admin.display(description=gettext_lazy("chunks"), ordering="chunk_count")
    def chunk_count(self, document: "CountedDocument") -> int:
        return document.chunk_count

    @admin.display(description=gettext_lazy("characters"), ordering="characters")
    def characters(self, document: "CountedDocument") -> int:
        return document.characters

    @admin.action(description=gettext_lazy("Enable: search finds them"), permissions=["change"])
    def enable(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        audit.record_each(request, audit.Action.CHANGED, documents.values_list("title", flat=True), details="enabled")
        messages.success(request, _("Enabled: %(count)s.") % {"count": documents.update(enabled=True)})

    @admin.action(description=gettext_lazy("Disable: search does not find them"), permissions=["change"])
    def disable(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        audit.record_each(request, audit.Action.CHANGED, documents.values_list("title", flat=True), details="disabled")
        messages.success(request, _("Disabled: %(count)s.") % {"count": documents.update(enabled=False)})

    @admin.action(description=gettext_lazy("Refresh from the web"), permissions=["change"])
    def refresh(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        pages = list(Source.objects.filter(document__in=documents, address__regex="^https?://").order_by("checked_at"))
        if not pages:
            messages.warning(request, _("None of these documents is from the web."))
        if len(pages) > _REFRESHED_AT_ONCE:
            messages.warning(
                request,
                _("%(some)s of %(all)s pages were refreshed: manage.py refresh_context takes all.")
                % {"some": _REFRESHED_AT_ONCE, "all": len(pages)},
            )
        self.refresh_pages(request, pages[:_REFRESHED_AT_ONCE])

    # One document.

    def save_model(self, request: HttpRequest, obj: Document, form: Any, change: bool) -> None:  # noqa: ARG002
        # Its text may have been replaced since it was read.
        obj.save(update_fields=form.changed_data)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Chunks are counted, not listed: there may be thousands."""
        documents = [document.pk for document in objs]
        counts = {"documents": len(documents), "chunks": Chunk.objects.filter(document__in=documents).count()}
        missing = set() if self.has_delete_permission(request) else {"document"}
        return [str(document) for document in objs], counts, missing, []

    @admin.display(description=gettext_lazy("addresses"))
    def addresses(self, document: Document) -> SafeString | str:
        rows = (
            (source.address, _("read %(at)s") % {"at": f"{timezone.localtime(source.checked_at):%Y-%m-%d %H:%M}"})
            for source in document.sources.all()
        )
        return format_html_join("", "{}, {}<br>", rows) or _("none, it was posted")

    @admin.display(description=gettext_lazy("text"))
    def beginning(self, document: Document) -> str:
        return Truncator(document.text).chars(_SHOWN_CHARS)

    @admin.display(description=gettext_lazy("chunks"))
    def chunks(self, document: Document) -> SafeString:
        shown = document.chunks.order_by("position").values_list("position", "heading", "text")[:_SHOWN_CHUNKS]
        link = format_html(
            '<a href="{}?document__id__exact={}&o=2">{}</a>',
            reverse("admin:context_chunk_changelist"),
            document.pk,
            _("All chunks"),
        )
        return format_html_join("", "<p><strong>{} {}</strong><br>{}</p>", shown) + link


@admin.register(Chunk)
class ChunkAdmin(ReadOnly, ModelAdmin[Chunk]):
    list_display = ["document", "position", "heading", "beginning"]
    list_select_related = ["document"]
    list_per_page = 50
    search_fields = ["text"]
    fields = ["document", "position", "heading", "language", "text"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Chunk]:
        return super().get_queryset(request).defer("lexemes", "document__text")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """It is reached from its document."""
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "document__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description=gettext_lazy("text"))
    def beginning(self, chunk: Chunk) -> str:
        return Truncator(chunk.text).chars(200)


@admin.register(EmbeddingIndex)
class EmbeddingIndexAdmin(ReadOnly, ModelAdmin[EmbeddingIndex]):
    """Which vectors there are, and what hinders them; nothing here is to be changed by hand."""

    list_display = ["model", "backend", "dimensions", "state", "problem"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

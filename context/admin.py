"""What the agent was given to know, for operators: to add, to look at, to switch off, to remove."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminForm
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from ccagent.admin_base import ModelAdmin, ReadOnly
from context.catalogue import counted
from context.forms import AddForm
from context.inputs import REFUSALS
from context.models import Chunk, Document, EmbeddingIndex, Source
from context.places import page_again
from context.seeding import seed_one
from context.sitemaps import Manners

if TYPE_CHECKING:
    from context.catalogue import CountedDocument

_SHOWN_CHARS = 20_000
_SHOWN_CHUNKS = 50
_REFRESHED_AT_ONCE = 20
_TOLD = {
    "added": "“{}” was added.",
    "changed": "“{}” has taken the place of what was there under the same name.",
    "unchanged": "“{}” was there already: nothing has changed.",
}


@admin.register(Document)
class DocumentAdmin(ModelAdmin[Document]):
    list_display = ["title", "source", "language", "chunk_count", "characters", "enabled", "added_by", "created_at"]
    list_filter = ["enabled", "status", "language", "created_at"]
    list_per_page = 50
    search_fields = ["title", "source", "text"]
    readonly_fields = ["addresses", "language", "status", "added_by", "created_at", "updated_at", "chunks", "beginning"]
    fields = ["title", "enabled", *readonly_fields]
    actions = ["enable", "disable", "refresh"]

    def get_queryset(self, request: HttpRequest) -> "QuerySet[CountedDocument]":
        return counted(super().get_queryset(request))

    # The list.

    @admin.display(description="chunks", ordering="chunk_count")
    def chunk_count(self, document: "CountedDocument") -> int:
        return document.chunk_count

    @admin.display(ordering="characters")
    def characters(self, document: "CountedDocument") -> int:
        return document.characters

    @admin.action(description="Enable: search finds them", permissions=["change"])
    def enable(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        messages.success(request, f"Enabled: {documents.update(enabled=True)}.")

    @admin.action(description="Disable: search does not find them", permissions=["change"])
    def disable(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        messages.success(request, f"Disabled: {documents.update(enabled=False)}.")

    @admin.action(description="Refresh from the web", permissions=["change"])
    def refresh(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        pages = list(Source.objects.filter(document__in=documents, address__regex="^https?://").order_by("checked_at"))
        if not pages:
            messages.warning(request, "None of these documents is from the web.")
        if len(pages) > _REFRESHED_AT_ONCE:
            messages.warning(
                request,
                f"{_REFRESHED_AT_ONCE} of {len(pages)} pages were refreshed: manage.py refresh_context takes all.",
            )
        manners = Manners(0)
        for page in pages[:_REFRESHED_AT_ONCE]:
            seeded = seed_one(page_again(page.address, page.found_in, manners))
            if seeded.outcome == "failed":
                messages.error(request, f"“{page.address}”: {seeded.reason}")
            else:
                messages.success(request, f"“{page.address}”: {seeded.outcome}.")

    # Adding.

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # Not Django's own, which would hold a transaction open while a page is fetched.
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = AddForm(request.POST, request.FILES) if request.method == "POST" else AddForm()
        if form.is_bound and form.is_valid() and self._add(request, form):
            return HttpResponseRedirect(reverse("admin:context_document_changelist"))
        # Any form will do.
        admin_form = AdminForm(form, [(None, {"fields": list(form.fields)})], {}, model_admin=self)  # type: ignore[arg-type]
        context = {
            **self.admin_site.each_context(request),
            "title": "Add documents",
            "adminform": admin_form,
            "errors": form.errors,
            "inline_admin_formsets": [],
            "media": self.media + admin_form.media,
            "is_popup": False,
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
            **(extra_context or {}),
        }
        return self.render_change_form(request, context, add=True, form_url=form_url)

    def _add(self, request: HttpRequest, form: AddForm) -> bool:
        """Whether anything is there now; what is not becomes an error of the form, or a message beside the others."""
        by = request.user.get_username()[:254]
        failed = []
        is_any = False
        for field, name, read in form.things():
            try:
                content = read()
                assert content, "there was no condition"
                stored = content.add(title=form.cleaned_data["title"], added_by=by)
            except REFUSALS as problem:
                failed.append((field, f"{name}{problem}"))
                continue
            is_any = True
            if stored.outcome != "unchanged":
                self.log_addition(request, stored.document, f"{stored.outcome} by the form")
            messages.success(request, _TOLD[stored.outcome].format(stored.document.title))
        for field, sentence in failed:
            if is_any:
                messages.error(request, sentence)
            else:
                form.add_error(field, sentence)
        return is_any

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

    def addresses(self, document: Document) -> SafeString | str:
        rows = ((source.address, f"{source.checked_at:%Y-%m-%d %H:%M}") for source in document.sources.all())
        return format_html_join("", "{}, read {}<br>", rows) or "none, it was posted"

    @admin.display(description="text")
    def beginning(self, document: Document) -> str:
        return Truncator(document.text).chars(_SHOWN_CHARS)

    def chunks(self, document: Document) -> SafeString:
        shown = document.chunks.order_by("position").values_list("position", "heading", "text")[:_SHOWN_CHUNKS]
        link = format_html(
            '<a href="{}?document__id__exact={}&o=2">All chunks</a>',
            reverse("admin:context_chunk_changelist"),
            document.pk,
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

    @admin.display(description="text")
    def beginning(self, chunk: Chunk) -> str:
        return Truncator(chunk.text).chars(200)


@admin.register(EmbeddingIndex)
class EmbeddingIndexAdmin(ReadOnly, ModelAdmin[EmbeddingIndex]):
    """Which vectors there are, and what hinders them; nothing here is to be changed by hand."""

    list_display = ["model", "backend", "dimensions", "state", "problem"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

"""The pages by which operators add to the context and replace what is there."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from context.forms import AddForm, ReplaceForm
from context.ingest import Stored
from context.inputs import REFUSALS, from_upload
from context.models import Document, Source
from context.places import page_again
from context.progress import Progress, progress
from context.seeding import seed_one
from context.sitemaps import Manners

if TYPE_CHECKING:
    from ccagent.admin_base import ModelAdmin as _Base

    Base = _Base[Document]
else:
    Base = object

_TOLD = {
    "added": gettext_lazy("“{}” was added."),
    "changed": gettext_lazy("“{}” has taken the place of what was there under the same name."),
    "unchanged": gettext_lazy("“{}” was there already: nothing has changed."),
}
_AROUND_A_FILE = 10_000
"""Bytes of a request besides the file."""
_WATCHED = 100


class Adding(Base):
    """What `DocumentAdmin` has for it."""

    def get_urls(self) -> list[URLPattern]:
        pages: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("upload/", require_POST(self.upload_view), "upload"),
            ("progress/", require_GET(self.progress_view), "progress"),
            ("<int:pk>/replace/", self.replace_view, "replace"),
            ("<int:pk>/refresh/", require_POST(self.refresh_view), "refresh"),
        ]
        wrap = self.admin_site.admin_view
        urls = [path(place, wrap(view), name=f"context_document_{name}") for place, view, name in pages]
        return [*urls, *super().get_urls()]

    # Not Django's own, which would hold a transaction open while a page is fetched.
    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",  # noqa: ARG002
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = AddForm(request.POST, request.FILES) if request.method == "POST" else AddForm()
        if form.is_bound and form.is_valid() and self._add(request, form):
            return HttpResponseRedirect(reverse("admin:context_document_changelist"))
        return self._page(request, form, _("Add documents"))

    def _page(self, request: HttpRequest, form: AddForm, title: str, replaced: Document | None = None) -> HttpResponse:
        most = min(settings.ENV.context_max_bytes, settings.BODY_LIMIT - _AROUND_A_FILE)
        context = {
            **self.admin_site.each_context(request),
            **({"opts": self.opts, "original": replaced} if replaced else {}),
            "title": title,
            "form": form,
            "replaced": replaced,
            "most_bytes": most,
            "most": f"{most / 1e6:g} MB",
        }
        return TemplateResponse(request, "admin/context/document/add.html", context)

    def _add(self, request: HttpRequest, form: AddForm) -> bool:
        """Whether anything is there now; what is not becomes an error of the form, or a message beside the others."""
        failed = []
        is_any = False
        for field, name, read in form.things():
            try:
                content = read()
                assert content, "there was no condition"
                stored = content.add(title=form.cleaned_data["title"], added_by=_name(request))
            except REFUSALS as problem:
                failed.append((field, f"{name}{problem}"))
                continue
            is_any = True
            messages.success(request, self._stored(request, stored))
        for field, sentence in failed:
            if is_any:
                messages.error(request, sentence)
            else:
                form.add_error(field, sentence)
        return is_any

    def _stored(self, request: HttpRequest, stored: Stored) -> str:
        """What to tell of it; the log is told too."""
        if stored.outcome != "unchanged":
            self.log_addition(request, stored.document, f"{stored.outcome} by the form")
        return _TOLD[stored.outcome].format(stored.document.title)

    def upload_view(self, request: HttpRequest) -> JsonResponse:
        """One file, for the page's script; what went wrong is a sentence."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = AddForm(request.POST, request.FILES)
        if not form.is_valid() or len(form.cleaned_data["uploads"]) != 1:
            sentences = [str(sentence) for field in form.errors.values() for sentence in field]
            return JsonResponse({"error": " ".join(sentences) or _("Send one file.")})
        try:
            stored = from_upload(form.cleaned_data["uploads"][0]).add(added_by=_name(request))
        except REFUSALS as problem:
            return JsonResponse({"error": str(problem)})
        [far] = progress([stored.document])
        address = reverse("admin:context_document_change", args=[stored.document.pk])
        return JsonResponse({"told": self._stored(request, stored), "url": address, "progress": _shown(far)})

    def progress_view(self, request: HttpRequest) -> JsonResponse:
        """How far the documents with these ids are; those that are no longer there are left out."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        keys = [int(key) for key in request.GET.getlist("id")[:_WATCHED] if key.isdecimal() and len(key) < 19]
        documents = Document.objects.filter(pk__in=keys).defer("text")
        return JsonResponse({"documents": [_shown(far) for far in progress(documents)]})

    def replace_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        document = get_object_or_404(Document.objects.defer("text"), pk=pk)
        if not self.has_change_permission(request, document):
            raise PermissionDenied
        if request.method != "POST":
            return self._page(request, ReplaceForm(initial={"title": document.title}), _("Replace"), document)
        form = ReplaceForm(request.POST, request.FILES)
        if form.is_valid() and self._replace(request, form, document):
            return HttpResponseRedirect(reverse("admin:context_document_change", args=[pk]))
        return self._page(request, form, _("Replace"), document)

    def _replace(self, request: HttpRequest, form: AddForm, document: Document) -> bool:
        [(field, name, read)] = form.things()
        try:
            content = read()
            assert content, "there was no condition"
            replaced = content.put_into(document.pk, title=form.cleaned_data["title"])
        except REFUSALS as problem:
            form.add_error(field, f"{name}{problem}")
            return False
        self.log_change(request, replaced, "replaced by the form")
        messages.success(request, _("“%(title)s” has a new text.") % {"title": replaced.title})
        return True

    def refresh_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        document = get_object_or_404(Document.objects.defer("text"), pk=pk)
        if not self.has_change_permission(request, document):
            raise PermissionDenied
        self.refresh_pages(request, list(document.sources.filter(address__regex="^https?://")))
        there = Document.objects.filter(pk=pk).exists()  # its text may have become that of another one
        page = reverse("admin:context_document_change", args=[pk]) if there else "admin:context_document_changelist"
        return HttpResponseRedirect(page if there else reverse(page))

    def refresh_pages(self, request: HttpRequest, pages: list[Source]) -> None:
        """Reads them again, and tells of each what came of it."""
        manners = Manners(0)
        for page in pages:
            seeded = seed_one(page_again(page.address, page.found_in, manners))
            if seeded.outcome == "failed":
                messages.error(request, f"“{page.address}”: {seeded.reason}")
            else:
                messages.success(request, f"“{page.address}”: {seeded.outcome}.")


def _name(request: HttpRequest) -> str:
    return str(request.user.get_username())[:254]


def _shown(far: Progress) -> dict[str, Any]:
    """As the page's script takes it."""
    return {
        "id": far.document.pk,
        "words": far.words,
        "complete": far.is_complete,
        "done": 1.0 if far.is_complete else (far.made or 0) / max(far.chunks, 1),
    }

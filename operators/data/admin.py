"""Forgetting people, the proofs of it, and exports."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ccagent.admin_base import ModelAdmin, ReadOnly
from chat.models import Conversation, Person
from operators.audit import Action, record, record_each
from operators.data import forgetting
from operators.data.answers import download
from operators.data.formats import FORMATS, Format
from operators.data.forms import ForgetForm, PersonForm
from operators.models import ForgottenPerson

_NAMED = 100
_NAMES = {
    "conversations": gettext_lazy("conversations, archived ones too"),
    "messages": gettext_lazy("messages"),
    "attachments": gettext_lazy("images"),
    "tool_calls": gettext_lazy("tool calls"),
    "summaries": gettext_lazy("summaries"),
    "facts": gettext_lazy("remembered facts"),
    "tokens": gettext_lazy("tokens, with what they cost"),
    "documents_added": gettext_lazy("documents added: they stay, without the name"),
}


@admin.register(ForgottenPerson)
class ForgottenPersonAdmin(ReadOnly, ModelAdmin[ForgottenPerson]):
    list_display = ["masked", "at", "by", "what_went"]
    list_display_links = None
    search_fields = ["masked"]
    search_help_text = gettext_lazy("The whole e-mail finds whether and when that person was forgotten.")
    list_per_page = 50
    change_list_template = "admin/operators/forgottenperson/change_list.html"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ForgottenPerson], search_term: str
    ) -> tuple[QuerySet[ForgottenPerson], bool]:
        if "@" in search_term:
            return queryset.filter(digest=forgetting.digest(search_term.strip().lower())), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description=gettext_lazy("what went"))
    def what_went(self, proof: ForgottenPerson) -> SafeString:
        return format_html_join("", "{} {}<br>", ((count, name) for name, count in named(proof.counts) if count))

    def get_urls(self) -> list[URLPattern]:
        pages = [
            path("forget/", self.admin_site.admin_view(self.forget_view), name="operators_forget"),
            path("export/", self.admin_site.admin_view(self.export_view), name="operators_export"),
        ]
        return [*pages, *super().get_urls()]

    def forget_view(self, request: HttpRequest) -> HttpResponse:
        """Which person; what will go, and the export first; then it goes."""
        _check(request, "operators.forget_person")
        if request.method == "POST":
            form = ForgetForm(request.POST)
            if form.is_valid():
                return self._forget(request, form.cleaned_data["email"])
            return self._page(request, form.data.get("email", ""), form)
        if "email" not in request.GET:
            return self._page(request, "", PersonForm())
        asked = PersonForm(request.GET)
        if not asked.is_valid():
            return self._page(request, "", asked)
        email = asked.cleaned_data["email"]
        return self._page(request, email, ForgetForm(initial={"email": email}))

    def _forget(self, request: HttpRequest, email: str) -> HttpResponse:
        if not any(forgetting.held(email).values()):
            messages.warning(request, _("Nothing is stored of this person (any more)."))
        else:
            proof = forgetting.forget(email, request)
            messages.success(request, _("%(person)s is forgotten. This line is the proof.") % {"person": proof.masked})
        return HttpResponseRedirect(reverse("admin:operators_forgottenperson_changelist"))

    def _page(self, request: HttpRequest, email: str, form: PersonForm) -> HttpResponse:
        held = forgetting.held(email) if email else {}
        context = {
            **self.admin_site.each_context(request),
            "title": _("Forget a person"),
            "email": email,
            "form": form,
            "held": named(held),
            "is_anything": any(held.values()),
            "may_export": request.user.has_perm("operators.export_data"),
            "earlier": forgetting.proofs(email) if email else (),
        }
        return TemplateResponse(request, "admin/operators/forgottenperson/forget.html", context)

    def export_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        _check(request, "operators.export_data")
        asked = PersonForm(request.POST)
        form = request.POST.get("format")
        if request.method != "POST" or not asked.is_valid() or form not in FORMATS:
            raise Http404
        email = asked.cleaned_data["email"]
        record(request, Action.EXPORTED, whom=email, details=form)
        return download(Conversation.objects.filter(email=email), form, email)


def named(counts: dict[str, int]) -> list[tuple[str, int]]:
    """The counts with words for an operator."""
    return [(str(_NAMES.get(name, name)), count) for name, count in counts.items()]


def _check(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


@admin.action(description=gettext_lazy("Export as JSON Lines"), permissions=["export"])
def export_lines(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> StreamingHttpResponse:  # noqa: ARG001
    return _exported(request, chosen, "jsonl")


@admin.action(description=gettext_lazy("Export as CSV"), permissions=["export"])
def export_table(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> StreamingHttpResponse:  # noqa: ARG001
    return _exported(request, chosen, "csv")


def _exported(request: HttpRequest, chosen: QuerySet[Any], form: Format) -> StreamingHttpResponse:
    """Of people or conversations; the log names everybody whom it is about, up to a hundred."""
    chosen = chosen.order_by()
    if chosen.model is Person:
        conversations = Conversation.objects.filter(email__in=chosen.values("email"))
    else:
        conversations = Conversation.objects.filter(pk__in=chosen.values("pk"))
    emails = sorted(set(conversations.order_by().values_list("email", flat=True).distinct()[: _NAMED + 1]))
    whom = [email or "anonymous calls" for email in emails] if len(emails) <= _NAMED else [f"more than {_NAMED} people"]
    record_each(request, Action.EXPORTED, whom, details=form)
    return download(conversations, form)

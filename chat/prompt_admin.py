"""The prompt's versions for operators: write a draft, see the difference, publish, go back."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ccagent.admin_base import ModelAdmin
from ccagent.audit import Action
from chat import prompts
from chat.agent.prompt import PLACEHOLDERS, fill_in, unknown_placeholders
from chat.difference import difference
from chat.models import Prompt, PromptContent, PromptDraft

_LABELS = {field.name: field.verbose_name for field in PromptContent._meta.local_fields}
_CHOICES = [name for name in _LABELS if name != "system"]


@admin.register(Prompt)
class PromptAdmin(ModelAdmin[Prompt]):
    """Versions are read; a new one begins as a draft."""

    added = Action.PUBLISHED

    list_display = ["__str__", "in_force", "created_at", "published_by", "went_back_to", "beginning"]
    fields = ["created_at", "published_by", "went_back_to", "answers", "system", "choices", "change"]
    readonly_fields = ["went_back_to", "answers", "choices", "change"]

    class Media:
        css = {"all": ["chat/prompt.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prompt]:
        newer = Prompt.objects.filter(pk__gt=OuterRef("pk"))
        return super().get_queryset(request).annotate(is_in_force=~Exists(newer))

    def has_change_permission(self, request: HttpRequest, obj: Prompt | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Prompt | None = None) -> bool:  # noqa: ARG002
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("draft/", view(self.publish), name="chat_prompt_publish"),
            path("<int:pk>/go-back/", view(self.go_back), name="chat_prompt_go_back"),
            *super().get_urls(),
        ]

    @admin.display(boolean=True)
    def in_force(self, prompt: Prompt) -> bool:
        return bool(getattr(prompt, "is_in_force", False))

    @admin.display(description=_("went back to"), ordering="restored")
    def went_back_to(self, prompt: Prompt) -> str:
        return gettext("Version {}").format(prompt.restored_id) if prompt.restored_id else "-"

    @admin.display(description=_("system prompt"))
    def beginning(self, prompt: Prompt) -> str:
        return Truncator(prompt.system).chars(100)

    def answers(self, prompt: Prompt) -> SafeString:
        address = reverse("admin:chat_message_changelist")
        return format_html('<a href="{}?prompt={}">{}</a>', address, prompt.pk, gettext("Answers given under it"))

    def choices(self, prompt: Prompt) -> SafeString:
        return _rendered("choices", rows=[(label, "", value, False) for label, value in _shown(prompt)])

    @admin.display(description=_("changed from the version before"))
    def change(self, prompt: Prompt) -> SafeString | str:
        before = Prompt.objects.filter(pk__lt=prompt.pk).first()
        return _rendered("difference", **_comparison(before, prompt)) if before else gettext("It is the first one.")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:  # noqa: ARG002
        draft = prompts.draft_of(self._publisher(request).pk)
        return redirect("admin:chat_promptdraft_change", draft.pk)

    def _publisher(self, request: HttpRequest) -> Any:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return request.user

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        earlier = kwargs.get("obj") and not self.in_force(kwargs["obj"])
        context["may_go_back"] = earlier and self.has_add_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def publish(self, request: HttpRequest) -> HttpResponse:
        """Shows what the operator's draft changes; a POST puts it in force."""
        draft = PromptDraft.objects.filter(operator=self._publisher(request)).select_related("begun_from").first()
        if draft is None:
            return redirect("admin:chat_prompt_changelist")
        if request.method == "POST":
            return self._decide(request, lambda seen: prompts.publish(draft, seen))
        return self._compared(request, draft, gettext("What your draft changes"), draft=draft)

    def go_back(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Shows what an earlier version would change; a POST puts it in force again."""
        by = self._publisher(request).get_username()
        earlier = get_object_or_404(Prompt, pk=pk)
        if request.method == "POST":
            return self._decide(request, lambda seen: prompts.go_back(earlier, seen, by))
        return self._compared(request, earlier, gettext("Go back to {}").format(str(earlier).lower()))

    def _decide(self, request: HttpRequest, decide: Any) -> HttpResponse:
        version = request.POST.get("version", "")
        seen = prompts.Seen(int(version) if version.isdecimal() else 0, request.POST.get("saved_at", ""))
        try:
            published = decide(seen)
        except prompts.Outdated as outdated:
            messages.error(request, str(outdated))
            return redirect(request.path)
        self.log_addition(request, published, "Published.")
        messages.success(request, gettext("{} is in force: the next answer is given under it.").format(published))
        return redirect("admin:chat_prompt_change", published.pk)

    def _compared(self, request: HttpRequest, new: PromptContent, title: str, **more: Any) -> HttpResponse:
        newest = prompts.newest_version()
        context = {
            **self.admin_site.each_context(request),
            **_comparison(newest, new),
            **more,
            "title": title,
            "media": self.media,
            "newest": newest,
            "seen": prompts.seen_now(new),
            "unknown": _unknown(new),
            "preview": _preview(new.system, getattr(request.user, "email", "")),
        }
        return TemplateResponse(request, "admin/chat/prompt/publish.html", context)


class DraftForm(forms.ModelForm[PromptDraft]):
    class Meta:
        model = PromptDraft
        fields = ["system", *_CHOICES]
        widgets = {
            "system": forms.Textarea(attrs={"rows": 24, "class": "vLargeTextField"}),
            "model": forms.TextInput(attrs={"class": "vTextField"}),
            "max_tokens": forms.NumberInput(attrs={"class": "vBigIntegerField"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _CHOICES:
            self.fields[name].widget.attrs["placeholder"] = _from_environment(name)
        otherwise = gettext("As RETRIEVAL says ({})").format(_from_environment("retrieval"))
        select = forms.NullBooleanSelect()
        select.choices = [("unknown", otherwise), ("true", _("On")), ("false", _("Off"))]
        self.fields["retrieval"].widget = select

    def clean_system(self) -> str:
        """Browsers send CRLF, which would make every line differ from what is stored."""
        return str(self.cleaned_data["system"]).replace("\r\n", "\n").replace("\r", "\n")


@admin.register(PromptDraft)
class PromptDraftAdmin(ModelAdmin[PromptDraft]):
    """An operator's own draft; the way to it is to add a version."""

    form = DraftForm

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromptDraft]:
        return super().get_queryset(request).filter(operator=request.user.pk)

    def has_module_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_view_permission(self, request: HttpRequest, obj: PromptDraft | None = None) -> bool:  # noqa: ARG002
        return request.user.has_perm("chat.add_prompt")

    has_change_permission = has_delete_permission = has_view_permission

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ARG002
        return redirect("admin:chat_prompt_changelist")

    def response_change(self, request: HttpRequest, obj: PromptDraft) -> HttpResponse:
        if "_continue" not in request.POST:
            return redirect("admin:chat_prompt_publish")
        if unknown := _unknown(obj):
            messages.warning(request, unknown)
        return super().response_change(request, obj)


def _comparison(before: Prompt, after: PromptContent) -> dict[str, Any]:
    """What the templates show of two versions' difference."""
    rows = [
        (label, old, new, old != new) for (label, old), (_label, new) in zip(_shown(before), _shown(after), strict=True)
    ]
    return {
        "before": before,
        "rows": rows,
        "pieces": difference(before.system, after.system) if before.system != after.system else [],
        "is_same": before.content == after.content,
    }


def _shown(content: PromptContent) -> list[tuple[str, str]]:
    """Labels and values of what a version chooses besides its words."""
    return [(str(_LABELS[name]), _value(content, name)) for name in _CHOICES]


def _value(content: PromptContent, name: str) -> str:
    value = getattr(content, name)
    if value in (None, ""):
        return gettext("as the environment says: {}").format(_from_environment(name))
    return _word(value)


def _from_environment(name: str) -> str:
    env = settings.ENV
    match name:
        case "model":
            return env.provider_model or gettext("the provider's default")
        case "retrieval" | "passages":
            return _word(getattr(env, name))
        case _:
            value = getattr(env, f"provider_{name}")
            return gettext("not sent") if value is None else _word(value)


def _word(value: Any) -> str:
    return {True: gettext("on"), False: gettext("off")}[value] if isinstance(value, bool) else str(value)


def _unknown(content: PromptContent) -> str:
    """A sentence about placeholders that are none."""
    unknown = ", ".join(unknown_placeholders(content.system))
    known = ", ".join(f"{{{{ {name} }}}}" for name in PLACEHOLDERS)
    told = gettext("The model gets {} as it stands: what is filled in is {}.").format(unknown, known)
    return told if unknown else ""


def _preview(system: str, email: str) -> str:
    """The words as a model gets them when this operator asks."""
    today = timezone.localdate().isoformat()
    return fill_in(system, agent_name=settings.APP_NAME, today=today, user_email=email or "ann@example.com")


def _rendered(name: str, **context: Any) -> SafeString:
    return render_to_string(f"admin/chat/prompt/{name}.html", context)

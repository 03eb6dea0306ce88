"""Tool servers for operators: add one, test it, tick its tools."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ccagent.admin_base import ModelAdmin, TabularInline
from ccagent.environment import check_key
from chat.mcp.client import ServerDown
from chat.mcp.listing import Listed, list_tools
from chat.mcp.models import ServerTool, ToolServer


class ToolServerForm(forms.ModelForm[ToolServer]):
    """The secret goes in and never comes out again."""

    new_secret = forms.CharField(
        label=_("Secret"),
        required=False,
        strip=True,
        max_length=8000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False),
        help_text=_("The header's value, such as Bearer abc; stored encrypted and not shown again. Empty: it stays."),
    )

    class Meta:
        model = ToolServer
        fields = ["name", "url", "header_name", "allow_private", "enabled"]

    def clean_header_name(self) -> str:
        name = str(self.cleaned_data["header_name"])
        if (name and not name.replace("-", "").isalnum()) or not name.isascii():
            raise forms.ValidationError(_("A header's name is made of letters, digits and -."))
        return name

    def clean_new_secret(self) -> str:
        secret = str(self.cleaned_data["new_secret"])
        try:
            # A scheme and a value, such as Bearer abc, are parted by a blank.
            check_key(secret.replace(" ", ""))
        except ValueError:
            raise forms.ValidationError(_("It holds a character that no header may hold.")) from None
        return secret

    def save(self, commit: bool = True) -> ToolServer:
        if self.cleaned_data["new_secret"] or not self.cleaned_data["header_name"]:
            self.instance.set_secret(self.cleaned_data["new_secret"])
        self.instance.problem, self.instance.down_until = "", None
        return super().save(commit)


class ServerToolInline(TabularInline[ServerTool, ToolServer]):
    model = ServerTool
    fields = ["enabled", "name", "about", "problem"]
    readonly_fields = ["name", "about", "problem"]
    extra = 0
    can_delete = False
    # The name stands in a column of its own.
    hide_title = True
    verbose_name_plural = _("tools: tick those that the model may use")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    @admin.display(description=_("what it is for, in the server's words"))
    def about(self, tool: ServerTool) -> str:
        return Truncator(tool.description).chars(300)


@admin.register(ToolServer)
class ToolServerAdmin(ModelAdmin[ToolServer]):
    form = ToolServerForm
    change_form_template = "admin/chat/toolserver/change_form.html"
    list_display = ["name", "url", "enabled", "state", "offered"]
    fields = ["name", "url", "header_name", "new_secret", "allow_private", "enabled", "state", "listed_at"]
    readonly_fields = ["state", "listed_at"]
    inlines = [ServerToolInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ToolServer]:
        ticked = Count("tools", filter=Q(tools__enabled=True))
        return super().get_queryset(request).annotate(ticked=ticked, known=Count("tools"))

    @admin.display(description=_("tools offered"))
    def offered(self, server: ToolServer) -> str:
        return gettext("{} of {}").format(getattr(server, "ticked", 0), getattr(server, "known", 0))

    @admin.display(description=_("state"))
    def state(self, server: ToolServer) -> str:
        if server.down_until and server.down_until > timezone.now():
            return gettext("Its tools are away for a minute: {}.").format(server.problem)
        if server.problem:
            return gettext("The last try failed: {}.").format(server.problem)
        return gettext("Its tools were listed.") if server.listed_at else gettext("Not tested yet.")

    def get_readonly_fields(self, request: HttpRequest, obj: ToolServer | None = None) -> list[str]:  # noqa: ARG002
        # The name is part of those that the model knows.
        return [*self.readonly_fields, *(["name"] if obj else [])]

    def get_inlines(self, request: HttpRequest, obj: ToolServer | None) -> Any:
        return super().get_inlines(request, obj) if obj else []

    def get_urls(self) -> list[URLPattern]:
        test = path("<int:pk>/test/", self.admin_site.admin_view(self.test), name="chat_toolserver_test")
        return [test, *super().get_urls()]

    def response_add(self, request: HttpRequest, obj: ToolServer, post_url_continue: str | None = None) -> HttpResponse:
        super().response_add(request, obj, post_url_continue)
        return HttpResponseRedirect(_page(obj.pk))

    def test(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Saves what the form holds, and then, outside of the transaction for that, asks the server for its tools."""
        if request.method != "POST":
            return HttpResponseRedirect(_page(pk))
        saved = self.changeform_view(request, str(pk))
        if saved.status_code != 302:
            return saved
        server = ToolServer.objects.get(pk=pk)
        try:
            self.message_user(request, _told(list_tools(server)), messages.SUCCESS)
        except ServerDown as down:
            self.message_user(request, gettext("The server cannot be used: {}.").format(down), messages.ERROR)
        return HttpResponseRedirect(_page(pk))


def _page(pk: int) -> str:
    return reverse("admin:chat_toolserver_change", args=[pk])


def _told(listed: Listed) -> str:
    parts = [gettext("It answers and has {} tools").format(len(listed.names))]
    for word, names in (
        (gettext("new"), listed.new),
        (gettext("changed"), listed.changed),
        (gettext("gone"), listed.gone),
    ):
        if names and len(names) < len(listed.names) + len(listed.gone):
            parts.append(f"{word}: {', '.join(names[:10])}{' …' if len(names) > 10 else ''}")
    return gettext("{}. Tick those that the model may use, and save.").format("; ".join(parts))

"""Tool servers as they are stored, and what they offered when somebody last looked."""

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ccagent.secret_text import decrypted, encrypted
from context.web_url import MAX_CHARS, WebURL


class ToolServer(models.Model):
    """A server whose tools the model may use.

    ``changed_at`` tells every process that what it remembers of the server and its tools is old.
    """

    name = models.CharField(
        max_length=20,
        unique=True,
        validators=[
            RegexValidator(r"^[a-z][a-z0-9]*(_[a-z0-9]+)*\Z", _("Use small letters, digits and _, such as wiki."))
        ],
        help_text=_("Begins the names of its tools: search becomes wiki__search."),
    )
    url = models.CharField(
        _("URL"),
        max_length=MAX_CHARS,
        help_text=_("Its streamable HTTP endpoint, such as https://wiki.example.com/mcp."),
    )
    header_name = models.CharField(
        _("secret header"), max_length=100, blank=True, help_text=_("Such as Authorization; empty where it wants none.")
    )
    secret = models.TextField(blank=True, default="", editable=False)
    allow_private = models.BooleanField(
        _("allow a private address"),
        default=False,
        help_text=_("Connect also where its address is not public, such as localhost or 10.0.0.5."),
    )
    enabled = models.BooleanField(default=True, help_text=_("Its ticked tools are offered to the model."))
    listed_at = models.DateTimeField(_("tools listed at"), null=True, editable=False)
    problem = models.TextField(blank=True, default="", editable=False)
    down_until = models.DateTimeField(_("its tools are away until"), null=True, editable=False)
    changed_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.url:
            try:
                url = WebURL.parse(self.url)
            except ValueError as error:
                raise ValidationError({"url": f"The address {error}"}) from None
            if url.scheme == "http" and self.header_name and not self.allow_private:
                raise ValidationError({"url": "With a secret it must begin with https://."})

    def set_secret(self, value: str) -> None:
        self.secret = encrypted(value) if value else ""

    def header(self) -> tuple[str, str] | None:
        """Name and value of the secret header; raises ``ccagent.secret_text.Unreadable``."""
        return (self.header_name, decrypted(self.secret)) if self.header_name and self.secret else None


class ServerTool(models.Model):
    """A tool as its server described it; ``definition`` is what the model is given, empty where that cannot be."""

    server = models.ForeignKey(ToolServer, on_delete=models.CASCADE, related_name="tools")
    remote_name = models.CharField(max_length=200)
    name = models.CharField(max_length=64, help_text=_("As the model knows it."))
    description = models.TextField(blank=True)
    definition = models.JSONField(null=True, editable=False)
    problem = models.CharField(max_length=200, blank=True, default="")
    enabled = models.BooleanField(_("offered"), default=False)

    class Meta:
        ordering = ["server", "name"]
        constraints = [models.UniqueConstraint(fields=["server", "remote_name"], name="server_tool")]

    def __str__(self) -> str:
        return self.name

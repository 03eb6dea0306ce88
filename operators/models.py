"""What only operators need."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class AuditEntry(models.Model):
    """A line of the log: who did what, when, to whom. Names, not keys: it outlives those whom it names."""

    at = models.DateTimeField(_("when"), auto_now_add=True, db_default=Now())
    who = models.CharField(_("who"), max_length=150, blank=True)
    action = models.CharField(_("what"), max_length=30)
    whom = models.CharField(_("whom or what"), max_length=300, blank=True)
    details = models.TextField(_("details"), blank=True)

    class Meta:
        verbose_name = _("log entry")
        verbose_name_plural = _("log")
        ordering = ["-at", "-pk"]
        default_permissions = ["view"]
        indexes = [
            models.Index(fields=["-at", "-id"], name="audit_at"),
            models.Index(fields=["whom", "action", "who"], name="audit_whom"),
        ]

    def __str__(self) -> str:
        return f"{self.who} {self.action} {self.whom}".strip()

"""What only operators need."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from chat.money.models import DECIMAL_PLACES, MAX_DIGITS


class AuditEntry(models.Model):
    """A line of the log: who did what, when, to whom. Names, not keys: it outlives those whom it names."""

    at = models.DateTimeField(_("when"), auto_now_add=True, db_default=Now())
    who = models.CharField(_("who"), max_length=150, blank=True)
    action = models.CharField(_("what"), max_length=30)
    whom = models.CharField(_("whom or what"), max_length=300, blank=True)
    details = models.TextField(_("details"), blank=True)

    class Meta:
        verbose_name = _("log entry")
        verbose_name_plural = _("log entries")
        ordering = ["-at", "-pk"]
        default_permissions = ["view"]
        permissions = [("run_doctor", "Can have everything looked at that the agent needs")]
        indexes = [
            models.Index(fields=["-at", "-id"], name="audit_at"),
            models.Index(fields=["whom", "action", "who"], name="audit_whom"),
        ]

    def __str__(self) -> str:
        return f"{self.who} {self.action} {self.whom}".strip()


class ForgottenPerson(models.Model):
    """A proof that somebody was forgotten, without who it was: found by their e-mail, which cannot be read from it."""

    digest = models.CharField(
        max_length=64, db_index=True, editable=False, help_text=_("Of the e-mail, with a secret.")
    )
    masked = models.CharField(_("person"), max_length=100)
    at = models.DateTimeField(_("when"), auto_now_add=True, db_default=Now())
    by = models.CharField(_("by whom"), max_length=150)
    counts = models.JSONField(_("what went"), help_text=_("How much of what was deleted."))

    class Meta:
        verbose_name = _("forgotten person")
        verbose_name_plural = _("forgotten people")
        ordering = ["-at", "-pk"]
        default_permissions = ["view"]
        permissions = [
            ("export_data", "Can export what people said"),
            ("forget_person", "Can forget a person for good"),
        ]

    def __str__(self) -> str:
        return self.masked


class Day(models.Model):
    """The numbers of a day that is over, which hold nobody's words or name; they stay when what was said is deleted."""

    day = models.DateField()
    zone = models.CharField(max_length=64, help_text=_("The TIME_ZONE whose day it is."))
    questions = models.PositiveIntegerField()
    answers = models.PositiveIntegerField()
    people = models.PositiveIntegerField(help_text=_("Who asked something, each once."))
    prompt_tokens = models.PositiveBigIntegerField()
    completion_tokens = models.PositiveBigIntegerField()
    cost = models.DecimalField(_("cost (USD)"), max_digits=MAX_DIGITS, decimal_places=DECIMAL_PLACES)
    median_ms = models.FloatField(null=True, help_text=_("Time to first token."))
    p95_ms = models.FloatField(null=True)
    waits = models.JSONField(help_text=_("How many answers began after how long, in steps of 5 %."))
    errors = models.JSONField(help_text=_("How many answers failed, by kind of error."))
    documents = models.JSONField(help_text=_("How many answers were given a document, by its key; the most used."))
    unpriced = models.JSONField(help_text=_("How many answers have no known price, by model."))

    class Meta:
        ordering = ["-day"]
        default_permissions = ()
        permissions = [("view_numbers", "Can see the numbers: messages, people, cost, errors, times")]
        constraints = [models.UniqueConstraint(fields=["zone", "day"], name="day_once")]

    def __str__(self) -> str:
        return f"{self.day}"


class LoginAttempts(models.Model):
    """How often somebody tried to log in since a moment; `operators.login` counts."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    since = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.count} since {self.since}"

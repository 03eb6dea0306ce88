"""What was spent in a month, kept as sums so that a question can afford to look."""

from django.db import models
from django.utils.translation import gettext_lazy as _

MAX_DIGITS, DECIMAL_PLACES = 16, 9
"""Of an amount in USD: one token of the cheapest model still counts."""


class Spending(models.Model):
    """What was spent in one month: for one person, or, in several rows, for everybody.

    Rows outlive the messages that were paid for, so that deleting these gives no budget back.
    """

    month = models.DateField(help_text=_("Its first day, in TIME_ZONE."))
    email = models.CharField(_("e-mail"), max_length=254, blank=True, help_text=_("Empty: a part of what all spent."))
    slot = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text=_("Which part: many answers end at once, and one row would make them queue.")
    )
    cost = models.DecimalField(_("cost (USD)"), max_digits=MAX_DIGITS, decimal_places=DECIMAL_PLACES)

    class Meta:
        ordering = ["-month", "email", "slot"]
        verbose_name_plural = _("spending")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["month", "email", "slot"], name="spending_once_a_month")]

    def __str__(self) -> str:
        return f"{self.email or 'all'} in {self.month:%Y-%m}"

from django.db import models
from django.utils.translation import gettext_lazy as _


class EmbeddingIndex(models.Model):
    """The vectors that one model makes of all chunks, in a table of their own."""

    class State(models.TextChoices):
        BUILDING = "building", _("Building")
        ACTIVE = "active", "active: questions are compared with it"
        RETIRED = "retired", "retired: about to be dropped"

    backend = models.CharField(max_length=100, help_text=_("The provider's name, or local."))
    model = models.CharField(max_length=200)
    asked = models.PositiveIntegerField(help_text=_("Numbers asked for in each vector; 0: the model's default."))
    dimensions = models.PositiveIntegerField(default=0, help_text=_("Numbers in each vector; 0: not known yet."))
    state = models.CharField(max_length=10, choices=State, default=State.BUILDING)
    problem = models.TextField(blank=True, help_text=_("Why the last try to fill it failed."))
    filler = models.CharField(max_length=32, blank=True, help_text=_("The process that fills it."))
    filler_until = models.DateTimeField(null=True, help_text=_("When another process may take over."))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = _("embedding indexes")
        constraints = [
            models.UniqueConstraint(fields=["backend", "model", "asked"], name="embedding_index_choice"),
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="active"), name="embedding_index_one_active"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} ({self.backend})"

    @property
    def table(self) -> str:
        return f"context_vector_{self.pk}"

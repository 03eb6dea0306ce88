"""What the agent was given to know."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models


class Document(models.Model):
    """One text, with where it came from."""

    class Status(models.TextChoices):
        READY = "ready"
        FAILED = "failed"

    title = models.CharField(max_length=500)
    source = models.CharField(max_length=2000, blank=True, help_text="Address or file it came from; empty: posted.")
    status = models.CharField(max_length=10, choices=Status, default=Status.READY)
    text = models.TextField()
    fingerprint = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the text.")
    added_by = models.CharField(max_length=254, blank=True, help_text="E-mail of the caller; empty: nobody named.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.title


class Chunk(models.Model):
    """A passage of a document, as search finds it and a prompt quotes it."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    position = models.PositiveIntegerField(help_text="Place in the document, from 0.")
    text = models.TextField()
    # English lexemes find "kings" for "king"; the simple ones find names and other languages as they are written.
    english = models.GeneratedField(
        expression=SearchVector("text", config="english"), output_field=SearchVectorField(), db_persist=True
    )
    simple = models.GeneratedField(
        expression=SearchVector("text", config="simple"), output_field=SearchVectorField(), db_persist=True
    )

    class Meta:
        ordering = ["document", "position"]
        constraints = [
            models.UniqueConstraint(fields=["document", "position"], name="chunk_position"),
        ]
        indexes = [
            GinIndex(fields=["english"], name="chunk_english"),
            GinIndex(fields=["simple"], name="chunk_simple"),
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.text[:60]}"

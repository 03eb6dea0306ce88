"""What the agent was given to know."""

from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.utils.translation import gettext_lazy as _

from context.embeddings.models import EmbeddingIndex as EmbeddingIndex


class Document(models.Model):
    """One text, with where it came from."""

    class Status(models.TextChoices):
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    title = models.CharField(max_length=500)
    source = models.CharField(
        max_length=2000, blank=True, help_text=_("First address or file it came from; empty: posted.")
    )
    posted = models.BooleanField(default=False, help_text=_("Posted as a text: it stays when its addresses change."))
    status = models.CharField(max_length=10, choices=Status, default=Status.READY)
    enabled = models.BooleanField(default=True, help_text=_("Whether search may find it."))
    language = models.CharField(max_length=63, default="simple", help_text=_("Postgres' text search configuration."))
    text = models.TextField()
    fingerprint = models.CharField(max_length=64, unique=True, editable=False, help_text=_("SHA-256 of the text."))
    added_by = models.CharField(max_length=254, blank=True, help_text=_("E-mail of the caller; empty: nobody named."))
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True, help_text=_("When its text last changed."))

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.title


class Source(models.Model):
    """An address that holds a document's text; several may hold the same."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="sources")
    address = models.CharField(max_length=2000, unique=True, help_text=_("URL, path of a file, or another name."))
    etag = models.CharField(max_length=1000, blank=True)
    last_modified = models.CharField(max_length=100, blank=True)
    content_hash = models.CharField(max_length=64, blank=True, help_text=_("SHA-256 of the bytes as they were read."))
    found_in = models.CharField(max_length=2000, blank=True, help_text=_("The sitemap that first named it."))
    checked_at = models.DateTimeField(help_text=_("When the address was last read."))

    class Meta:
        ordering = ["address"]

    def __str__(self) -> str:
        return self.address


class Chunk(models.Model):
    """A passage of a document, as search finds it and a prompt quotes it."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    position = models.PositiveIntegerField(help_text=_("Place in the document, from 0."))
    heading = models.TextField(blank=True, help_text=_("The headings it stands under, like Guide > Install."))
    start = models.PositiveIntegerField(default=0, help_text=_("Its first character's place in the document's text."))
    text = models.TextField()
    searchable = models.BooleanField(default=True, help_text=_("Whether its document is enabled and ready."))
    language = models.CharField(max_length=63, default="simple", help_text=_("What its lexemes were made with."))
    lexemes = SearchVectorField(help_text=_("What search finds it by."))

    class Meta:
        ordering = ["document", "position"]
        constraints = [
            models.UniqueConstraint(fields=["document", "position"], name="chunk_position"),
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.text[:60]}"


# The index of the search. Triggers on documents and chunks keep it (migration 0003), whatever changes these.


class Posting(models.Model):
    """How often a lexeme stands in a searchable chunk; one row for each pair."""

    pk = models.CompositePrimaryKey("lexeme", "chunk")
    lexeme = models.BigIntegerField(help_text=_("Its hash: numbers are compared faster, and the index is smaller."))
    chunk = models.IntegerField()
    frequency = models.SmallIntegerField()
    length = models.SmallIntegerField(help_text=_("Of the chunk, in words that were indexed."))

    def __str__(self) -> str:
        return f"{self.lexeme} in {self.chunk}"


class LexemeCount(models.Model):
    """In how many searchable chunks a lexeme stands: the sum over all writers' rows, of which some may be negative."""

    pk = models.CompositePrimaryKey("lexeme", "writer")
    lexeme = models.TextField(db_collation="C")
    writer = models.SmallIntegerField()
    chunks = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.lexeme}: {self.chunks}"


class LanguageCount(models.Model):
    """How many chunks of a language are searchable, and their length in words; a sum like that of `LexemeCount`."""

    pk = models.CompositePrimaryKey("language", "writer")
    language = models.TextField()
    writer = models.SmallIntegerField()
    chunks = models.IntegerField()
    words = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.language}: {self.chunks}"

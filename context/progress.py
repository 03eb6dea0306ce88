"""How far documents are: found by their words at once, by their meaning when their vectors are made."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count
from django.utils.translation import gettext as _

from context.embeddings import indexes, vectors
from context.embeddings.configuration import chosen
from context.embeddings.errors import NotConfigured
from context.embeddings.models import EmbeddingIndex
from context.models import Document


@dataclass(frozen=True)
class Progress:
    """``made`` of its ``chunks`` can be found by meaning; None where there is no search by meaning."""

    document: Document
    chunks: int
    made: int | None
    problem: str = ""

    @property
    def is_complete(self) -> bool:
        return self.made is None or self.made >= self.chunks

    @property
    def words(self) -> str:
        """One line for an operator."""
        if self.document.status == Document.Status.FAILED:
            return _("Failed: refresh or replace it.")
        if not self.document.enabled:
            return _("Disabled: search does not find it.")
        if self.made is None or self.is_complete:
            return _("Ready")
        percent = 100 * self.made // max(self.chunks, 1)
        line = _("Found by words; by meaning %(percent)s %%") % {"percent": percent}
        return f"{line}. {self.problem}" if self.problem else line


def progress(documents: Iterable[Document]) -> list[Progress]:
    """Of each document, in three queries for all."""
    documents = list(documents)
    keys = [document.pk for document in documents]
    chunks = dict(Document.objects.filter(pk__in=keys).annotate(count=Count("chunks")).values_list("pk", "count"))
    index = _index()
    made = vectors.made_of(index, keys) if index and index.dimensions else {}
    return [
        Progress(
            document,
            chunks.get(document.pk, 0),
            made.get(document.pk, 0) if index else None,
            index.problem if index else "",
        )
        for document in documents
    ]


def _index() -> EmbeddingIndex | None:
    """What questions are compared with, or will be; none where the settings ask for no vectors."""
    try:
        if not chosen(settings.ENV):
            return None
    except NotConfigured:
        return None
    return indexes.active() or EmbeddingIndex.objects.filter(state=EmbeddingIndex.State.BUILDING).first()

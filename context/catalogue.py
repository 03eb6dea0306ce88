"""Documents as lists show them."""

from typing import TYPE_CHECKING, TypedDict

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Length

from context.models import Chunk, Document

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    CountedDocument = WithAnnotations[Document, "Counts"]


class Counts(TypedDict):
    chunk_count: int
    characters: int


def counted(documents: QuerySet[Document]) -> "QuerySet[CountedDocument]":
    """With ``chunk_count`` and ``characters`` and without the text, in one query."""
    chunks = Chunk.objects.filter(document=OuterRef("pk")).order_by().values("document").annotate(count=Count("pk"))
    return documents.defer("text").annotate(
        chunk_count=Coalesce(Subquery(chunks.values("count"), output_field=IntegerField()), 0),
        characters=Length("text"),
    )


def standing(document: Document) -> str:
    """The status, but for a document that search may not find."""
    return document.status if document.enabled else "disabled"

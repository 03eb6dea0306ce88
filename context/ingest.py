"""Writes of the context: a text becomes a document and its chunks."""

import hashlib

from django.db import transaction

from ccagent.text import clean
from context.chunks import cut
from context.models import Chunk, Document

_TITLE_CHARS = 80


def ingest_text(text: str, title: str = "", source: str = "", added_by: str = "") -> Document:
    """Stores a text with its chunks; the same text again is the same document, also when it comes twice at once."""
    text = clean(text).strip()
    document = Document(
        title=clean(title).strip() or _first_line(text),
        source=source,
        text=text,
        fingerprint=hashlib.sha256(text.encode()).hexdigest(),
        added_by=added_by,
    )
    chunks = cut(text)
    with transaction.atomic():
        # Waits for a twin that is being stored at this moment, then gives way to it.
        Document.objects.bulk_create([document], ignore_conflicts=True)
        stored = Document.objects.select_for_update().get(fingerprint=document.fingerprint)
        if not stored.chunks.exists():
            Chunk.objects.bulk_create(
                Chunk(document=stored, position=position, text=chunk.text) for position, chunk in enumerate(chunks)
            )
    return stored


def _first_line(text: str) -> str:
    line = text.partition("\n")[0].strip()
    return line if len(line) <= _TITLE_CHARS else f"{line[: _TITLE_CHARS - 1].rstrip()}…"

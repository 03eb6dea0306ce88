"""Writes of the context: a text becomes a document and its chunks."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from django.db import connection, transaction
from django.db.models import Func, Q, Value
from django.utils import timezone

from ccagent.text import clean
from context.embeddings import wake
from context.extract.kinds import suffix
from context.models import Chunk, Document, Source
from context.prepare import Prepared, Unreadable, prepare
from context.words import searchable

_TITLE_CHARS = 80
_PROSE = {"", ".txt", ".text", ".md", ".markdown", ".rst", ".html", ".htm", ".xhtml"}
_ADDRESS_BYTES = 2000
_CHUNKS_AT_ONCE = 500


@dataclass(frozen=True)
class Stored:
    """A document with what became of it: "unchanged" also where it was there already from another address."""

    document: Document
    outcome: Literal["added", "changed", "unchanged"]


def ingest(
    content: bytes | str,
    *,
    name: str = "",
    content_type: str = "",
    title: str = "",
    source: str = "",
    added_by: str = "",
    etag: str = "",
    last_modified: str = "",
    found_in: str = "",
) -> Stored:
    """Stores what was read from ``source``, or was posted where that is empty. Raises `Unreadable`.

    ``found_in`` is the sitemap that named the source, which is noted where this is new.
    """
    source = _address(source)
    as_bytes = content if isinstance(content, bytes) else content.encode(errors="surrogatepass")
    content_hash = hashlib.sha256(as_bytes).hexdigest()
    if source and (known := _already_read(source, _reading(content_hash, etag, last_modified))):
        return Stored(known, "unchanged")
    prepared = prepare(content, name=name, content_type=content_type)
    return store(
        prepared,
        title=title if title.strip() else prepared.title or _file_name(name),
        source=source,
        added_by=added_by,
        content_hash=content_hash,
        etag=etag,
        last_modified=last_modified,
        found_in=found_in,
    )


def store(
    prepared: Prepared,
    *,
    title: str = "",
    source: str = "",
    added_by: str = "",
    content_hash: str = "",
    etag: str = "",
    last_modified: str = "",
    found_in: str = "",
) -> Stored:
    """Stores a text with its chunks, in one transaction; the same text again is the same document.

    A source whose text has changed keeps its document, unless other addresses still hold the old text.
    """
    source = _address(source)
    title = clean(title).strip() or prepared.title.strip() or _first_line(prepared.text)
    fields = {
        "title": title[:500],
        "language": _configuration(prepared.language),
        "text": prepared.text,
        "fingerprint": hashlib.sha256(prepared.text.encode()).hexdigest(),
    }
    with transaction.atomic():
        _wait_for_twins(source, fields["fingerprint"])
        before, same = _held(source, fields["fingerprint"])
        document = same or _made(fields, source, added_by, before)
        if document != same:
            Chunk.objects.bulk_create(_chunks(document, prepared), batch_size=_CHUNKS_AT_ONCE)
            transaction.on_commit(wake)
        if source:
            _point(source, document, _reading(content_hash, etag, last_modified), found_in)
        elif not document.posted:
            Document.objects.filter(pk=document.pk).update(posted=True)
        if before and before != document:
            _left(before, source)
    return Stored(document, _outcome(before, same))


class Taken(Exception):
    """Another document has this text or address; the message is a sentence."""


def replace(document: int, prepared: Prepared, *, title: str = "", source: str = "", **reading: str) -> Document:
    """Gives a document another text and place; it keeps its id, and whether search may find it.

    ``source`` is the one address that it has from now on, empty where the text was typed; ``reading`` is as in `store`.
    Raises `Taken`, and ``Document.DoesNotExist``.
    """
    source = _address(source)
    fingerprint = hashlib.sha256(prepared.text.encode()).hexdigest()
    with transaction.atomic():
        _wait_for_twins(source, fingerprint)
        mine = Document.objects.select_for_update().get(pk=document)
        other, same = _held(source, fingerprint)
        for taken, what in ((same, "text"), (other, "address")):
            if taken and taken != mine:
                raise Taken(f"“{taken.title}” has the same {what}: change or delete that one.")
        mine.text, mine.fingerprint, mine.language = prepared.text, fingerprint, _configuration(prepared.language)
        mine.title = (clean(title).strip() or mine.title)[:500]
        mine.status, mine.source, mine.posted = Document.Status.READY, source, not source
        mine.save()
        mine.chunks.all().delete()
        Chunk.objects.bulk_create(_chunks(mine, prepared), batch_size=_CHUNKS_AT_ONCE)
        mine.sources.exclude(address=source).delete()
        if source:
            _point(source, mine, _reading(**{"content_hash": "", "etag": "", "last_modified": ""} | reading), "")
        transaction.on_commit(wake)
    return mine


def forget(address: str) -> bool:
    """Takes an address out of the context, with its document unless that is held elsewhere; False: not known."""
    with transaction.atomic():
        _wait_for_twins(address)
        before, _ = _held(address)
        if not before:
            return False
        Source.objects.filter(address=address).delete()
        _left(before, address)
    return True


def _file_name(name: str) -> str:
    """The name for a title, unless the first line will say more: that of a table or of source code does not."""
    return "" if "://" in name or suffix(name) in _PROSE else name


def _first_line(text: str) -> str:
    line = text.partition("\n")[0].strip()
    return line if len(line) <= _TITLE_CHARS else f"{line[: _TITLE_CHARS - 1].rstrip()}…"


def _address(source: str) -> str:
    """The address as it is stored; an index of Postgres takes no more than this."""
    source = clean(source).strip()
    if len(source.encode()) > _ADDRESS_BYTES:
        raise Unreadable(f"Its address is longer than {_ADDRESS_BYTES} bytes: give it a shorter one.")
    return source


def _configuration(language: str) -> str:
    """The text search configuration of that name where this Postgres has it, else "simple"."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT cfgname FROM pg_ts_config WHERE cfgname = %s", [language])
        return language if cursor.fetchone() else "simple"


def _reading(content_hash: str, etag: str, last_modified: str) -> dict[str, Any]:
    """What a source keeps of its being read now."""
    return {
        "content_hash": content_hash,
        "etag": clean(etag)[:1000],
        "last_modified": clean(last_modified)[:100],
        "checked_at": timezone.now(),
    }


def _already_read(address: str, reading: dict[str, Any]) -> Document | None:
    """The document of an address that gave the very same bytes the last time."""
    sources = Source.objects.filter(address=address, content_hash=reading["content_hash"]).select_related("document")
    if not (known := sources.first()):
        return None
    Source.objects.filter(pk=known.pk).update(**reading)
    return known.document


def _wait_for_twins(*names: str) -> None:
    """Until the transaction ends, nobody else stores from this address or stores this text."""
    digests = (hashlib.sha256(name.encode()).digest() for name in names if name)
    keys = sorted(int.from_bytes(digest[:8], signed=True) for digest in digests)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) key", [keys])


def _held(source: str, fingerprint: str = "") -> tuple[Document | None, Document | None]:
    """The document of the address and the one with the text, their rows locked."""
    held = Source.objects.filter(address=source).values_list("document", flat=True).first() if source else None
    wanted = Q(fingerprint=fingerprint) if held is None else Q(fingerprint=fingerprint) | Q(pk=held)
    # Both in one statement, in order: two addresses may be exchanging their texts.
    documents = list(Document.objects.select_for_update().filter(wanted).order_by("pk"))
    same = next((document for document in documents if document.fingerprint == fingerprint), None)
    before = next((document for document in documents if document.pk == held), None)
    return before, same


def _held_elsewhere(document: Document, address: str) -> bool:
    return document.posted or document.sources.exclude(address=address).exists()


def _made(fields: dict[str, Any], source: str, added_by: str, before: Document | None) -> Document:
    """A document without chunks: the one that the address had before, unless others have it too, or a new one."""
    if before is None or _held_elsewhere(before, source):
        return Document.objects.create(**fields, source=source, posted=not source, added_by=added_by)
    before.status = Document.Status.READY
    for name, value in fields.items():
        setattr(before, name, value)
    before.save(update_fields=[*fields, "status", "updated_at"])
    before.chunks.all().delete()
    return before


def _chunks(document: Document, prepared: Prepared) -> Iterable[Chunk]:
    for position, prepared_chunk in enumerate(prepared.chunks):
        chunk = Chunk(
            document=document,
            position=position,
            heading=prepared_chunk.heading,
            start=prepared_chunk.start,
            text=prepared_chunk.text,
            searchable=document.enabled and document.status == Document.Status.READY,
            language=document.language,
        )
        chunk.lexemes = _lexemes(chunk)
        yield chunk


def _lexemes(chunk: Chunk) -> Func:
    """Those of the chunk and of what stands above it: its headings, and the title where it is not to be seen there."""
    text = f"{chunk.heading}\n{chunk.text}"
    if chunk.document.title.removesuffix("…") not in text:
        text = f"{chunk.document.title}\n{text}"
    return Func(Value(chunk.language), Value(searchable(text)), function="to_tsvector", arity=2)


def _point(address: str, document: Document, reading: dict[str, Any], found_in: str) -> None:
    """Notes that the address holds the document's text."""
    values = {"document": document, **reading}
    Source.objects.update_or_create(address=address, defaults=values, create_defaults=values | {"found_in": found_in})
    if not document.source:
        document.source = address
        document.save(update_fields=["source"])


def _left(document: Document, address: str) -> None:
    """What becomes of a document that an address no longer holds."""
    if not _held_elsewhere(document, address):
        document.delete()
    elif document.source == address:
        others = document.sources.order_by("pk").values_list("address", flat=True)
        document.source = others.first() or ""
        document.save(update_fields=["source"])


def _outcome(before: Document | None, same: Document | None) -> Literal["added", "changed", "unchanged"]:
    if same and (before is None or before == same):
        return "unchanged"
    return "changed" if before else "added"


def reindex(progress: Callable[[int], None] = lambda _: None) -> None:
    """Makes the lexemes of all chunks anew, as after a change of Postgres' dictionaries or of `context.words`.

    Search goes on meanwhile. ``progress`` is told how many chunks were done since it was last told.
    """
    last = 0
    everything = Chunk.objects.select_related("document").defer("lexemes", "document__text").order_by("pk")
    while chunks := list(everything.filter(pk__gt=last)[:_CHUNKS_AT_ONCE]):
        for chunk in chunks:
            chunk.lexemes = _lexemes(chunk)
        Chunk.objects.bulk_update(chunks, ["lexemes"])
        last = chunks[-1].pk
        progress(len(chunks))

"""Takes many things into the context, each with what became of it; knows neither options nor a terminal."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Literal

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from context.inputs import REFUSALS, Content, is_file_address
from context.models import Document, Source
from context.prepare import prepare

THREADS = 4
"""Twice as many as there are workers that read: while these do, others store."""

_ADDRESSES_AT_ONCE = 5000
_GONE = (404, 410)

Outcome = Literal["added", "changed", "unchanged", "skipped", "failed"]


@dataclass(frozen=True)
class Item:
    """Something to read. ``read`` is given the source as it is known, and returns None where nothing changed.

    ``address`` is empty for standard input. What holds no text is no failure where it lies in a folder with others.
    """

    address: str
    read: Callable[[Source | None], Content | None]
    found_in: str = ""
    in_folder: bool = False


@dataclass(frozen=True)
class Seeded:
    """What became of an item; ``reason`` is a sentence where it failed.

    ``is_gone``: it is known, and its site says that there is no such page any more.
    """

    address: str
    outcome: Outcome
    reason: str = ""
    is_gone: bool = False


@dataclass
class _Run:
    title: str
    dry: bool
    foreseen: set[str] = field(default_factory=set)


def seed(
    items: Iterable[Item],
    *,
    title: str = "",
    dry_run: bool = False,
    stop: threading.Event | None = None,
    threads: int = THREADS,
) -> Iterator[Seeded]:
    """Reads and stores the items, several at once, and tells of each when it is done.

    What is begun when ``stop`` is set is ended, the rest left. A dry run reads everything and stores nothing.
    """
    wanted = list({item.address: item for item in items}.values())
    known = known_sources(item.address for item in wanted)
    # Its threads have connections of their own, of which there may be few.
    close_old_connections()
    threads = min(threads, settings.ENV.database_pool_size)
    work = partial(_seed_in_thread, _Run(title, dry_run))
    with ThreadPoolExecutor(threads, thread_name_prefix="seed") as pool:
        running: set[Future[Seeded]] = set()
        for item in wanted:
            if stop and stop.is_set():
                break
            running.add(pool.submit(work, item, known.get(item.address)))
            if len(running) >= 2 * threads:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in running)


def seed_one(item: Item) -> Seeded:
    """In the thread that calls."""
    return _seed(_Run("", False), item, known_sources([item.address]).get(item.address))


def known_sources(addresses: Iterable[str]) -> dict[str, Source]:
    """Those of the addresses that were read before."""
    wanted = [address for address in addresses if address]
    parts = (wanted[start : start + _ADDRESSES_AT_ONCE] for start in range(0, len(wanted), _ADDRESSES_AT_ONCE))
    return {source.address: source for part in parts for source in Source.objects.filter(address__in=part)}


def _seed(run: _Run, item: Item, known: Source | None) -> Seeded:
    try:
        return Seeded(item.address, _outcome(run, item, known))
    except REFUSALS as problem:
        is_gone = getattr(problem, "status", None) in _GONE and known is not None
        return Seeded(item.address, "failed", str(problem), is_gone)


def _seed_in_thread(run: _Run, item: Item, known: Source | None) -> Seeded:
    try:
        return _seed(run, item, known)
    finally:
        close_old_connections()


def _outcome(run: _Run, item: Item, known: Source | None) -> Outcome:
    """Raises what reading raises."""
    content = item.read(known)
    if known and (content is None or (content.hash == known.content_hash and is_file_address(item.address))):
        if content is None and not run.dry:
            Source.objects.filter(pk=known.pk).update(checked_at=timezone.now())
        return _titled(run, known.document_id, "unchanged")
    assert content, "only what is known can be unchanged"
    if item.in_folder and not known and not _may_hold_text(content):
        return "skipped"
    if run.dry:
        return _foreseen(run, content, known)
    stored = content.add(title=run.title, found_in=item.found_in)
    return _titled(run, stored.document.pk, stored.outcome)


def _titled(run: _Run, document: int, outcome: Outcome) -> Outcome:
    """A title that was asked for is given also to a text that has not changed."""
    if not run.title or outcome != "unchanged":
        return outcome
    others = Document.objects.filter(pk=document).exclude(title=run.title)
    is_new = others.exists() if run.dry else others.update(title=run.title)
    return "changed" if is_new else "unchanged"


def _may_hold_text(content: Content) -> bool:
    """Not an empty file, as many packages of Python have, nor a program, whose name often has no ending."""
    assert isinstance(content.data, bytes)
    if not content.data or content.data.isspace():
        return False
    return "." in content.name or b"\0" not in content.data[:8192]


def _foreseen(run: _Run, content: Content, known: Source | None) -> Outcome:
    """What `ingest` would make of it."""
    text = prepare(content.data, name=content.name, content_type=content.content_type).text
    fingerprint = sha256(text.encode()).hexdigest()
    same = Document.objects.filter(fingerprint=fingerprint).values_list("pk", flat=True).first()
    twice = fingerprint in run.foreseen
    run.foreseen.add(fingerprint)
    if known:
        return "unchanged" if same == known.document_id else "changed"
    return "unchanged" if same or twice else "added"

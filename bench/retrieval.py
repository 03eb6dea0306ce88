"""`python -m bench.retrieval [FOLDER]`: how well search finds, and with --chunks how fast.

A collection is a folder with corpus.jsonl (`_id`, `title`, `text`), queries.jsonl (`_id`, `text`), qrels.tsv (question,
document, grade) and, where passages are judged, spans.jsonl (`qid`, `doc`, `start`, `end`: characters of the text).
It works on an embedded Postgres that goes away afterwards, or in the database of DATABASE_URL, which must hold no
documents and is emptied afterwards.
"""

import argparse
import io
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .retrieval_collections import Collection, RankedChunk, mean, read_collections
from .retrieval_volume import measure

if TYPE_CHECKING:
    from context.search import Mode

RANKED = 50


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.retrieval", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/retrieval"))
    parser.add_argument("--only", action="append", metavar="COLLECTION", help="one of the folder's collections")
    parser.add_argument("--minilm", action="store_true", help="with the embeddings of bench.embeddings_server")
    parser.add_argument("--chunks", type=int, metavar="N", help="measure speed with so many made-up chunks instead")
    options = parser.parse_args()
    collections = [each for each in read_collections(options.folder) if each.name in (options.only or [each.name])]
    if not collections:
        sys.exit(f"There is no collection in {options.folder}: name a folder that holds some, as in RETRIEVAL=path.")
    with embeddings_of_minilm() if options.minilm else nullcontext(), own_database():
        if options.chunks:
            measure(options.chunks, collections)
        else:
            show(collections)
        empty()


@contextmanager
def embeddings_of_minilm() -> Iterator[None]:
    from .embeddings_server import MODEL, EmbeddingsServer

    server = EmbeddingsServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ |= {"EMBEDDINGS": "provider", "EMBEDDINGS_PROVIDER": "minilm", "EMBEDDINGS_MODEL": MODEL}
    os.environ["EMBEDDINGS_BASE_URL"] = server.base_url
    yield
    server.shutdown()


@contextmanager
def own_database() -> Iterator[None]:
    """Django on an empty database."""
    with tempfile.TemporaryDirectory(prefix="ccagent-retrieval-") as folder:
        os.environ |= {"PERSISTENT_STORAGE_DIR": folder, "DEV_MODE": "true"}
        os.environ["DJANGO_SETTINGS_MODULE"] = "ccagent.settings"
        try:
            _set_up()
            yield
        finally:
            _tear_down(Path(folder))


def _set_up() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from context.models import Document

    if Document.objects.exists():
        sys.exit("The database of DATABASE_URL holds documents: name an empty one, or unset it.")


def _tear_down(folder: Path) -> None:
    from django.db import connections

    from ccagent.embedded_postgres import server_at

    for connection in connections.all():
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
    server_at(folder / "postgres").release()


def show(collections: list[Collection]) -> None:
    print(f"{'':<16}{'mode':<10}{'nDCG@10':>9}{'Recall@10':>11}{'Hit@2':>8}{'Hit@5':>8}{'ms':>8}{'chunks':>9}{'/s':>7}")
    for collection in collections:
        names, rate = ingest_all(collection)
        for mode in modes():
            print(f"{collection.name:<16}{mode:<10}{measured(collection, names, mode)}{rate}", flush=True)


def modes() -> "list[Mode]":
    """Those that this installation can search by; makes the vectors for it."""
    from django.core.management import CommandError, call_command

    from context import embeddings

    try:
        call_command("reindex_context", "--embeddings", stdout=io.StringIO())
    except CommandError as problem:
        print(problem, file=sys.stderr)
    return ["lexical", "hybrid", "dense"] if embeddings.active() else ["lexical"]


def ingest_all(collection: Collection) -> tuple[dict[int, tuple[str, ...]], str]:
    """Stores a collection in the emptied database; its names for each document, and the rate as two columns."""
    from context.ingest import ingest
    from context.models import Chunk

    empty()
    names: dict[int, tuple[str, ...]] = {}
    began = time.monotonic()
    for name, text in collection.texts.items():
        if text.strip():
            document = ingest(text).document.pk
            names[document] = (*names.get(document, ()), name)
    chunks = Chunk.objects.count()
    return names, f"{chunks:>9,}{chunks / (time.monotonic() - began):>7,.0f}"


def empty() -> None:
    from context.models import Document

    Document.objects.all().delete()


def measured(collection: Collection, names: dict[int, tuple[str, ...]], mode: "Mode") -> str:
    from context.models import Chunk
    from context.search import search

    starts = dict(Chunk.objects.values_list("pk", "start"))
    began = time.monotonic()
    figures = []
    for key, question in collection.questions.items():
        places = ((hit, starts[hit.chunk]) for hit in search(question, RANKED, mode))
        ranked = [RankedChunk(names[hit.document], start, start + len(hit.text)) for hit, start in places]
        figures.append(collection.judge(key, ranked))
    took = (time.monotonic() - began) / len(figures)
    values = asdict(mean(figures))
    return "{ndcg:>9.3f}{recall:>11.3f}{hit2:>8.3f}{hit5:>8.3f}".format(**values) + f"{took * 1000:>8.1f}"


if __name__ == "__main__":
    main()

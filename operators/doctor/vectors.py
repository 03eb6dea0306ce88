"""Embeddings: who makes them, and do they match those that are stored."""

import asyncio
import time

from django.conf import settings

from ccagent.database import in_database
from context.embeddings import indexes, vectors
from context.embeddings.backends import embedding
from context.embeddings.configuration import Choice, chosen, maker_of
from context.embeddings.errors import EmbeddingError, NotConfigured
from context.embeddings.models import EmbeddingIndex
from operators.doctor.report import Line, failure, ok, warning

SECONDS = 20.0
_WITHOUT = "Until then search goes by words alone."


async def look() -> list[Line]:
    try:
        choice = chosen(settings.ENV)
    except NotConfigured as problem:
        return [warning("embeddings", problem.sentence, _WITHOUT)]
    if choice is None:
        return [ok("embeddings", "They are off: search goes by words.")]
    numbers, line = await made(choice)
    return [line, await in_database(stored, choice, numbers)]


async def made(choice: Choice) -> tuple[int, Line]:
    """A vector made now: how many numbers it has, 0 for none."""
    started = time.monotonic()
    try:
        maker = maker_of(settings.ENV, choice)
        [vector] = await asyncio.wrap_future(embedding(maker, ["Are you there?"], "question", SECONDS))
    except EmbeddingError as error:
        return 0, warning("embeddings", f"{error.sentence} {error.detail}".strip(), _WITHOUT)
    took = round((time.monotonic() - started) * 1000)
    return len(vector), ok("embeddings", f"{choice.model} made {len(vector)} numbers in {took} ms.")


def stored(choice: Choice, numbers: int) -> Line:
    wanted, active = indexes.find(choice), indexes.active()
    if wanted is None:
        return warning("vectors", f"None of {choice.model} are stored yet.", "`manage.py serve` makes them.")
    if numbers and wanted.dimensions and numbers != wanted.dimensions:
        text = f"Those stored have {wanted.dimensions} numbers, and {choice.model} makes {numbers}."
        return failure("vectors", text, "Run `manage.py reindex_context --embeddings`, or set EMBEDDINGS_DIMENSIONS.")
    if wanted.problem:
        return warning("vectors", wanted.problem, _WITHOUT)
    done = _done(wanted)
    if active != wanted:
        meanwhile = f"those of {active.model}" if active else "words alone"
        return warning("vectors", f"{done} Until they are complete, search uses {meanwhile}.", "Leave `serve` running.")
    return ok("vectors", f"{done} Search uses them.")


def _done(index: EmbeddingIndex) -> str:
    if not index.dimensions:
        return f"{index.model} has made none yet."
    progress = vectors.progress(index)
    return f"{index.model} has made those of {progress.made:,} of {progress.chunks:,} chunks."

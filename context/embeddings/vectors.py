"""Where vectors are kept and compared: tables of pgvector's, made at run-time because the extension may be missing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import DatabaseError, ProgrammingError, connection, transaction
from django.db.backends.utils import CursorWrapper

from context.embeddings.backends import Vector
from context.embeddings.errors import NotConfigured
from context.embeddings.models import EmbeddingIndex

MAX_DIMENSIONS = 4000
"""Most that pgvector's index of half-precision numbers takes."""
EF_SEARCH = 200
# Any number, the same for every process of this project.
_LOCK = 0xCCE3BED
# Its first version whose index goes on searching where filters leave too little.
_OLDEST = (0, 8)
# Tables are made and dropped beside a working search, which must not wait for those who wait for a lock.
_LOCK_TIMEOUT = "2s"
_OFF = "Search goes by words alone: "
_MISSING = f"{_OFF}this Postgres has no pgvector."
_NOT_ALLOWED = f"{_OFF}the agent's role may not create the extension vector."
_TOO_OLD = f"{_OFF}this Postgres has pgvector {{version}}, and 0.8 or newer is needed."
HINT = (
    "Install pgvector where it is missing, have a superuser run `CREATE EXTENSION vector` in this database, "
    "then run `manage.py reindex_context`."
)


@dataclass(frozen=True)
class QuestionVector:
    """A question as the vectors of one index have it."""

    index: int
    numbers: tuple[float, ...]


def nearest(vector: QuestionVector, limit: int) -> list[tuple[int, float]]:
    """The chunks nearest in meaning with their cosine similarity, best first; of enabled, ready documents only."""
    table = EmbeddingIndex(pk=vector.index).table
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_SETTINGS, [str(EF_SEARCH)])
            cursor.execute(
                _NEAREST.format(table=table, dimensions=len(vector.numbers)),
                {"question": _literal(vector.numbers), "limit": limit},
            )
            return [(chunk, float(similarity)) for chunk, similarity in cursor.fetchall()]
    except DatabaseError as error:
        # Another process dropped the table, or somebody the extension, since the question was embedded.
        if getattr(error.__cause__, "sqlstate", None) in _GONE:
            return []
        raise


_SETTINGS = "SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'strict_order', true)"
_NEAREST = """
SELECT entry.chunk_id, 1 - (entry.vector <=> %(question)s::halfvec({dimensions})) AS similarity
FROM {table} entry
JOIN context_chunk chunk ON chunk.id = entry.chunk_id
WHERE entry.vector IS NOT NULL AND chunk.searchable
ORDER BY entry.vector <=> %(question)s::halfvec({dimensions})
LIMIT %(limit)s
"""
# No such table, column, type, operator or function.
_GONE = ("42P01", "42703", "42704", "42883")


def ensure_extension(*, create: bool = True) -> None:
    """Raises ``NotConfigured`` where this database cannot keep vectors; ``create`` tries to make it one that can."""
    version, available = _extension()
    if not version and create and available:
        try:
            with _alone() as cursor:
                cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except ProgrammingError as error:
            raise NotConfigured(str(error), sentence=_NOT_ALLOWED) from error
        version, _ = _extension()
    if not version:
        raise NotConfigured(sentence=_NOT_ALLOWED if available else _MISSING)
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        raise NotConfigured(sentence=_TOO_OLD.format(version=version))


def _extension() -> tuple[str, bool]:
    """Its version in this database, empty where it is not in use, and whether the server has it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce((SELECT extversion FROM pg_extension WHERE extname = 'vector'), ''),"
            " EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')"
        )
        version, available = cursor.fetchone()
    return version, available


def ensure_table(index: EmbeddingIndex) -> None:
    """The table of an index whose dimensions are known, with its search tree."""
    with _alone() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [index.table])
        if cursor.fetchone()[0] is None:
            cursor.execute(_TABLE.format(table=index.table, dimensions=index.dimensions))


# A row without a vector is a chunk that the backend could not embed, to be tried again later.
_TABLE = """
CREATE TABLE {table} (
    chunk_id bigint PRIMARY KEY REFERENCES context_chunk (id) ON DELETE CASCADE,
    vector halfvec({dimensions}),
    tries smallint NOT NULL DEFAULT 0,
    try_again_at timestamptz
);
CREATE INDEX {table}_hnsw ON {table} USING hnsw (vector halfvec_cosine_ops) WITH (m = 16, ef_construction = 64)
"""


def drop_table(index: EmbeddingIndex) -> None:
    with _alone() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {index.table}")


@dataclass(frozen=True)
class Passage:
    """A chunk that has no vector yet, and its text as a model gets it."""

    chunk: int
    text: str


def waiting(index: EmbeddingIndex, after: int, limit: int) -> list[Passage]:
    """The next chunks without a vector, by their ids."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING.format(table=index.table), [after, limit])
        return [Passage(*row) for row in cursor.fetchall()]


_WAITING = """
SELECT chunk.id, concat_ws(E'\\n', nullif(chunk.heading, ''), chunk.text)
FROM context_chunk chunk LEFT JOIN {table} entry ON entry.chunk_id = chunk.id
WHERE chunk.id > %s AND entry.vector IS NULL AND (entry.chunk_id IS NULL OR entry.try_again_at <= now())
ORDER BY chunk.id LIMIT %s
"""


def store(index: EmbeddingIndex, passages: Sequence[Passage], vectors: Sequence[Vector]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _STORE.format(table=index.table, dimensions=index.dimensions),
            [[passage.chunk for passage in passages], [_literal(vector) for vector in vectors]],
        )


# The lock leaves out a chunk that is being deleted at this moment.
_STORE = """
INSERT INTO {table} (chunk_id, vector)
SELECT chunk.id, made.vector::halfvec({dimensions})
FROM unnest(%s::bigint[], %s::text[]) AS made (id, vector) JOIN context_chunk chunk ON chunk.id = made.id
FOR KEY SHARE OF chunk
ON CONFLICT (chunk_id) DO UPDATE SET vector = excluded.vector, tries = 0, try_again_at = NULL
"""


def put_off(index: EmbeddingIndex, passage: Passage) -> None:
    """The chunk is left alone for ten minutes, each time for twice as long, at most for about a day."""
    with connection.cursor() as cursor:
        cursor.execute(_PUT_OFF.format(table=index.table), [passage.chunk])


_PUT_OFF = """
INSERT INTO {table} AS entry (chunk_id, tries, try_again_at)
SELECT id, 1, now() + interval '10 minutes' FROM context_chunk WHERE id = %s FOR KEY SHARE
ON CONFLICT (chunk_id) DO UPDATE SET
    tries = least(entry.tries + 1, 8), try_again_at = now() + interval '10 minutes' * 2 ^ least(entry.tries, 7)
"""


def try_all_again(index: EmbeddingIndex) -> None:
    """Nothing is put off any more."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {index.table} WHERE vector IS NULL")


@dataclass(frozen=True)
class Progress:
    """How many chunks have a vector, were put off, and there are."""

    made: int
    put_off: int
    chunks: int


def progress(index: EmbeddingIndex) -> Progress:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(vector), count(*) - count(vector), (SELECT count(*) FROM context_chunk) FROM {index.table}"
        )
        return Progress(*cursor.fetchone())


def made_of(index: EmbeddingIndex, documents: Sequence[int]) -> dict[int, int]:
    """How many chunks of each document have a vector; of those that have none the document is left out."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_MADE_OF.format(table=index.table), [list(documents)])
            return dict(cursor.fetchall())
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", None) in _GONE:
            return {}
        raise


_MADE_OF = """
SELECT chunk.document_id, count(*) FROM context_chunk chunk JOIN {table} entry ON entry.chunk_id = chunk.id
WHERE chunk.document_id = ANY (%s) AND entry.vector IS NOT NULL GROUP BY chunk.document_id
"""


def highest_chunk() -> int:
    """Its id, 0 without chunks; chunks that come later have higher ones."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM context_chunk")
        return int(cursor.fetchone()[0])


def _literal(numbers: Sequence[float]) -> str:
    # More than a half-precision number can hold.
    return f"[{','.join([f'{number:.6g}' for number in numbers])}]"


@contextmanager
def _alone() -> Iterator[CursorWrapper]:
    """A transaction that changes tables, one at a time among all processes."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        yield cursor

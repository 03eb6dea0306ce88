"""Postgres, and the disk that it writes to."""

import os
import shutil
import time
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from context.embeddings import vectors
from context.embeddings.configuration import chosen
from context.embeddings.errors import NotConfigured
from operators.doctor.report import Line, failure, ok, warning

OLDEST = 14
_LEAST_FREE_MB = 500
_PASSING = {"overlay", "tmpfs", "ramfs", "aufs"}
"""File systems of a container's own, which start afresh with it."""


def reach() -> Line:
    """Whether the server answers, and how; not through the pool, which keeps the reason of a failure to itself."""
    started = time.monotonic()
    try:
        with connection.wrap_database_errors, psycopg.connect(**connection.get_connection_params()) as server:
            version = server.info.server_version // 10000
    except OperationalError as error:
        reason = " ".join(str(error).split())
        where = "DATABASE_URL, and whether the server runs" if _is_elsewhere() else "the log of the start"
        return failure("database", f"It does not answer: {reason}", f"Check {where}.")
    took = _milliseconds(started)
    kind = "Postgres" if _is_elsewhere() else "The embedded Postgres"
    if version < OLDEST:
        return failure("database", f"Postgres {version} is too old.", f"Take Postgres {OLDEST} or newer.")
    return ok("database", f"{kind} {version} answers in {took} ms.")


def look() -> list[Line]:
    """What can be seen only in a database that answers."""
    return [_migrations(), _connections(), _pgvector()]


def _migrations() -> Line:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        advice = "Start `manage.py serve`, which makes them. If it runs, it is of an earlier version than this command."
        return failure("migrations", f"{len(missing)} are not applied, the first is {missing[0][0]}.", advice)
    ours = executor.loader.migrated_apps
    newer = [
        name
        for name in executor.loader.applied_migrations
        if name[0] in ours and name not in executor.loader.graph.nodes
    ]
    if newer:
        text = f"The database knows {newer[0][0]}.{newer[0][1]}, which this version does not."
        return warning("migrations", text, "Another replica is of a newer version: deploy that everywhere.")
    return ok("migrations", f"All {len(executor.loader.applied_migrations)} are applied.")


def _connections() -> Line:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,"
            " count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        most, used = cursor.fetchone()
    mine = settings.ENV.database_pool_size
    text = f"{used} of {most} are in use; each replica opens {mine} at most."
    if most < mine:
        return failure("connections", text, f"Set DATABASE_POOL_SIZE to less than {most}.")
    if used > most * 0.8:
        return warning("connections", text, "Lower DATABASE_POOL_SIZE, or let the database take more connections.")
    return ok("connections", text)


def _pgvector() -> Line:
    try:
        wanted = chosen(settings.ENV) is not None
    except NotConfigured:
        wanted = False
    try:
        with transaction.atomic():
            vectors.ensure_extension()
            # To look changes nothing.
            transaction.set_rollback(True)
    except NotConfigured as problem:
        if wanted:
            return warning("pgvector", problem.sentence, vectors.HINT)
        return ok("pgvector", "It cannot be used, and nothing needs it: embeddings are off.")
    return ok("pgvector", "It can be used." if wanted else "It can be used, and nothing needs it: embeddings are off.")


def disk() -> Line:
    """Whether what the database writes is there after a restart."""
    if _is_elsewhere():
        return ok("disk", "The data is where DATABASE_URL leads; nothing that must last is on this disk.")
    folder = settings.STORAGE_DIR
    free = shutil.disk_usage(_existing(folder)).free // 1_000_000
    if free < _LEAST_FREE_MB:
        return failure("disk", f"Only {free} MB are free in {folder}.", "Make room, or Postgres will stop.")
    if settings.DEV_MODE:
        return ok("disk", f"The database is in {folder}, with {free:,} MB free.")
    if not settings.ENV.persistent_storage_dir:
        text = f"The database is in {folder}, on the capsule's own disk, which starts afresh at every restart."
        return failure(
            "disk", text, "Set DATABASE_URL, or bind a storage capsule so that PERSISTENT_STORAGE_DIR is set."
        )
    if (kind := file_system(folder)) in _PASSING:
        text = (
            f"PERSISTENT_STORAGE_DIR is {folder}, on a disk of the kind {kind}, which a container loses with its end."
        )
        return failure("disk", text, "Let it be a folder of a volume.")
    return ok("disk", f"The database is in {folder}, with {free:,} MB free.")


def file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The kind of file system that a folder is on; empty where nobody can say."""
    place = os.path.realpath(folder)
    try:
        lines = [line.split()[1:3] for line in mounts.read_text().splitlines()]
    except OSError:
        return ""
    fitting = [(point, kind) for point, kind in lines if f"{place}/".startswith(f"{point.rstrip('/')}/")]
    # The last of those that are mounted at the same place covers the others.
    return max(enumerate(fitting), key=lambda each: (len(each[1][0]), each[0]))[1][1] if fitting else ""


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def _is_elsewhere() -> bool:
    return bool(settings.ENV.database_url.get_secret_value())


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)

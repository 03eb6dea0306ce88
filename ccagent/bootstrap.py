"""What must be true of the database before the first request: its tables, the installation's secret, an operator."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from ccagent.embedded_postgres import EmbeddedPostgresError, server_at
from ccagent.models import Secret

# Any number, the same for every process of this project.
_LOCK = 0xCCA6E47
_WAIT_SECONDS = 30


@dataclass(frozen=True)
class Operator:
    """The first operator; ``password`` is empty unless it was generated at this start."""

    name: str
    password: str


def prepare() -> Operator:
    """Migrates and makes what is missing, one process at a time; the first operator.

    Raises ``OperationalError`` where the database does not answer for 30 s.
    """
    _wait_for_database()
    with _alone():
        call_command("migrate", interactive=False, verbosity=0)
        if not settings.ENV.secret_key.get_secret_value():
            settings.SECRET_KEY = Secret.kept("secret_key")
        return _first_operator()


def migrate() -> None:
    """Makes the tables where any are missing, which is all that a command needs.

    Raises what `prepare` does, and `EmbeddedPostgresError`.
    """
    if not settings.ENV.database_url.get_secret_value():
        server_at(settings.EMBEDDED_POSTGRES_DIR).acquire()
    _wait_for_database()
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        with _alone():
            call_command("migrate", interactive=False, verbosity=0)


@contextmanager
def in_a_sentence() -> Iterator[None]:
    """A command whose database fails says so in a sentence, and not by a trace."""
    try:
        yield
    except EmbeddedPostgresError as problem:
        raise CommandError(str(problem)) from problem
    except OperationalError as problem:
        reason = " ".join(str(problem).split())
        raise CommandError(f"The database does not answer, check DATABASE_URL: {reason}") from problem


def _wait_for_database() -> None:
    """A database that starts at the same moment as this process may take a while."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            # Not through the pool, which keeps the reason of a failure to itself.
            with connection.wrap_database_errors:
                psycopg.connect(**connection.get_connection_params()).close()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


@contextmanager
def _alone() -> Iterator[None]:
    """Held by one process at a time, among all that share the database; Postgres frees it when a process dies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _first_operator() -> Operator:
    users = get_user_model()._default_manager
    if first := users.filter(is_superuser=True).order_by("pk").first():
        return Operator(first.get_username(), "")
    given = settings.ENV.admin_password.get_secret_value()
    password = given or secrets.token_urlsafe(12)
    email = settings.ENV.admin_email
    users.create_superuser(username=email, email=email, password=password)
    return Operator(email, "" if given else password)

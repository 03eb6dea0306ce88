"""Management commands as a test runs them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from urllib.parse import quote

import psycopg
from django.core.management import CommandError, call_command
from django.db import connection


@dataclass(frozen=True)
class Ran:
    """What a command said, and the exit code that its process would have."""

    code: int
    out: str
    err: str


def run(name: str, *arguments: object) -> Ran:
    out, err = StringIO(), StringIO()
    code: object = 0
    try:
        call_command(name, *map(str, arguments), stdout=out, stderr=err)
    except CommandError as problem:
        code = problem.returncode
        err.write(str(problem))
    except SystemExit as ended:
        code = ended.code
    assert isinstance(code, int)
    return Ran(code, out.getvalue(), err.getvalue())


def url_of(database: str) -> str:
    """Of a database on the server of the tests, as a process of its own takes it."""
    given = connection.get_connection_params()
    server = [
        f"{key}={quote(str(given[key]), safe='')}" for key in ("host", "port", "user", "password") if given.get(key)
    ]
    return f"postgresql:///{database}?{'&'.join(server)}"


@contextmanager
def empty_database() -> Iterator[str]:
    """The address of a new database on the server of the tests, for the time of the block."""
    name = f"ccagent_empty_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with psycopg.connect(url_of("postgres"), autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        yield url_of(name)
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())

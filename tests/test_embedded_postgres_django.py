"""The Django database backend on the embedded Postgres, each time in a fresh process with settings of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ccagent.embedded_postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parents[1]
SETUP = """
import sys
from pathlib import Path
import django
from django.conf import settings
settings.configure(
    EMBEDDED_POSTGRES_DIR=Path(sys.argv[1]),
    DATABASES={"default": {
        "ENGINE": "ccagent.embedded_backend",
        "NAME": "ccagent",
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 2, "timeout": 10}} if sys.argv[2] == "pooled" else {},
    }},
    INSTALLED_APPS=["django.contrib.contenttypes"],
)
django.setup()
from django.core.management import call_command
from django.db import OperationalError, connection
"""


def run(folder: Path, code: str, kind: str = "unpooled") -> str:
    command = [sys.executable, "-c", SETUP + code, str(folder), kind]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("django") / "postgres")
    server.acquire()
    yield server.folder
    server.release()


def test_settings_and_checks_start_nothing(tmp_path: Path) -> None:
    run(tmp_path / "postgres", "call_command('check')")
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize("kind", ["pooled", "unpooled"])
def test_the_first_query_connects(folder: Path, kind: str) -> None:
    code = """
with connection.cursor() as cursor:
    cursor.execute("select current_database()")
    print(cursor.fetchone()[0], connection.pool is not None)
"""
    assert run(folder, code, kind) == f"ccagent {kind == 'pooled'}"


@pytest.mark.parametrize("kind", ["pooled", "unpooled"])
def test_a_test_database_is_made_and_destroyed(folder: Path, kind: str) -> None:
    code = """
connection.creation.create_test_db(verbosity=0)
with connection.cursor() as cursor:
    cursor.execute("select current_database(), count(*) from django_content_type")
    print(cursor.fetchone()[0])
connection.creation.destroy_test_db("ccagent", verbosity=0)
"""
    assert run(folder, code, kind) == "test_ccagent"


def test_dbshell_uses_the_psql_of_the_wheel(folder: Path) -> None:
    assert run(folder, "call_command('dbshell', '--', '-Atc', 'select 6 * 7')") == "42"


def test_a_server_that_cannot_start_is_an_operational_error(tmp_path: Path) -> None:
    (tmp_path / "postgres").touch()
    code = """
try:
    connection.ensure_connection()
except OperationalError as error:
    print(error)
"""
    assert run(tmp_path / "postgres", code).startswith("The embedded Postgres cannot use")

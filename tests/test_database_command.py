"""Commands bring the database along, and say in a sentence what is wrong with it."""

import os
import subprocess
import sys

import pytest
from django.db import OperationalError, connection

from ccagent import bootstrap
from ccagent.embedded_postgres import EmbeddedPostgresError
from context.ingest import ingest
from tests.commands import run, url_of
from tests.conftest import ROOT


def fail(error: Exception) -> None:
    raise error


@pytest.mark.django_db
def test_a_database_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_wait_for_database", lambda: fail(OperationalError("connection\n refused")))
    ran = run("list_context")
    assert (ran.code, ran.err) == (1, "The database does not answer, check DATABASE_URL: connection refused")


@pytest.mark.django_db
def test_an_embedded_database_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "migrate", lambda: fail(EmbeddedPostgresError("The disk is full.")))
    ran = run("list_context")
    assert (ran.code, ran.err) == (1, "The disk is full.")


@pytest.mark.django_db
def test_a_database_that_goes_meanwhile_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("context.seeding.known_sources", lambda _: fail(OperationalError("it went away")))
    assert run("seed_context", "tests/documents").err.endswith("check DATABASE_URL: it went away")


@pytest.mark.django_db(transaction=True)
def test_who_reads_the_output_may_have_seen_enough() -> None:
    for number in range(100):
        ingest(f"Zebra number {number}.")
    # The reader's end is closed before anything is written.
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "manage.py", "list_context"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url_of(connection.settings_dict["NAME"])},
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")

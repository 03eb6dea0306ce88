"""manage.py list_context: what the agent was given, as a table or as JSON."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from context.ingest import ingest
from context.models import Document
from tests.commands import run

pytestmark = pytest.mark.django_db


def listed(*options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("list_context", "--json", *options).out)
    return found


@pytest.fixture
def zebras() -> Document:
    return ingest("Zebras sleep standing up.", title="Zebra facts", source="docs/zebras.md").document


def test_the_table_shows_what_there_is(zebras: Document) -> None:
    head, line, total = run("list_context").out.splitlines()
    assert head.split() == ["id", "title", "source", "status", "chunks", "characters", "added"]
    facts = ["Zebra", "facts", "docs/zebras.md", "ready", "1", "25", f"{zebras.created_at:%Y-%m-%d}"]
    assert line.split() == [str(zebras.pk), *facts]
    assert total == "1 document."


def test_nothing_is_said_in_a_word() -> None:
    assert run("list_context").out == "0 documents.\n"
    assert listed() == []


def test_json_has_all_of_it(zebras: Document) -> None:
    ingest(zebras.text, source="docs/copy.md")
    [row] = listed()
    assert row == {
        "id": zebras.pk,
        "title": "Zebra facts",
        "source": "docs/zebras.md",
        "sources": ["docs/copy.md", "docs/zebras.md"],
        "status": "ready",
        "language": "english",
        "chunks": 1,
        "characters": 25,
        "added": zebras.created_at.isoformat(),
    }


def test_a_filter_by_source_takes_its_beginning(zebras: Document) -> None:
    ingest(zebras.text, source="docs/copy.md")
    ingest("Lions sleep lying down.", source="https://example.com/lions")
    assert [row["id"] for row in listed("--source", "docs/")] == [zebras.pk]
    assert listed("--source", "docs/%") == listed("--source", "ocs/") == []


def test_what_is_disabled_or_failed_is_found(zebras: Document) -> None:
    others = [ingest(f"Lion number {number}.").document.pk for number in range(2)]
    Document.objects.filter(pk=others[0]).update(enabled=False)
    Document.objects.filter(pk=others[1]).update(status=Document.Status.FAILED)
    assert [(row["id"], row["status"]) for row in listed("--disabled")] == [(others[0], "disabled")]
    assert [(row["id"], row["status"]) for row in listed("--failed")] == [(others[1], "failed")]
    assert [row["status"] for row in listed()] == ["failed", "disabled", "ready"]
    assert zebras.enabled


def test_long_names_are_shortened_and_cannot_write_to_the_terminal() -> None:
    ingest("Zebras.", title="\x1b[31m" + "title " * 50, source=f"docs/{'deep/' * 50}zebras.md")
    line = run("list_context").out.splitlines()[1]
    assert "\\x1b[31mtitle" in line
    assert "/zebras.md" in line
    assert len(line) < 160


def test_a_long_list_takes_as_many_queries_as_a_short_one(zebras: Document) -> None:
    with CaptureQueriesContext(connection) as few:
        run("list_context")
    for number in range(30):
        ingest(f"Lion number {number}.", source=f"docs/{number}.md")
    with CaptureQueriesContext(connection) as many:
        assert run("list_context").out.endswith("31 documents.\n")
    assert len(few) == len(many)
    assert zebras

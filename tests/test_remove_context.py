"""manage.py remove_context: documents go by id, by source, or by the beginning of sources."""

import io
import sys

import pytest

from context.ingest import ingest
from context.models import Document, Source
from context.search import search
from tests.commands import Ran, run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def zebras() -> Document:
    ingest("Lions sleep lying down.", source="docs/lions.md")
    ingest("Gnus run.", source="https://example.com/gnus")
    return ingest("Zebras sleep standing up.", source="docs/zebras.md").document


def left() -> list[str]:
    return list(Source.objects.values_list("address", flat=True))


def test_a_document_goes_by_its_id(zebras: Document) -> None:
    assert run("remove_context", zebras.pk) == Ran(0, "Documents removed: 1.\n", "")
    assert left() == ["docs/lions.md", "https://example.com/gnus"]
    assert not search("zebras")


def test_a_document_goes_by_its_source() -> None:
    assert run("remove_context", "docs/zebras.md", "https://EXAMPLE.com/gnus").out == "Documents removed: 2.\n"
    assert left() == ["docs/lions.md"]


def test_a_document_with_another_source_stays(zebras: Document) -> None:
    ingest(zebras.text, source="other/zebras.md")
    said = run("remove_context", "docs/zebras.md").out
    assert said == "Documents removed: 0; 1 are kept for their other sources.\n"
    assert Document.objects.get(pk=zebras.pk).source == "other/zebras.md"


def test_all_below_a_prefix_go() -> None:
    assert run("remove_context", "--prefix", "docs/", "--yes").out == "Documents removed: 2.\n"
    assert left() == ["https://example.com/gnus"]


@pytest.mark.parametrize("prefix", ["docs/%", "ocs/", "DOCS/"])
def test_a_prefix_is_taken_by_the_letter(prefix: str) -> None:
    ran = run("remove_context", "--prefix", prefix, "--yes")
    assert (ran.code, ran.err) == (1, f"{prefix}: There is no such document or source.\n")
    assert len(left()) == 3


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "remaining"), [("y\n", 1), ("yes\n", 1), ("n\n", 3), ("\n", 3)])
def test_a_prefix_is_asked_about(monkeypatch: pytest.MonkeyPatch, answer: str, remaining: int) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    ran = run("remove_context", "--prefix", "docs/")
    assert (ran.code, len(left())) == (0 if remaining == 1 else 1, remaining)


def test_nobody_is_asked_where_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    ran = run("remove_context", "--prefix", "docs/")
    assert (ran.code, ran.err) == (1, "This would remove 2 sources: say --yes to do so.")
    assert len(left()) == 3


@pytest.mark.parametrize("target", ["0", "99999999999999999999", "nowhere.md", "https://example.com/nothing", "\x00"])
def test_what_is_not_there_is_told_and_the_rest_goes(target: str) -> None:
    ran = run("remove_context", target, "docs/lions.md")
    assert ran.code == 1
    assert ran.err.endswith(": There is no such document or source.\n")
    assert "docs/lions.md" not in left()


@pytest.mark.parametrize("arguments", [[], ["--prefix", ""], ["1", "--prefix="], ["--yes"]])
def test_all_of_it_does_not_go_by_mistake(arguments: list[str]) -> None:
    ran = run("remove_context", *arguments)
    assert (ran.code, len(left())) == (1, 3)
    assert ran.err.startswith("Say what to remove: ")

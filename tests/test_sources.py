"""Documents and the addresses that hold them: added, changed, moved, forgotten."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from context import ingest as ingest_module
from context.ingest import Stored, forget, ingest
from context.models import Document, Source
from context.prepare import Unreadable
from context.search import search

pytestmark = pytest.mark.django_db

LIONS, ZEBRAS = "Lions sleep lying down.", "Zebras sleep standing up."


def addresses(document: Document) -> list[str]:
    return sorted(document.sources.values_list("address", flat=True))


def texts() -> list[str]:
    return sorted(Document.objects.values_list("text", flat=True))


# One address.


def test_what_an_address_holds_is_added_with_what_was_said_of_it() -> None:
    stored = ingest(LIONS, source="a", added_by="ann@example.com", etag='"1"', last_modified="Mon")
    assert (stored.outcome, stored.document.source, stored.document.added_by) == ("added", "a", "ann@example.com")
    source = Source.objects.get(address="a")
    assert (source.document, source.etag, source.last_modified) == (stored.document, '"1"', "Mon")


def test_the_same_again_is_unchanged_and_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ingest(LIONS, source="a", etag="1")
    monkeypatch.delattr(ingest_module, "prepare")
    again = ingest(LIONS, source="a", etag="2")
    assert again == Stored(first.document, "unchanged")
    assert Source.objects.get().etag == "2"


def test_other_bytes_of_the_same_text_are_unchanged() -> None:
    first = ingest(LIONS.encode(), source="a")
    assert ingest(f"{LIONS}\n\n".encode(), source="a") == Stored(first.document, "unchanged")


def test_a_new_text_replaces_the_old_one_under_the_same_id() -> None:
    first = ingest(LIONS, source="a", title="Lions")
    second = ingest(ZEBRAS, source="a", title="Zebras")
    assert (second.outcome, second.document.pk) == ("changed", first.document.pk)
    assert (texts(), search("lions")) == ([ZEBRAS], [])
    assert [hit.title for hit in search("zebras")] == ["Zebras"]


def test_a_change_is_dated_and_an_unchanged_text_is_not() -> None:
    first = ingest(LIONS, source="a").document
    ingest(f"{LIONS} ", source="a")
    first.refresh_from_db()
    before = first.updated_at
    assert ingest(ZEBRAS, source="a").document.updated_at > before


def test_an_address_that_is_forgotten_takes_its_document_along() -> None:
    ingest(LIONS, source="a")
    assert forget("a")
    assert (texts(), search("lions"), Source.objects.count()) == ([], [], 0)


def test_an_address_that_nobody_knows_is_not_forgotten() -> None:
    assert not forget("a")


@pytest.mark.parametrize("source", ["x" * 2001, "ü" * 1001])
def test_an_address_too_long_for_an_index_is_refused(source: str) -> None:
    with pytest.raises(Unreadable, match="address"):
        ingest(LIONS, source=source)
    assert texts() == []


def test_a_strange_address_is_cleaned() -> None:
    assert ingest(LIONS, source=" a\0\ud800 ").document.source == "a\ufffd\ufffd"


# Several addresses.


def test_two_addresses_with_the_same_text_are_one_document() -> None:
    first, second = ingest(LIONS, source="a"), ingest(LIONS, source="b")
    assert second == Stored(first.document, "unchanged")
    assert (addresses(first.document), first.document.source) == (["a", "b"], "a")


def test_of_two_addresses_one_may_change() -> None:
    first = ingest(LIONS, source="a").document
    ingest(LIONS, source="b")
    changed = ingest(ZEBRAS, source="a")
    assert (changed.outcome, addresses(changed.document), addresses(first)) == ("changed", ["a"], ["b"])
    first.refresh_from_db()
    assert (texts(), first.source) == ([LIONS, ZEBRAS], "b")


def test_an_address_that_comes_to_hold_another_s_text_joins_it() -> None:
    ingest(LIONS, source="a")
    zebras = ingest(ZEBRAS, source="b").document
    assert ingest(ZEBRAS, source="a") == Stored(zebras, "changed")
    assert (texts(), addresses(zebras)) == ([ZEBRAS], ["a", "b"])


def test_a_document_outlives_all_but_its_last_address() -> None:
    document = ingest(LIONS, source="a").document
    ingest(LIONS, source="b")
    forget("a")
    assert (addresses(document), texts()) == (["b"], [LIONS])
    forget("b")
    assert texts() == []


@pytest.mark.parametrize("first", ["", "a"])
def test_a_posted_text_outlives_its_addresses(first: str) -> None:
    for source in (first, "" if first else "a"):
        ingest(LIONS, source=source)
    ingest(ZEBRAS, source="a")
    assert texts() == [LIONS, ZEBRAS]


def test_a_posted_text_gets_the_address_where_it_is_found_later() -> None:
    ingest(LIONS)
    assert ingest(LIONS, source="a").document.source == "a"


# At once.


def together(*jobs: tuple[str, str]) -> None:
    """Stores each text from its address, all at the same moment."""
    start = threading.Barrier(len(jobs))

    def run(text: str, source: str) -> None:
        try:
            start.wait()
            ingest(text, source=source)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(run, *job) for job in jobs]:
            done.result()


@pytest.mark.django_db(transaction=True)
def test_an_address_read_many_times_at_once_has_one_document() -> None:
    together(*[(f"{LIONS} {number}", "a") for number in range(8)])
    assert (len(texts()), Source.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_text_read_from_many_addresses_at_once_is_one_document() -> None:
    together(*[(LIONS, str(number)) for number in range(8)])
    assert (texts(), Source.objects.count()) == ([LIONS], 8)


@pytest.mark.django_db(transaction=True)
def test_two_addresses_may_exchange_their_texts() -> None:
    for turn in range(10):
        one, other = (LIONS, ZEBRAS) if turn % 2 else (ZEBRAS, LIONS)
        together((one, "a"), (other, "b"))
        assert {source.address: source.document.text for source in Source.objects.all()} == {"a": one, "b": other}
    assert texts() == [LIONS, ZEBRAS]

"""context/search.py: a question finds the chunks that answer it."""

import pytest

from context.ingest import ingest
from context.search import MAX_CHUNKS, search

pytestmark = pytest.mark.django_db

JUNGLE = "George is the king of the jungle. He likes hats and eats snails."
OTHERS = (
    "The invoice is due within thirty days of delivery.",
    "Penguins breed in colonies on the Antarctic coast.",
    "Version 4.2 of the importer reads semicolon-separated files.",
    "Die Rechnung ist innerhalb von dreißig Tagen zu bezahlen. Königspinguine brüten in Kolonien.",
)


@pytest.fixture(autouse=True)
def documents() -> None:
    for text in (JUNGLE, *OTHERS):
        ingest(text)


def best(question: str) -> str:
    """The text that is found first, nothing where nothing is found."""
    found = search(question)
    return found[0].text if found else ""


@pytest.mark.parametrize(
    "question",
    [
        "Who is the king of the jungle?",
        "who rules as king in a jungle, please tell me",
        "Tell me everything you know about George!",
        "Does anybody here eat a snail?",
        "KING",
        "kings and jungles",
        "Hi, I have been wondering for a while: which animals or people like wearing a hat?",
    ],
)
def test_a_natural_question_finds_its_passage(question: str) -> None:
    assert best(question) == JUNGLE


@pytest.mark.parametrize(
    "question", ["Wann ist die Rechnung zu bezahlen?", "Königspinguine", "KOLONIEN brüten", "dreißig Tage"]
)
def test_a_german_question_finds_a_german_passage(question: str) -> None:
    assert best(question) == OTHERS[3]


def test_a_name_with_punctuation_is_found() -> None:
    assert best("importer 4.2") == OTHERS[2]


def test_the_passage_that_shares_more_words_comes_first() -> None:
    assert [hit.text for hit in search("penguins in colonies, or an invoice")][:2] == [OTHERS[1], OTHERS[0]]


def test_a_hit_says_where_it_comes_from() -> None:
    ingest("Zebras sleep standing up.", title="Zebra facts", source="https://example.com/zebras")
    [hit] = search("How do zebras sleep?")
    assert (hit.title, hit.source) == ("Zebra facts", "https://example.com/zebras")
    assert hit.score > 0


@pytest.mark.parametrize("question", ["", "  \n", "the of and is", "Who is it?", "?!", "🐌", "xyzzy"])
def test_nothing_in_common_finds_nothing(question: str) -> None:
    assert search(question) == []


@pytest.mark.parametrize(
    "sign",
    ["'", "''", "&", "|", "!", "(", ")", ":", ":*", "*", "\\", "\\'", "<->", "<2>", "%", "%s", "%(question)s", '"'],
)
def test_the_signs_of_a_query_language_are_only_signs(sign: str) -> None:
    assert best(f"{sign} king {sign}jungle{sign} !{sign}") == JUNGLE
    assert search(sign) == []


@pytest.mark.parametrize(
    "word", [r"\\server\o'brien", "example.com/o'brien?x='y'", "/home/o'brien/x.txt", "o'brien@example.com"]
)
def test_a_word_with_quotes_and_backslashes_inside_is_found(word: str) -> None:
    ingest(f"Look for {word} in the cellar.")
    assert best(f"What is {word}?") == f"Look for {word} in the cellar."


def test_injected_sql_is_only_words() -> None:
    assert best("'); DROP TABLE context_chunk; -- jungle") == JUNGLE


def test_a_very_long_question_is_answered_from_its_beginning() -> None:
    assert best("Who is the king of the jungle? " + "lorem ipsum " * 100_000) == JUNGLE


def test_no_more_than_asked_for_is_found() -> None:
    for number in range(MAX_CHUNKS + 3):
        ingest(f"Zebra number {number}.")
    assert len(search("zebra")) == MAX_CHUNKS
    assert len(search("zebra", limit=2)) == 2


def test_the_order_is_the_same_every_time() -> None:
    for number in range(5):
        ingest(f"Zebra number {number}.")
    assert search("zebra") == search("zebra")


def test_a_document_that_failed_is_not_found() -> None:
    document = ingest("Zebras sleep standing up.").document
    document.status = document.Status.FAILED
    document.save(update_fields=["status"])
    assert search("zebras") == []


def test_a_document_that_was_deleted_is_not_found() -> None:
    ingest("Zebras sleep standing up.").document.delete()
    assert search("zebras") == []

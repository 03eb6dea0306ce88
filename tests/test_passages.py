"""context/passages.py: what search finds, made fit for a prompt."""

import pytest

from context.ingest import ingest
from context.models import Document
from context.passages import MAX_PASSAGES, MAX_TOKENS, FoundPassage, passages

pytestmark = pytest.mark.django_db

SUMMER = "In summer the museum opens at nine and closes at eight; the garden stays open until dusk."
WINTER = "In winter the museum opens at eleven and closes at four; the garden is closed."
TRAMS = "In winter the trams of line seven run every twenty minutes."
OTHERS = ("The invoice is due within thirty days of delivery.", "Penguins breed in colonies on the Antarctic coast.")


@pytest.fixture(autouse=True)
def documents() -> None:
    for text in (SUMMER, WINTER, TRAMS, *OTHERS):
        ingest(text)


def texts(question: str, before: str = "") -> list[str]:
    return [passage.text for passage in passages(question, before)]


def long_text(words: str, chunks: int) -> str:
    """A text that is cut into about so many chunks, each sentence of its own and with these words."""
    return "\n\n".join(f"Part {number} of {words}: {'detail ' * 12}number {number}." for number in range(chunks * 11))


def only(found: list[FoundPassage]) -> FoundPassage:
    assert len(found) == 1
    return found[0]


def test_the_best_passage_comes_first() -> None:
    assert texts("When does the museum open in winter?")[0] == WINTER


def test_what_hardly_shares_a_word_with_the_question_is_left_out() -> None:
    assert texts("Which colonies did the Roman emperors of the second century lose to their northern neighbours?") == []


def test_what_all_of_a_few_documents_are_about_is_found() -> None:
    Document.objects.all().delete()
    for text in ("Swifts nest under roofs.", "Swifts return in May from Africa.", "Swifts eat insects in flight."):
        ingest(text)
    assert len(texts("Do swifts sleep?")) == 3


def test_a_follow_up_is_searched_with_the_question_before_it() -> None:
    assert texts("and in winter?", "When does the museum open in summer?")[0] == WINTER


def test_a_short_question_about_something_else_still_finds_it() -> None:
    assert OTHERS[1] in texts("Where do penguins breed?", "When does the museum open in winter?")[:2]


def test_a_long_question_stands_for_itself() -> None:
    found = texts("Can you tell me where in the world penguins like to breed?", "When does the museum open?")
    assert found == [OTHERS[1]]


def test_chunks_that_stand_side_by_side_become_one_passage() -> None:
    document = ingest(long_text("the manual of the zeppelin", chunks=3)).document
    passage = only(passages("the manual of the zeppelin"))
    assert len(passage.chunks) > 1
    assert passage.text in document.text


def test_two_documents_that_say_the_same_are_told_once() -> None:
    ingest(f"{WINTER} Thank you.")
    assert sum("museum opens at eleven" in text for text in texts("When does the museum open in winter?")) == 1


def test_there_are_six_passages_at_most() -> None:
    for number in range(MAX_PASSAGES + 4):
        ingest(f"The zeppelin's captain number {number} is {'abcdefghij'[number] * 5}, a friend of {number * 7}.")
    assert len(texts("zeppelin captain")) == MAX_PASSAGES


def test_the_passages_keep_to_the_budget() -> None:
    for name in ("Anna", "Berta", "Clara"):
        ingest(long_text(f"the zeppelin that {name} built", chunks=6))
    found = passages("Which zeppelin was built?")
    assert MAX_TOKENS / 2 < sum(len(passage.text) for passage in found) / 4 <= MAX_TOKENS


def test_a_passage_says_where_it_stands() -> None:
    ingest(b"# Guide\n\n## Zeppelins\n\nA zeppelin needs helium.", name="guide.md", source="file:guide.md")
    passage = only(passages("What does a zeppelin need?"))
    assert (passage.title, passage.source, passage.heading) == ("Guide", "file:guide.md", "Guide > Zeppelins")


def test_a_disabled_document_is_out_with_the_next_question() -> None:
    Document.objects.filter(text=WINTER).update(enabled=False)
    assert WINTER not in texts("When does the museum open in winter?")

"""Questions that are alike stand together."""

from collections.abc import Iterable

import pytest

from context.ingest import ingest
from operators.unanswered import reads
from operators.unanswered.likeness import grouped

STOPS = {"how", "do", "i", "get", "a", "an", "my", "can", "the", "is", "what", "for", "you", "to", "are", "your", "of"}


def stems(words: Iterable[str]) -> dict[str, str]:
    return {word: "" if word in STOPS else word for word in words}


def groups(*texts: str) -> list[set[str]]:
    return [{texts[place] for place in places} for places in grouped(texts, stems)]


@pytest.mark.parametrize(
    "alike",
    [
        ("How do I get a refund?", "refund"),
        ("How do I get a refund?", "HOW CAN I GET MY REFUNDS???"),
        ("Is parking free?", "Is the parking free for you?"),
        ("Wie sind die Öffnungszeiten?", "die öffnungszeiten, wie?"),
        ("退款政策是什么", "退款政策"),
        ("Где моя посылка?", "где посылка моя"),
    ],
)
def test_questions_of_the_same_words_are_one_group(alike: tuple[str, str]) -> None:
    assert groups(*alike, "Something else entirely") == [set(alike), {"Something else entirely"}]


@pytest.mark.parametrize(
    "different",
    [
        ("How do I get a refund?", "How do I get a key?"),
        ("What is the price of parking?", "What is the price of breakfast?"),
        ("退款政策", "营业时间"),
    ],
)
def test_questions_that_share_only_the_asking_are_not(different: tuple[str, str]) -> None:
    assert len(groups(*different, "Is parking free?", "When is breakfast?", "Where is the key?")) >= 4
    assert not any(group >= set(different) for group in groups(*different))


def test_what_has_only_words_of_everywhere_is_still_known_by_them() -> None:
    assert groups("what is a", "how do you", "what is a") == [{"what is a"}, {"how do you"}]


def test_nothing_is_no_group() -> None:
    assert grouped([], stems) == []


def test_texts_without_words_stand_alone() -> None:
    assert grouped(["", "?!"], stems) == [[0], [1]]


def test_each_of_the_most_at_once_is_in_one_group() -> None:
    texts = [f"word{number % 900} other{number % 800} third{number % 7}" for number in range(reads.MAX_QUESTIONS)]
    found = [place for group in grouped(texts, stems) for place in group]
    assert sorted(found) == list(range(reads.MAX_QUESTIONS))


@pytest.mark.django_db
def test_words_have_the_stems_of_english_and_of_the_documents_languages() -> None:
    assert reads.stems(["the", "shipping", "der"]) == {"the": "", "shipping": "ship", "der": "der"}
    ingest("Die Katze sitzt auf dem Dach und wartet, bis es regnet.", title="Katze")
    assert reads.stems(["der", "Katzen"]) == {"der": "", "Katzen": "katz"}

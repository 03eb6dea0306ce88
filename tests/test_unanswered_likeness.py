"""Questions that are alike stand together."""

from collections.abc import Iterable

import pytest

from operators.unanswered import reads
from operators.unanswered.likeness import grouped

STOPS = {"how", "do", "i", "get", "a", "an", "my", "can", "the", "is", "what", "for", "you", "to", "are", "your", "of"}


def stop_words(words: Iterable[str]) -> set[str]:
    return STOPS & set(words)


def groups(*texts: str) -> list[set[str]]:
    return [{texts[place] for place in places} for places in grouped(texts, stop_words)]


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
    assert grouped([], stop_words) == []


def test_texts_without_words_stand_alone() -> None:
    assert grouped(["", "?!"], stop_words) == [[0], [1]]


def test_each_of_the_most_at_once_is_in_one_group() -> None:
    texts = [f"word{number % 900} other{number % 800} third{number % 7}" for number in range(reads.MAX_QUESTIONS)]
    found = [place for group in grouped(texts, stop_words) for place in group]
    assert sorted(found) == list(range(reads.MAX_QUESTIONS))


@pytest.mark.django_db
def test_english_and_the_documents_languages_have_words_of_everywhere() -> None:
    assert reads.stop_words(["the", "refund", "der"]) == {"the"}

"""Search by words and by meaning together, and what is left of it where embeddings fail."""

import asyncio
import io

import pytest
from django.core.management import call_command

from context.embeddings import QuestionVector
from context.ingest import ingest
from context.search import Mode, asearch, search, search_with

pytestmark = pytest.mark.django_db

QUESTION = "How do zebras sleep?"
TEXTS = ("Zebras sleep standing up.", "Striped horses doze upright.", "Zebras eat grass.", "The invoice is due.")
VECTOR = QuestionVector(1, (1.0,))


@pytest.fixture
def chunks() -> list[int]:
    return [ingest(text).document.chunks.get().pk for text in TEXTS]


@pytest.fixture
def meaning(monkeypatch: pytest.MonkeyPatch, chunks: list[int]) -> dict[int, float]:
    """What is near to any question in meaning, for a test to change."""
    near = {chunks[1]: 0.9, chunks[0]: 0.7, chunks[3]: 0.1}
    monkeypatch.setattr("context.search.nearest", lambda _, limit: list(near.items())[:limit])
    monkeypatch.setattr("context.search.embed_question", lambda _: VECTOR)
    return near


def found(mode: Mode | None = None, limit: int = 6) -> list[str]:
    return [hit.text for hit in search(QUESTION, limit, mode)]


@pytest.mark.usefixtures("meaning")
def test_what_fits_by_words_and_by_meaning_comes_first() -> None:
    assert found() == [TEXTS[0], TEXTS[1], TEXTS[2], TEXTS[3]]


@pytest.mark.usefixtures("meaning")
def test_each_way_may_be_asked_for_alone() -> None:
    assert found("lexical") == [TEXTS[0], TEXTS[2]]
    assert found("dense") == [TEXTS[1], TEXTS[0], TEXTS[3]]
    assert found("hybrid") == found()


@pytest.mark.parametrize("mode", ["lexical", "dense", "hybrid"])
@pytest.mark.usefixtures("meaning")
def test_no_more_than_asked_for_is_found(mode: Mode) -> None:
    assert len(found(mode, limit=1)) == 1


@pytest.mark.usefixtures("meaning")
def test_scores_go_from_zero_to_one_and_are_a_weighted_sum() -> None:
    scores = [hit.score for hit in search(QUESTION)]
    assert scores[0] == pytest.approx(0.65 + 0.35 * 0.75)
    assert scores[1] == pytest.approx(0.35)
    assert scores[-1] == 0


@pytest.mark.usefixtures("meaning")
def test_a_hit_says_how_near_it_is_by_words_and_by_meaning() -> None:
    both, by_meaning, by_words, _ = search(QUESTION)
    assert (both.coverage, both.similarity) == (1.0, 0.7)
    assert (by_meaning.coverage, by_meaning.similarity) == (0.0, 0.9)
    assert (0 < by_words.coverage < 1, by_words.similarity) == (True, None)


def test_a_question_without_known_words_is_found_by_meaning(meaning: dict[int, float]) -> None:
    assert [hit.similarity for hit in search("xyzzy")] == list(meaning.values())


def test_equal_similarities_and_a_single_hit_are_no_trouble(meaning: dict[int, float], chunks: list[int]) -> None:
    meaning.clear()
    meaning |= {chunks[1]: 0.5}
    assert found()[:2] == [TEXTS[0], TEXTS[1]]


def test_a_chunk_that_went_meanwhile_is_left_out(meaning: dict[int, float]) -> None:
    meaning[0] = 0.8
    assert len(found()) == len(TEXTS)


@pytest.mark.parametrize("mode", [None, "hybrid", "dense"])
def test_without_a_vector_or_hits_words_alone_decide(mode: Mode | None, meaning: dict[int, float]) -> None:
    meaning.clear()
    assert found(mode) == [TEXTS[0], TEXTS[2]]
    assert [hit.text for hit in search_with(None, QUESTION, mode=mode)] == [TEXTS[0], TEXTS[2]]


def test_by_words_alone_no_vector_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("context.search.embed_question")
    assert search(QUESTION, mode="lexical") == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("meaning")
def test_asynchronous_code_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async def embed(_: str) -> QuestionVector:
        return VECTOR

    monkeypatch.setattr("context.search.aembed_question", embed)
    assert asyncio.run(asearch(QUESTION)) == search(QUESTION)
    assert asyncio.run(asearch(QUESTION, mode="lexical")) == search(QUESTION, mode="lexical")


@pytest.mark.parametrize("mode", ["hybrid", "dense"])
@pytest.mark.usefixtures("chunks")
def test_the_command_says_where_there_is_no_meaning_to_go_by(mode: str) -> None:
    output, errors = io.StringIO(), io.StringIO()
    call_command("search_context", QUESTION, mode=mode, stdout=output, stderr=errors)
    assert TEXTS[0] in output.getvalue()
    assert errors.getvalue() == "There are no embeddings to search by; this is found by words alone.\n"

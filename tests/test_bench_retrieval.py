"""bench.retrieval: how the figures of search are counted."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from bench.retrieval_collections import Collection, Figures, RankedChunk, Span, mean, read_collections
from tests.conftest import ROOT


def chunk(*documents: str, start: int = 0, end: int = 1000) -> RankedChunk:
    return RankedChunk(documents, start, end)


DOCUMENTS = Collection("documents", {}, {}, {"q": {"a", "b"}}, {})
SPANS = Collection("spans", {}, {}, {"q": {"a"}}, {"q": Span("a", 100, 700)})


def test_all_right_documents_first_is_perfect() -> None:
    assert DOCUMENTS.judge("q", [chunk("a"), chunk("b"), chunk("c")]) == Figures(1, 1, 1, 1)


def test_nothing_found_is_nothing() -> None:
    assert DOCUMENTS.judge("q", []) == Figures(0, 0, 0, 0)


def test_a_right_document_counts_less_the_later_it_comes() -> None:
    found = DOCUMENTS.judge("q", [chunk("c"), chunk("d"), chunk("a")])
    assert found.ndcg == pytest.approx(0.5 / (1 + 1 / math.log2(3)))
    assert (found.recall, found.hit2, found.hit5) == (0.5, 0, 1)


def test_a_document_ranks_by_its_best_chunk() -> None:
    assert DOCUMENTS.judge("q", [chunk("a"), chunk("a"), chunk("a"), chunk("b")]).ndcg == 1


def test_a_document_after_the_tenth_does_not_count() -> None:
    others = [chunk(str(number)) for number in range(10)]
    assert DOCUMENTS.judge("q", [*others, chunk("a")]) == Figures(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("start", "end", "is_right"),
    [(0, 1000, True), (100, 300, True), (0, 299, False), (500, 1900, True), (501, 1900, False), (700, 900, False)],
)
def test_a_chunk_with_enough_of_the_answer_is_right(start: int, end: int, is_right: bool) -> None:
    assert SPANS.judge("q", [chunk("a", start=start, end=end)]).hit2 == is_right
    assert SPANS.judge("q", [chunk("b", start=start, end=end)]).hit2 == 0


def test_the_rank_of_the_first_right_chunk_counts() -> None:
    assert SPANS.judge("q", [chunk("b"), chunk("a")]).ndcg == pytest.approx(1 / math.log2(3))


def test_the_mean_is_that_of_each_figure() -> None:
    assert mean([Figures(1, 1, 0, 0), Figures(0, 0.5, 0, 1)]) == Figures(0.5, 0.75, 0, 0.5)


def test_a_collection_is_read_from_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    lines = [{"_id": "a", "title": "Lions", "text": "They sleep."}, {"_id": "b", "title": "", "text": "Zebras."}]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "Who?"}\n{"_id": "unjudged", "text": "What?"}\n')
    (folder / "qrels.tsv").write_text("q\ta\t1\nq\tb\t0\n")
    texts = {"a": "Lions\nThey sleep.", "b": "Zebras."}
    assert list(read_collections(tmp_path)) == [Collection("tiny", texts, {"q": "Who?"}, {"q": {"a"}}, {})]


def test_a_folder_without_collections_is_told_in_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.retrieval", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert str(tmp_path) in done.stderr

"""A collection of documents, questions and judgements, and how well a ranking of chunks answers a question."""

import csv
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Span:
    """Where the answer stands, in characters of a document's text."""

    document: str
    start: int
    end: int


@dataclass(frozen=True)
class RankedChunk:
    """A chunk that was found; ``documents`` are the collection's names for its text, several where it has it twice."""

    documents: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Figures:
    """The measures of one question, or their means."""

    ndcg: float
    recall: float
    hit2: float
    hit5: float


@dataclass(frozen=True)
class Collection:
    name: str
    texts: dict[str, str]
    questions: dict[str, str]
    right: dict[str, set[str]]
    spans: dict[str, Span]

    def judge(self, question: str, ranked: list[RankedChunk]) -> Figures:
        """The measures for the chunks found for a question, best first."""
        hits = [self._is_right(question, chunk) for chunk in ranked]
        first = hits.index(True) if True in hits else len(ranked) + 1000
        if question in self.spans:
            ndcg, recall = (1 / math.log2(first + 2) if first < len(ranked) else 0.0), float(first < 10)
        else:
            ndcg, recall = self._by_document(question, ranked)
        return Figures(ndcg, recall, float(first < 2), float(first < 5))

    def _is_right(self, question: str, chunk: RankedChunk) -> bool:
        if not (span := self.spans.get(question)):
            return not self.right[question].isdisjoint(chunk.documents)
        overlap = min(chunk.end, span.end) - max(chunk.start, span.start)
        return span.document in chunk.documents and overlap >= min((span.end - span.start) / 2, 200)

    def _by_document(self, question: str, ranked: list[RankedChunk]) -> tuple[float, float]:
        right = self.right[question]
        documents = list(dict.fromkeys(name for chunk in ranked for name in chunk.documents))[:10]
        gain = sum(1 / math.log2(rank + 2) for rank, name in enumerate(documents) if name in right)
        ideal = sum(1 / math.log2(rank + 2) for rank in range(min(10, len(right))))
        return gain / ideal, len(right.intersection(documents)) / len(right)


def mean(figures: list[Figures]) -> Figures:
    columns = zip(*(vars(each).values() for each in figures), strict=True)
    return Figures(*(sum(column) / len(figures) for column in columns))


def read_collections(folder: Path) -> Iterator[Collection]:
    """The collections in the folder, in the order of their names."""
    for corpus in sorted(folder.glob("*/corpus.jsonl")):
        yield _read(corpus.parent)


def _read(folder: Path) -> Collection:
    right: dict[str, set[str]] = defaultdict(set)
    with (folder / "qrels.tsv").open(newline="") as file:
        for question, document, grade in csv.reader(file, delimiter="\t"):
            if int(grade) > 0:
                right[question].add(document)
    questions = {line["_id"]: line["text"] for line in _lines(folder / "queries.jsonl")}
    return Collection(
        folder.name,
        {line["_id"]: f"{line['title']}\n{line['text']}".lstrip("\n") for line in _lines(folder / "corpus.jsonl")},
        {key: text for key, text in questions.items() if key in right},
        dict(right),
        {line["qid"]: Span(line["doc"], line["start"], line["end"]) for line in _lines(folder / "spans.jsonl")},
    )


def _lines(path: Path) -> Iterable[dict[str, Any]]:
    """The objects of a file of JSON lines; none where there is no such file."""
    if path.exists():
        with path.open() as file:
            yield from map(json.loads, file)

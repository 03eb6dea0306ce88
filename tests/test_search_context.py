"""manage.py search_context: what would be found, for people and for scripts."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from context.ingest import ingest

pytestmark = pytest.mark.django_db

JUNGLE = "George is the king of the jungle. He likes hats and eats snails."


@pytest.fixture(autouse=True)
def documents() -> None:
    ingest(JUNGLE, title="About George", source="https://example.com/george")
    for number in range(9):
        ingest(f"Zebra number {number} sleeps standing up.", title=f"Zebra {number}")


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command("search_context", *arguments, stdout=output)
    return output.getvalue()


def asked(monkeypatch: pytest.MonkeyPatch, lines: bytes, *arguments: str) -> list[dict[str, Any]]:
    """What is answered to the lines on standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))
    return [json.loads(line) for line in run("-", *arguments).splitlines()]


def test_what_is_found_is_shown_with_score_and_source() -> None:
    shown = run("Who is the king of the jungle?")
    assert "1. About George · https://example.com/george" in shown
    assert "score " in shown
    assert JUNGLE in shown


def test_nothing_found_is_said() -> None:
    assert run("xyzzy") == "Nothing was found.\n"


def test_a_long_chunk_is_shortened() -> None:
    ingest("Lions roar. " * 100)
    assert max(map(len, run("lions").splitlines())) < 400


def test_no_more_is_shown_than_asked_for() -> None:
    assert run("zebra", "--limit", "2").count("score") == 2
    assert run("zebra").count("score") == 6


@pytest.mark.parametrize("limit", ["0", "-1", "x"])
def test_a_limit_that_is_none_is_refused(limit: str) -> None:
    with pytest.raises(CommandError):
        run("zebra", f"--limit={limit}")


def test_json_is_one_line_with_the_agreed_names() -> None:
    [line] = run("Who is the king?", "--json").splitlines()
    answer = json.loads(line)
    assert answer["question"] == "Who is the king?"
    [chunk] = answer["chunks"]
    assert set(chunk) == {"text", "score", "title", "source", "document"}
    assert (chunk["text"], chunk["source"]) == (JUNGLE, "https://example.com/george")


def test_each_line_of_standard_input_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = asked(monkeypatch, "king\nwhich zebra?\r\nKönig".encode(), "--limit", "3")
    assert [answer["question"] for answer in answers] == ["king", "which zebra?", "König"]
    assert [len(answer["chunks"]) for answer in answers] == [1, 3, 0]


def test_strange_lines_are_answered_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = asked(monkeypatch, b"\n \xff\xfe king \x00\n\n" + b"x" * 100_000 + b"\nking\n")
    assert [len(answer["chunks"]) for answer in answers] == [0, 1, 0, 0, 1]


def test_an_answer_comes_before_the_next_question(monkeypatch: pytest.MonkeyPatch) -> None:
    output, seen = io.StringIO(), list[int]()

    def questions() -> Any:
        for _ in range(3):
            yield b"king\n"
            seen.append(len(output.getvalue().splitlines()))

    monkeypatch.setattr("sys.stdin", type("Input", (), {"buffer": questions()}))
    call_command("search_context", "-", stdout=output)
    assert seen == [1, 2, 3]


def test_the_mode_may_be_chosen() -> None:
    assert "About George" in run("king", "--mode", "lexical")
    with pytest.raises(CommandError):
        run("king", "--mode", "psychic")

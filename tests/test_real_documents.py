"""Real files of many kinds and languages, by the real commands, in a database that nobody has prepared."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.commands import empty_database
from tests.conftest import ROOT

DOCUMENTS = "tests/documents"
QUESTIONS: dict[str, dict[str, str]] = json.loads((ROOT / f"{DOCUMENTS}_questions.json").read_text())
CASES = [(name, question, phrase) for name, asked in QUESTIONS.items() for question, phrase in asked.items()]

# By its words alone this question fits a list of weather stations better, of which one lost its anemometer.
PLACES = {"How high was the anemometer that measured the wind?": 2}


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The address of a new, empty database on the server of the tests."""
    with empty_database() as address:
        yield address


def manage(database: str, *arguments: str, asked: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database, "INTERNAL_API_KEY": ""},
        input=asked,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def answers(database: str) -> dict[str, Any]:
    """What is found for each question, after all was seeded."""
    assert manage(database, "list_context") == "0 documents.\n"
    count = len(list((ROOT / DOCUMENTS).iterdir()))
    assert manage(database, "seed_context", DOCUMENTS).startswith(f"{count} added, 0 changed")
    lines = manage(database, "search_context", "--json", "-", asked="\n".join(case[1] for case in CASES)).splitlines()
    return {answer["question"]: answer["chunks"] for answer in map(json.loads, lines)}


@pytest.mark.parametrize(("name", "question", "phrase"), CASES)
def test_the_right_passage_comes_first(answers: dict[str, Any], name: str, question: str, phrase: str) -> None:
    hit = answers[question][PLACES.get(question, 1) - 1]
    assert hit["source"] == f"{DOCUMENTS}/{name}"
    assert " ".join(phrase.split()) in " ".join(hit["text"].split())

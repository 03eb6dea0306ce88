"""Files that come with a question as they are: the agent takes their text out."""

import base64
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import ROOT
from tests.fake_provider import FakeProvider

MESSAGE = "/api/chat/message"


def upload(path: str, head: str = "") -> dict[str, str]:
    data = base64.b64encode((ROOT / "tests" / path).read_bytes()).decode()
    return {"type": "file", "name": Path(path).name, "base64": head + data}


def ask(person: httpx2.Client, *blocks: dict[str, Any]) -> httpx2.Response:
    return person.post(MESSAGE, json={"content": [*blocks, {"type": "text", "text": "What does it say?"}]}, timeout=90)


@pytest.mark.parametrize(
    ("path", "words"),
    [("documents/swifts.pdf", "swift"), ("documents/returns.docx", "return"), ("documents/fleet.xlsx", "|")],
)
def test_the_model_gets_the_text_of_a_file(
    path: str, words: str, person: httpx2.Client, provider: FakeProvider
) -> None:
    assert ask(person, upload(path)).status_code == 200
    assert words in str(provider.requests[-1].json["messages"][-1]["content"]).lower()


def test_the_history_has_the_file_with_its_text(person: httpx2.Client) -> None:
    ask(person, upload("documents/swifts.pdf"))
    block = person.get("/api/chat/history").json()["data"][0]["content"][0]
    assert (block["name"], block.keys()) == ("swifts.pdf", {"type", "name", "text"})


def test_a_data_url_is_understood(person: httpx2.Client) -> None:
    assert ask(person, upload("documents/returns.docx", "data:application/msword;base64,")).status_code == 200


@pytest.mark.parametrize("path", ["unreadable/scan.pdf", "unreadable/legacy.doc"])
def test_what_cannot_be_read_is_a_sentence_and_no_question(path: str, person: httpx2.Client) -> None:
    response = ask(person, upload(path))
    assert (response.status_code, response.json()["error"].split(":")[0]) == (422, Path(path).name)
    assert person.get("/api/chat/history").json()["data"] == []


@pytest.mark.parametrize("data", ["", "not base64", "data:nonsense,abc", "data:;base64,%%"])
def test_what_is_no_base64_is_400(data: str, person: httpx2.Client) -> None:
    response = ask(person, {"type": "file", "name": "a.pdf", "base64": data})
    assert (response.status_code, "content[0].base64" in response.json()["error"]) == (400, True)


def test_text_counts_where_both_are_given(person: httpx2.Client, provider: FakeProvider) -> None:
    ask(person, {"type": "file", "name": "a.pdf", "text": "the words themselves", "base64": "????"})
    assert "the words themselves" in str(provider.requests[-1].json["messages"][-1]["content"])


def test_a_message_takes_ten_of_them(person: httpx2.Client) -> None:
    block = {"type": "file", "name": "a.txt", "base64": base64.b64encode(b"words").decode()}
    assert [ask(person, *[block] * count).status_code for count in (10, 11)] == [200, 422]

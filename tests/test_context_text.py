"""POST /api/context/text: what the agent is given to know, and how it comes up again."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.conftest import Serve, Server, chunks
from tests.fake_provider import FakeProvider

GEORGE = "George is the king of the jungle. He likes hats and eats snails."


def add(person: httpx2.Client, **body: object) -> httpx2.Response:
    return person.post("/api/context/text", json=body)


def added(person: httpx2.Client, **body: object) -> dict[str, Any]:
    answer = add(person, **body)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def prompt(person: httpx2.Client, provider: FakeProvider, question: str) -> str:
    """The instructions that the model got with a question."""
    person.post("/api/chat/message", json={"message": question})
    return str(provider.requests[-1].messages[0]["content"])


@pytest.fixture
def word() -> str:
    """A word that stands in no other test's text."""
    return f"w{uuid.uuid4().hex}"


# The platform's own try-out.


@pytest.fixture
def newcomer(serve: Serve) -> Server:
    """A server without any provider."""
    return serve()


def test_george_is_in_the_offline_answer(newcomer: Server, email: str) -> None:
    with newcomer.client(email) as person:
        added(person, text=GEORGE)
        answer = person.post("/api/chat/message", json={"message": "Who is the king of the jungle?"}).json()
    assert "George" in answer["data"]["content"][0]["text"]


def test_george_is_in_the_offline_stream_word_by_word(newcomer: Server, email: str) -> None:
    with newcomer.client(email) as person:
        added(person, text=GEORGE)
        body = {"message": "Who is the king of the jungle?"}
        with person.stream("POST", "/api/chat/message/stream", json=body) as response:
            said = [str(event["chunk"]) for event in chunks(response)]
    assert "George" in "".join(said)
    assert len(said) > 10


def test_the_offline_answer_says_that_no_model_is_set_up(newcomer: Server, email: str) -> None:
    with newcomer.client(email) as person:
        answer = person.post("/api/chat/message", json={"message": "Hello"}).json()
    assert "No model is set up yet" in answer["data"]["content"][0]["text"]


def test_george_is_in_the_models_prompt(person: httpx2.Client, provider: FakeProvider) -> None:
    added(person, text=GEORGE)
    assert GEORGE in prompt(person, provider, "Who is the king of the jungle?")


# What is answered.


def test_the_answer_describes_the_document(person: httpx2.Client, word: str) -> None:
    document = added(person, text=f"About {word}.\nMore of it.")
    assert document == {
        "id": document["id"],
        "title": f"About {word}.",
        "source": "",
        "status": "ready",
        "chunks": 1,
        "characters": 52,
    }


def test_a_title_may_be_given(person: httpx2.Client, word: str) -> None:
    assert added(person, text=word, title="Handbook")["title"] == "Handbook"


@pytest.mark.parametrize("title", ["", "  ", "\n"])
def test_without_a_title_the_first_line_is_it(person: httpx2.Client, word: str, title: str) -> None:
    assert added(person, text=f"\n {word} \nmore", title=title)["title"] == word


def test_a_long_first_line_is_shortened(person: httpx2.Client, word: str) -> None:
    title = added(person, text=f"{word} {'x' * 500}")["title"]
    assert (len(title), title[-1]) == (80, "…")


def test_the_same_text_again_is_the_same_document(person: httpx2.Client, word: str) -> None:
    assert added(person, text=word) == added(person, text=f"  {word}\n")


def test_the_same_text_at_once_is_one_document(server: Server, email: str, word: str) -> None:
    text = f"{word} " * 2000
    with server.client(email) as person, ThreadPoolExecutor(8) as pool:
        documents = list(pool.map(lambda _: added(person, text=text), range(8)))
    assert {tuple(document.items()) for document in documents} == {tuple(documents[0].items())}


def test_a_long_text_becomes_many_chunks(person: httpx2.Client, word: str) -> None:
    document = added(person, text=f"{word} and more words. " * 5000)
    assert document["chunks"] > document["characters"] // 1400


def test_megabytes_become_chunks_in_seconds(person: httpx2.Client, word: str) -> None:
    document = added(person, text=f"{word} " * 90_000)
    assert document["chunks"] > 2000


def test_a_text_may_be_added_by_nobody_in_particular(server: Server, word: str) -> None:
    with server.client() as person:
        assert added(person, text=word)["status"] == "ready"


# What is found again.


@pytest.mark.parametrize(
    "question",
    [
        "{word}",
        "{word}?",
        "What do you know about {word}, please, and everything around it?",
        "WHAT ABOUT {upper}",
        "' | & ! ( ) : * <-> \\ {word} '",
        "{word} " + "and so on " * 500,
    ],
)
def test_a_natural_question_finds_the_text(
    person: httpx2.Client, provider: FakeProvider, word: str, question: str
) -> None:
    added(person, text=f"The secret of {word} is in this sentence.")
    asked = question.format(word=word, upper=word.upper())
    assert f"The secret of {word}" in prompt(person, provider, asked)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("The whales {word} are swimming in the sea", "Which whale {other} swims?"),
        ("Der Schlüssel {word} liegt unter der Matte", "Wo ist der Schlüssel?"),
        ("Ключ {word} лежит под ковриком", "Где ключ?"),
    ],
)
def test_one_word_in_common_is_enough(
    person: httpx2.Client, provider: FakeProvider, word: str, text: str, question: str
) -> None:
    added(person, text=text.format(word=word))
    assert word in prompt(person, provider, question.format(other="nonsense"))


def test_a_passage_deep_in_a_long_text_is_found(person: httpx2.Client, provider: FakeProvider, word: str) -> None:
    filler = "Nothing of interest stands here. " * 3000
    added(person, text=f"{filler}\n\nThe answer is {word}.\n\n{filler}")
    assert f"The answer is {word}." in prompt(person, provider, f"What about {word}?")


def test_what_everybody_added_is_known_to_everybody(
    server: Server, person: httpx2.Client, email: str, provider: FakeProvider, word: str
) -> None:
    added(person, text=f"All about {word}")
    with server.client(f"other-{email}") as other:
        assert f"All about {word}" in prompt(other, provider, word)


@pytest.mark.parametrize("question", ["the of and", "???", "\\", "''", "   ."])
def test_a_question_without_words_finds_nothing_and_harms_nothing(
    person: httpx2.Client, provider: FakeProvider, question: str
) -> None:
    added(person, text="the of and ???")
    assert "Reference passages" not in prompt(person, provider, question)


def test_a_question_about_nothing_known_gets_no_passages(
    person: httpx2.Client, provider: FakeProvider, word: str
) -> None:
    assert "Reference passages" not in prompt(person, provider, word)


@pytest.mark.parametrize("strange", ["\x00", "a\x00b\x00", "<script>alert(1)</script>", "{{ user_email }}", "x" * 5000])
def test_a_strange_text_does_not_spoil_the_others(
    person: httpx2.Client, provider: FakeProvider, word: str, strange: str
) -> None:
    added(person, text=f"{strange} {word}strange")
    added(person, text=f"All about {word}")
    assert f"All about {word}" in prompt(person, provider, word)


# What is malformed.


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "text: This field is required."),
        ({"text": None}, "text: This field may not be null."),
        ({"text": ""}, "text: This field may not be blank."),
        ({"text": " \n\t"}, "text: is blank: send some words."),
        ({"text": 1}, "text: must be a string."),
        ({"text": True}, "text: must be a string."),
        ({"text": ["a"]}, "text: must be a string."),
        ({"text": {"a": 1}}, "text: must be a string."),
        ({"text": "a", "title": 1}, "title: must be a string."),
        ({"text": "a", "title": None}, "title: This field may not be null."),
        ({"text": "a", "title": "x" * 501}, "title: Ensure this field has no more than 500 characters."),
    ],
)
def test_what_is_malformed_is_400_with_field_and_reason(
    person: httpx2.Client, body: dict[str, object], sentence: str
) -> None:
    answer = add(person, **body)
    assert (answer.status_code, answer.json()) == (400, {"success": False, "error": sentence})

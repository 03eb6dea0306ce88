"""POST /api/chat/message: a question, and its whole answer."""

import httpx2

from tests.fake_provider import FakeProvider, text


def ask(person: httpx2.Client, words: str) -> httpx2.Response:
    return person.post("/api/chat/message", json={"content": [{"type": "text", "text": words}]})


def test_the_answer_comes_in_the_envelope(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(text("Hello there"))
    answer = ask(person, "Hi").json()
    assert answer["success"] is True
    assert answer["data"]["role"] == "assistant"
    assert answer["data"]["content"] == [{"type": "text", "text": "Hello there"}]


def test_the_answer_is_the_one_in_the_history(person: httpx2.Client) -> None:
    answer = ask(person, "Hi").json()["data"]
    assert person.get("/api/chat/history").json()["data"][-1] == answer


def test_the_model_gets_the_earlier_turns(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(text("Nice to meet you"), text("You are Ann"))
    ask(person, "I am Ann")
    ask(person, "Who am I?")
    said = [message["content"] for message in provider.requests[-1].json["messages"][1:]]
    assert said == ["I am Ann", "Nice to meet you", "Who am I?"]


def test_the_same_question_may_come_as_plain_text(person: httpx2.Client) -> None:
    person.post("/api/chat/message", json={"message": "Hi"})
    person.post("/api/chat/message", json={"content": "Hi"})
    assert [message["content"] for message in person.get("/api/chat/history").json()["data"][::2]] == [
        [{"type": "text", "text": "Hi"}]
    ] * 2

"""CHAT_RATE and CONTEXT_RATE: how often one person may call."""

import httpx2
import pytest

from tests.conftest import Serve, Server
from tests.fake_provider import FakeProvider

CHAT = ["/api/chat/message", "/api/chat/message/stream"]


@pytest.fixture
def strict(serve: Serve, provider: FakeProvider) -> Server:
    """Two messages and two texts an hour."""
    return serve(
        CHAT_RATE="2/hour",
        CONTEXT_RATE="2/hour",
        ALLOW_ANONYMOUS="true",
        PROVIDER_NAME="fake",
        PROVIDER_MODEL="fake",
        PROVIDER_BASE_URL=provider.base_url,
    )


def statuses(server: Server, email: str | None, *paths: str, address: str = "") -> list[int]:
    """What the calls got, one after the other; who has no e-mail sends no key either."""
    with server.client(email, key="test-key" if email else None) as person:
        headers = {"X-Forwarded-For": address} if address else {}
        return [
            person.post(path, json={"message": "Hi", "text": "Some words."}, headers=headers).status_code
            for path in paths
        ]


@pytest.mark.parametrize("path", CHAT)
def test_one_message_too_many_is_429(strict: Server, email: str, path: str) -> None:
    assert statuses(strict, email, path, path, path) == [200, 200, 429]


def test_message_and_stream_count_together(strict: Server, email: str) -> None:
    assert statuses(strict, email, *CHAT, *CHAT) == [200, 200, 429, 429]


def test_texts_count_by_themselves(strict: Server, email: str) -> None:
    text = "/api/context/text"
    assert statuses(strict, email, CHAT[0], CHAT[0], text, text, text) == [200, 200, 200, 200, 429]


@pytest.mark.parametrize("path", [*CHAT, "/api/context/text"])
def test_a_429_is_in_the_envelope_and_says_how_long_to_wait(strict: Server, email: str, path: str) -> None:
    statuses(strict, email, path, path)
    with strict.client(email) as person:
        answer = person.post(path, json={"message": "Hi"})
    assert answer.json() == {"success": False, "error": "Too many requests: wait a moment and try again."}
    assert 0 < int(answer.headers["Retry-After"]) <= 3600


def test_a_refused_message_is_not_kept(strict: Server, email: str) -> None:
    statuses(strict, email, *CHAT, *CHAT)
    with strict.client(email) as person:
        assert len(person.get("/api/chat/history").json()["data"]) == 4


def test_the_history_is_not_limited(strict: Server, email: str) -> None:
    with strict.client(email) as person:
        assert {person.get("/api/chat/history").status_code for _ in range(5)} == {200}


def test_everybody_has_a_count_of_their_own(strict: Server, email: str) -> None:
    assert statuses(strict, email, *CHAT, CHAT[0])[-1] == 429
    assert statuses(strict, f"other-{email}", *CHAT) == [200, 200]


def test_another_case_is_not_another_count(strict: Server, email: str) -> None:
    assert statuses(strict, email, *CHAT) == [200, 200]
    assert statuses(strict, email.upper(), CHAT[0]) == [429]


def test_who_has_no_e_mail_is_counted_by_address(strict: Server) -> None:
    assert statuses(strict, None, *CHAT, *CHAT, address="203.0.113.1") == [200, 200, 429, 429]
    assert statuses(strict, None, *CHAT, address="203.0.113.2") == [200, 200]


def test_an_address_of_the_callers_own_making_does_not_count(strict: Server) -> None:
    for number in range(2):
        assert statuses(strict, None, CHAT[0], address=f"198.51.100.{number}, 203.0.113.3") == [200]
    assert statuses(strict, None, CHAT[0], address="198.51.100.9, 203.0.113.3") == [429]


def test_without_a_rate_nobody_is_limited(person: httpx2.Client) -> None:
    assert {person.post("/api/chat/message", json={"message": "Hi"}).status_code for _ in range(30)} == {200}

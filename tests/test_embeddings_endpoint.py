"""context/embeddings/endpoint.py: vectors over HTTP, and every way in which that fails."""

import logging
import math
from collections.abc import Sequence

import pytest

from context.embeddings import endpoint
from context.embeddings.backends import Vector, embedding
from context.embeddings.endpoint import Endpoint
from context.embeddings.errors import (
    BrokenAnswer,
    Busy,
    EmbeddingError,
    KeyRefused,
    NotConfigured,
    Refused,
    Unavailable,
)
from tests import fake_provider as fake
from tests.fake_provider import FakeProvider, Reply, Response, closed_port, full_port

KEY = "sk-a-secret"


@pytest.fixture(autouse=True)
def nothing_learnt() -> None:
    endpoint._refused.clear()


def embed(provider: FakeProvider, texts: Sequence[str], dimensions: int = 0, seconds: float = 10) -> list[Vector]:
    maker = Endpoint(provider.base_url, KEY, "fake", dimensions)
    return embedding(maker, texts, "passage", seconds).result()


def error_of(provider: FakeProvider, reply: Reply, seconds: float = 10) -> EmbeddingError:
    provider.embedding_default = reply
    with pytest.raises(EmbeddingError) as caught:
        embed(provider, ["a", "b"], seconds=seconds)
    return caught.value


def body(text: str | bytes) -> Reply:
    return lambda _: Response([text.encode() if isinstance(text, str) else text])


def similarity(one: Vector, other: Vector) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


# Good answers.


def test_each_text_gets_a_vector_and_like_ones_are_near(provider: FakeProvider) -> None:
    first, near, far = embed(provider, ["a red hat", "the red hat", "two snails"])
    assert similarity(first, near) > 0.5 > similarity(first, far)


def test_a_call_is_what_the_api_wants(provider: FakeProvider) -> None:
    embed(provider, ["a", "b"], dimensions=64)
    [request] = provider.embedding_requests
    assert request.json == {"model": "fake", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 64}
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_without_a_key_none_is_sent(provider: FakeProvider) -> None:
    embedding(Endpoint(provider.base_url, "", "fake"), ["a"], "passage", 10).result()
    assert "authorization" not in provider.embedding_requests[0].headers


def test_vectors_have_length_one(provider: FakeProvider) -> None:
    provider.embedding_default = fake.broken_vectors(3.0)
    [vector] = embed(provider, ["a"])
    assert math.hypot(*vector) == pytest.approx(1)


def test_places_count_more_than_order(provider: FakeProvider) -> None:
    provider.embedding_default = body('{"data": [{"index": 1, "embedding": [0, 1]}, {"embedding": [1, 0]}]}')
    with pytest.raises(EmbeddingError):
        embed(provider, ["a"])
    assert embed(provider, ["a", "b"])[1] == [0, 1]


@pytest.mark.parametrize("field", ["encoding_format", "dimensions"])
def test_a_field_that_is_refused_is_left_out_for_good(field: str, provider: FakeProvider) -> None:
    provider.embedding_replies(fake.field_refused(field))
    assert len(embed(provider, ["a"], dimensions=64)) == 1
    embed(provider, ["b"], dimensions=64)
    assert [field in request.json for request in provider.embedding_requests] == [True, False, False]


def test_figures_are_understood_like_base64(provider: FakeProvider) -> None:
    packed = embed(provider, ["a red hat"])
    provider.embedding_replies(fake.field_refused("encoding_format"))
    [figures] = embed(provider, ["a red hat"])
    assert figures == pytest.approx(packed[0], abs=1e-6)


def test_mistral_gets_no_dimensions() -> None:
    with FakeProvider(strict="mistralai") as mistral:
        embed(mistral, ["a"], dimensions=1024)
        assert "dimensions" not in mistral.embedding_requests[-1].json


def test_a_lone_surrogate_hinders_nothing(provider: FakeProvider) -> None:
    assert len(embed(provider, ["half a \ud83d smile"])) == 1


# Refusals and failures.


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (fake.status(401), KeyRefused),
        (fake.status(403), KeyRefused),
        (fake.key_refused(vendor="google-genai"), KeyRefused),
        (fake.status(400), Refused),
        (fake.status(413), Refused),
        (fake.status(422), Refused),
        (fake.context_too_long(), Refused),
        (fake.model_not_found(), NotConfigured),
        (fake.model_not_found(vendor="mistralai"), NotConfigured),
        (fake.redirect("http://127.0.0.1:9/v1"), NotConfigured),
        (fake.status(429), Busy),
        (fake.status(503), Busy),
        (fake.status(500), Unavailable),
        (fake.status(402), EmbeddingError),
        (fake.dropped(), Unavailable),
        (fake.html(), BrokenAnswer),
        (fake.nothing(), BrokenAnswer),
        (fake.json_error(), BrokenAnswer),
        (fake.too_few_vectors(), BrokenAnswer),
        (fake.broken_vectors(), BrokenAnswer),
        (fake.broken_vectors(math.inf), BrokenAnswer),
        (fake.broken_vectors(0.0), BrokenAnswer),
        (body(b"\xff\xfe"), BrokenAnswer),
        (body("[" * 100_000), BrokenAnswer),
        (body("[]"), BrokenAnswer),
        (body('{"data": {"a": 1}}'), BrokenAnswer),
        (body('{"data": [{"index": 0, "embedding": ["a"]}]}'), BrokenAnswer),
        (body('{"data": [{"index": 0, "embedding": null}]}'), BrokenAnswer),
        (body('{"data": [{"index": "x", "embedding": [1]}, {"index": 1, "embedding": [1]}]}'), BrokenAnswer),
        (body('{"data": [{"index": 0, "embedding": "!!!!"}]}'), BrokenAnswer),
        (body('{"data": [{"index": 0, "embedding": "AAA="}]}'), BrokenAnswer),
        (body('{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1, 2]}]}'), BrokenAnswer),
        (body('{"data": [{"index": 0, "embedding": [' + "9" * 400 + "]}]}"), BrokenAnswer),
    ],
)
def test_what_went_wrong_has_a_name(reply: Reply, expected: type[EmbeddingError], provider: FakeProvider) -> None:
    assert type(error_of(provider, reply)) is expected


def test_silence_is_not_waited_for(provider: FakeProvider) -> None:
    assert isinstance(error_of(provider, fake.silence(), seconds=0.2), Unavailable)


def test_an_endless_answer_is_not_read_to_its_end(provider: FakeProvider) -> None:
    assert isinstance(error_of(provider, body(b"[" * 17_000_000)), BrokenAnswer)


def test_who_refuses_connections_or_takes_none_is_unavailable() -> None:
    with closed_port() as closed, full_port() as full:
        for url in (closed, full):
            with pytest.raises(Unavailable):
                embedding(Endpoint(url, KEY, "fake"), ["a"], "passage", 1).result()


def test_a_redirect_is_not_followed(provider: FakeProvider) -> None:
    with FakeProvider() as elsewhere:
        error_of(provider, fake.redirect(f"{elsewhere.base_url}/embeddings"))
        assert elsewhere.embedding_requests == []


def test_a_proxy_of_the_environments_is_not_used(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    with closed_port() as nowhere:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, nowhere)
        endpoint._clients.clear()
        assert len(embed(provider, ["a"])) == 1


def test_how_long_to_wait_is_read(provider: FakeProvider) -> None:
    assert error_of(provider, fake.status(429, retry_after=7)).retry_after == 7


def test_the_key_is_in_no_error_and_no_log(provider: FakeProvider, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    error = error_of(provider, lambda _: Response([f"No such key: {KEY}".encode()], 500))
    assert error.detail == "HTTP 500: No such key: ***"
    assert KEY not in caplog.text + str(error)


def test_the_providers_words_are_not_in_the_sentence(provider: FakeProvider) -> None:
    error = error_of(provider, lambda _: Response([b"internal matters"], 500))
    assert "internal matters" in error.detail
    assert "internal matters" not in str(error)

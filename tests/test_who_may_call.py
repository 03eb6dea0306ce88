"""Who may call: the key proves the platform, the e-mail names the person, and nobody sees another's history."""

import contextlib
import http.client
import json
import uuid
from collections.abc import Callable

import httpx2
import pytest

from tests.conftest import KEY, Serve, Server
from tests.fake_provider import FakeProvider

ENDPOINTS = [
    ("GET", "/api/chat/history"),
    ("POST", "/api/chat/message"),
    ("POST", "/api/chat/message/stream"),
    ("POST", "/api/context/text"),
]
Headers = list[tuple[str, bytes | str]]


def headers(key: bytes | str | None, *emails: bytes | str) -> Headers:
    given: Headers = [("X-CC-API-KEY", key)] if key is not None else []
    return [*given, *(("X-CC-EMAIL", email) for email in emails)]


def call(server: Server, method: str, path: str, given: Headers, words: str = "Hi") -> httpx2.Response:
    """Sends the headers as they are: any bytes, blanks, twice. Text goes out in UTF-8."""
    body = json.dumps({"message": words, "text": "Some words to know."}).encode() if method == "POST" else b""
    connection = http.client.HTTPConnection("127.0.0.1", int(server.env["PORT"]), timeout=30)
    connection.putrequest(method, path)
    for name, value in [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *given]:
        connection.putheader(name, value.encode() if isinstance(value, str) else value)
    connection.endheaders(body)
    with contextlib.closing(connection), connection.getresponse() as answer:
        return httpx2.Response(answer.status, headers=answer.getheaders(), content=answer.read())


def history(server: Server, email: bytes | str, key: bytes | str | None = KEY) -> httpx2.Response:
    return call(server, "GET", "/api/chat/history", headers(key, email))


def say(server: Server, email: bytes | str, key: bytes | str | None = KEY) -> httpx2.Response:
    return call(server, "POST", "/api/chat/message", headers(key, email))


# The key.


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_a_right_key_opens_every_endpoint(server: Server, email: str, method: str, path: str) -> None:
    assert call(server, method, path, headers(KEY, email)).status_code == 200


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "wrong",
        "TEST-KEY",
        "test-ke",
        "test-key2",
        '"test-key"',
        "ключ".encode(),
        b"\xff\xfe\x80",
        b"test-key\xa0",
        "x" * 8000,
    ],
)
def test_a_missing_or_wrong_key_is_401(
    server: Server, email: str, method: str, path: str, key: bytes | str | None
) -> None:
    answer = call(server, method, path, headers(key, email))
    assert (answer.status_code, answer.json()["success"]) == (401, False)
    assert "X-CC-API-KEY" in answer.json()["error"]


def test_a_401_names_the_scheme_as_http_asks(server: Server, email: str) -> None:
    assert history(server, email, key=None).headers["WWW-Authenticate"] == "ApiKey"


def test_a_key_of_a_megabyte_is_refused_in_the_envelope(server: Server, email: str) -> None:
    answer = history(server, email, key="x" * 1_000_000)
    assert (answer.status_code, answer.json()["success"]) == (431, False)


def test_a_refused_message_leaves_nothing_behind(server: Server, email: str, provider: FakeProvider) -> None:
    say(server, email, key="wrong")
    assert history(server, email).json()["data"] == []
    assert not provider.requests


def test_a_refusal_and_the_log_tell_no_key(server: Server, email: str) -> None:
    answer = history(server, email, key="wrong-but-secret")
    assert KEY not in answer.text
    assert "wrong-but-secret" not in server.output
    assert KEY not in server.output


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize("second", [KEY, "wrong"])
def test_two_keys_are_400(server: Server, email: str, method: str, path: str, second: str) -> None:
    answer = call(server, method, path, [*headers(KEY, email), ("x-cc-api-key", second)])
    assert answer.status_code == 400
    assert answer.json()["error"] == "The X-CC-API-KEY header was sent 2 times: send it once."


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_two_e_mails_are_400(server: Server, email: str, method: str, path: str) -> None:
    answer = call(server, method, path, headers(KEY, email, f"other-{email}"))
    assert answer.status_code == 400
    assert answer.json()["error"] == "The X-CC-EMAIL header was sent 2 times: send it once."


def test_the_same_e_mail_twice_is_400_too(server: Server, email: str) -> None:
    assert call(server, "GET", "/api/chat/history", headers(KEY, email, email)).status_code == 400


def test_an_underscore_does_not_make_a_second_header_of_it(server: Server, email: str) -> None:
    say(server, email)
    other = call(server, "GET", "/api/chat/history", [*headers(KEY), ("x_cc_email", email)])
    assert other.status_code == 401


# The e-mail.


@pytest.mark.parametrize("email", [None, "", "   ", "\t"])
def test_the_history_of_nobody_is_401(server: Server, email: str | None) -> None:
    given = headers(KEY) if email is None else headers(KEY, email)
    answer = call(server, "GET", "/api/chat/history", given)
    assert (answer.status_code, answer.json()["success"]) == (401, False)
    assert "X-CC-EMAIL" in answer.json()["error"]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS[1:])
def test_a_right_key_without_an_e_mail_is_served(server: Server, method: str, path: str) -> None:
    assert call(server, method, path, headers(KEY)).status_code == 200


def test_calls_without_an_e_mail_know_nothing_of_each_other(server: Server, provider: FakeProvider) -> None:
    for _ in range(2):
        call(server, "POST", "/api/chat/message", headers(KEY))
    assert [message["role"] for message in provider.requests[-1].messages] == ["system", "user"]


@pytest.mark.parametrize("change", [str.upper, str.title, lambda email: f"  {email} ", lambda email: f"\t{email}\t"])
def test_case_and_blanks_around_an_e_mail_do_not_matter(
    server: Server, email: str, change: Callable[[str], str]
) -> None:
    say(server, change(email))
    assert history(server, email).json() == history(server, change(email)).json()
    assert len(history(server, email).json()["data"]) == 2


NO_EMAILS: list[bytes | str] = [
    "*",
    "%",
    "_",
    "?",
    "nobody",
    "undefined",
    "null",
    "a@",
    "@b.co",
    "a@b",
    "a b@c.co",
    "a@b@c.co",
    "a@b.co, c@d.co",
    "a@b.co;c@d.co",
    "Ann <a@b.co>",
    "a@b.co\xa0".encode("latin-1"),
    b'"a\x01b"@b.co',
    b"\xff@b.co",
    b"a@b.co\xff",
    "é@b.co",
    "\uff41@b.co",
    "\u212a@b.co",
    "\u0131@b.co",
    "\u0430@b.co",
    "a@b\u3002co",
    "a" * 250 + "@b.co",
    "a@" + "b" * 8000 + ".co",
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_what_is_no_e_mail_is_400(server: Server, method: str, path: str) -> None:
    answers = {str(email): call(server, method, path, headers(KEY, email)) for email in NO_EMAILS}
    wrong = {email: answer.text for email, answer in answers.items() if answer.status_code != 400}
    assert not wrong
    assert {answer.json()["error"] for answer in answers.values()} == {
        "The X-CC-EMAIL header is not an e-mail address."
    }


def test_an_e_mail_of_254_characters_has_a_history(server: Server, email: str) -> None:
    long = f"{email.partition('@')[0]}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 35}.co"
    assert len(long) == 254
    assert say(server, long).status_code == 200
    assert len(history(server, long).json()["data"]) == 2


@pytest.mark.parametrize(
    "other",
    [
        "{name}@b.com",
        "{name}@c.co",
        "{name}@sub.b.co",
        "x{name}@b.co",
        "{name}x@b.co",
        "{name}+x@b.co",
        "_{rest}@b.co",
        "%@b.co",
        "*@b.co",
        "{name}'--@b.co",
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_a_stranger_sees_nothing_of_anybody_elses_history(server: Server, other: str, swapped: bool) -> None:
    name = uuid.uuid4().hex
    pair = [f"{name}@b.co", other.format(name=name, rest=name[1:])]
    somebody, stranger = reversed(pair) if swapped else pair
    call(server, "POST", "/api/chat/message", headers(KEY, somebody), words=f"The secret is {name}.")
    assert name in history(server, somebody).text
    assert name not in history(server, stranger).text


def test_a_look_alike_letter_does_not_open_a_history(server: Server) -> None:
    name = uuid.uuid4().hex
    say(server, f"k{name}@b.co")
    assert history(server, f"\u212a{name}@b.co").status_code == 400


# ALLOW_ANONYMOUS.


@pytest.fixture
def lenient(serve: Serve, provider: FakeProvider) -> Server:
    """With a key, and with ALLOW_ANONYMOUS."""
    return serve(
        ALLOW_ANONYMOUS="true", PROVIDER_NAME="fake", PROVIDER_MODEL="fake", PROVIDER_BASE_URL=provider.base_url
    )


@pytest.mark.parametrize(("method", "path"), ENDPOINTS[1:])
@pytest.mark.parametrize("key", [None, ""])
def test_allow_anonymous_serves_a_call_without_a_key(lenient: Server, method: str, path: str, key: str | None) -> None:
    assert call(lenient, method, path, headers(key)).status_code == 200


def test_an_e_mail_without_a_key_is_ignored(lenient: Server, email: str) -> None:
    assert say(lenient, email, key=None).status_code == 200
    assert history(lenient, email).json()["data"] == []


def test_what_is_no_e_mail_is_ignored_without_a_key(lenient: Server) -> None:
    assert say(lenient, "*", key=None).status_code == 200


def test_no_history_is_open_without_a_key(lenient: Server, email: str) -> None:
    say(lenient, email)
    assert history(lenient, email, key=None).status_code == 401


def test_a_wrong_key_is_401_even_so(lenient: Server, email: str) -> None:
    assert say(lenient, email, key="wrong").status_code == 401


def test_a_right_key_has_a_history_even_so(lenient: Server, email: str) -> None:
    say(lenient, email)
    assert len(history(lenient, email).json()["data"]) == 2


@pytest.fixture
def keyless(serve: Serve, provider: FakeProvider) -> Server:
    """Without a key, and with ALLOW_ANONYMOUS."""
    return serve(
        INTERNAL_API_KEY="",
        ALLOW_ANONYMOUS="true",
        PROVIDER_NAME="fake",
        PROVIDER_MODEL="fake",
        PROVIDER_BASE_URL=provider.base_url,
    )


@pytest.mark.parametrize("key", [None, "", "any"])
def test_without_a_key_to_compare_nobody_can_prove_an_e_mail(keyless: Server, email: str, key: str | None) -> None:
    assert say(keyless, email, key).status_code == 200
    assert history(keyless, email, key).status_code == 401


# DEV_MODE.


@pytest.fixture
def trusting(serve: Serve, provider: FakeProvider) -> Server:
    """On a developer's machine, without a key."""
    return serve(
        INTERNAL_API_KEY="",
        DEV_MODE="true",
        PROVIDER_NAME="fake",
        PROVIDER_MODEL="fake",
        PROVIDER_BASE_URL=provider.base_url,
    )


@pytest.mark.parametrize("key", [None, "any"])
def test_development_without_a_key_trusts_every_caller(trusting: Server, email: str, key: str | None) -> None:
    say(trusting, email, key)
    assert len(history(trusting, email, key).json()["data"]) == 2


def test_development_with_a_key_asks_for_it(serve: Serve, email: str) -> None:
    server = serve(DEV_MODE="true")
    assert history(server, email, key=None).status_code == 401
    assert history(server, email).status_code == 200

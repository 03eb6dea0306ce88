"""An operator answers a person instead of the agent: what the person's window and history get."""

import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import httpx2
import psycopg
import pytest

from tests.conftest import ROOT, Serve, Server, chunks, free_port
from tests.fake_provider import FakeProvider, Gate, text
from tests.test_coming_back import asking, heard, history, joining, until

MESSAGE, STREAM = "/api/chat/message", "/api/chat/message/stream"
SENTENCE = "A colleague is taking over this conversation and will answer you here."


class Browser:
    """An operator's, without windows: what the buttons of the admin send."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.name = uuid.uuid4().hex
        command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--email", "a@b.co"]
        env = server.env | {"DJANGO_SUPERUSER_PASSWORD": "correct horse"}
        subprocess.run([*command, "--username", self.name], cwd=ROOT, env=env, check=True, capture_output=True)
        self.client = httpx2.Client(base_url=server.url, follow_redirects=True, timeout=30)
        self.client.get("/admin/login/")
        self.post("/admin/login/", username=self.name, password="correct horse")

    def post(self, address: str, **form: str) -> httpx2.Response:
        return self.client.post(address, data={"csrfmiddlewaretoken": self.client.cookies["csrftoken"], **form})


@pytest.fixture(scope="module")
def browsers() -> Iterator[dict[str, Browser]]:
    """Those that are logged in, by their server's address."""
    browsers: dict[str, Browser] = {}
    yield browsers
    for browser in browsers.values():
        browser.client.close()


class Operator:
    """An operator who looks after one person."""

    def __init__(self, browser: Browser, email: str) -> None:
        self.server, self.name, self.post = browser.server, browser.name, browser.post
        self.browser = browser.client
        self.email = email

    def act(self, what: str, **form: str) -> str:
        with psycopg.connect(self.server.database_url) as connection:
            [[pk]] = connection.execute("SELECT id FROM chat_person WHERE email = %s", [self.email]).fetchall()
        response = self.post(f"/admin/takeover/{pk}/{what}/", next="/admin/unanswered/", **form)
        assert response.status_code == 200
        return response.text

    def log(self) -> list[str]:
        query = "SELECT action FROM operators_auditentry WHERE whom = %s AND who = %s ORDER BY id"
        with psycopg.connect(self.server.database_url) as connection:
            return [action for (action,) in connection.execute(query, [self.email, self.name]).fetchall()]


def logged_in(browsers: dict[str, Browser], server: Server) -> Browser:
    return browsers.get(server.url) or browsers.setdefault(server.url, Browser(server))


@pytest.fixture
def agent(serve: Serve, provider: FakeProvider) -> Server:
    """A server whose admin takes a browser without https."""
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    return serve(APP_URL="http://localhost", **model)


@pytest.fixture
def somebody(agent: Server, email: str) -> Iterator[httpx2.Client]:
    """A person who has asked something already."""
    with agent.client(email) as person:
        person.post(MESSAGE, json={"message": "Hi"})
        yield person


@pytest.fixture
def operator(
    agent: Server,
    email: str,
    somebody: httpx2.Client,  # noqa: ARG001
    browsers: dict[str, Browser],
) -> Operator:
    return Operator(logged_in(browsers, agent), email)


@pytest.fixture
def paused(operator: Operator) -> Operator:
    """One who paused the agent for the person."""
    operator.act("pause")
    return operator


def send(person: httpx2.Client, words: str = "Help", **headers: str) -> httpx2.Response:
    return person.post(MESSAGE, json={"message": words}, headers=headers)


def said(response: httpx2.Response) -> str:
    return str(response.json()["data"]["content"][0]["text"])


# The person's next messages.


@pytest.mark.usefixtures("paused")
def test_a_message_is_stored_and_answered_at_once_without_a_model(
    somebody: httpx2.Client, provider: FakeProvider
) -> None:
    asked = len(provider.requests)
    assert said(send(somebody)) == SENTENCE
    assert history(somebody)[2:] == ["Help", SENTENCE]
    assert len(provider.requests) == asked


@pytest.mark.usefixtures("paused")
def test_the_same_key_again_is_the_same_answer(somebody: httpx2.Client) -> None:
    for _ in range(2):
        assert said(send(somebody, **{"Idempotency-Key": "1"})) == SENTENCE
    assert history(somebody)[2:] == ["Help", SENTENCE]


def test_somebody_else_is_answered_by_the_agent(agent: Server, paused: Operator) -> None:
    with agent.client(f"other-{paused.email}") as other:
        assert said(send(other)) == "You said: Help"


def test_when_resumed_the_agent_answers_and_knows_what_was_written(
    somebody: httpx2.Client, paused: Operator, provider: FakeProvider
) -> None:
    send(somebody)
    paused.act("reply", text="I am Ann.")
    paused.act("resume")
    assert said(send(somebody, "Who?")) == "You said: Who?"
    messages = provider.requests[-1].json["messages"]
    assert [message["role"] for message in messages[-2:]] == ["assistant", "user"]
    assert "I am Ann." in str(messages[-2]["content"])


# The operator's words.


def test_a_reply_is_an_answer_in_the_history(somebody: httpx2.Client, paused: Operator) -> None:
    paused.act("reply", text="I am Ann.\u0000")
    last = somebody.get("/api/chat/history").json()["data"][-1]
    assert last.keys() == {"role", "content", "date"}
    assert (last["role"], last["content"]) == ("assistant", [{"type": "text", "text": "I am Ann.\ufffd"}])


def test_a_reply_comes_in_the_stream_that_the_message_opened(somebody: httpx2.Client, paused: Operator) -> None:
    with asking(somebody, "Help") as response:
        events = chunks(response)
        assert [next(events), next(events)] == [{"chunk": "", "paused": True}, {"chunk": SENTENCE}]
        paused.act("reply", text="I am Ann.")
        assert [event["chunk"] for event in events] == ["\n\nI am Ann."]


def test_a_reply_comes_in_the_stream_of_somebody_who_came_back(somebody: httpx2.Client, paused: Operator) -> None:
    with joining(somebody) as response:
        events = chunks(response)
        assert [next(events), next(events)] == [{"chunk": "", "paused": True}, {"chunk": "You said: Hi"}]
        paused.act("reply", text="I am Ann.")
        assert [event["chunk"] for event in events] == ["\n\nI am Ann."]


def test_the_same_form_twice_is_one_reply(somebody: httpx2.Client, paused: Operator) -> None:
    for _ in range(2):
        paused.act("reply", text="I am Ann.", once="reply 1")
    assert history(somebody)[2:] == ["I am Ann."]


def test_an_empty_reply_is_refused_with_a_sentence(somebody: httpx2.Client, paused: Operator) -> None:
    assert "Write something first." in paused.act("reply", text=" ")
    assert history(somebody)[2:] == []


def test_who_was_not_paused_gets_no_reply(somebody: httpx2.Client, operator: Operator) -> None:
    assert "pause it before you write" in operator.act("reply", text="I am Ann.")
    assert history(somebody)[2:] == []


def test_after_starting_over_there_is_nothing_to_reply_to(somebody: httpx2.Client, paused: Operator) -> None:
    somebody.delete("/api/chat/history")
    assert "started over" in paused.act("reply", text="I am Ann.")
    assert said(send(somebody)) == SENTENCE


# When waiting ends.


def opened(response: httpx2.Response) -> Iterator[dict[str, object]]:
    """What comes after the sentence."""
    events = chunks(response)
    assert [next(events), next(events)] == [{"chunk": "", "paused": True}, {"chunk": SENTENCE}]
    return events


def test_a_stream_ends_when_the_agent_is_resumed(somebody: httpx2.Client, paused: Operator) -> None:
    with asking(somebody, "Help") as response:
        events = chunks(response)
        next(events)
        paused.act("resume")
        assert [event["chunk"] for event in events] == [SENTENCE]


@pytest.mark.usefixtures("paused")
def test_a_stream_ends_when_the_person_asks_something_else(somebody: httpx2.Client, agent: Server, email: str) -> None:
    with asking(somebody, "Help") as first, agent.client(email) as again:
        events = opened(first)
        send(again, "Help!")
        assert list(events) == []


@pytest.mark.usefixtures("paused")
@pytest.mark.parametrize("address", [STREAM, "/api/chat/history"])
def test_a_stream_ends_when_the_person_stops_it_or_starts_over(
    address: str, somebody: httpx2.Client, agent: Server, email: str
) -> None:
    with asking(somebody, "Help") as first, agent.client(email) as again:
        events = opened(first)
        assert again.delete(address).status_code == 200
        assert list(events) == []


@pytest.mark.usefixtures("paused")
def test_only_so_many_streams_of_a_person_wait(somebody: httpx2.Client, agent: Server, email: str) -> None:
    with ExitStack() as stack:
        people = [somebody, *(stack.enter_context(agent.client(email)) for _ in range(4))]
        # All are kept, because a stream that nobody holds any more is closed.
        first, *_others = streams = [chunks(stack.enter_context(joining(person))) for person in people]
        for events in streams:
            next(events)
        assert list(first) == [{"chunk": "You said: Hi"}]


@pytest.mark.usefixtures("paused")
def test_a_stream_of_another_process_ends_too(
    somebody: httpx2.Client, serve: Serve, provider: FakeProvider, email: str
) -> None:
    twin = serve(PROVIDER_NAME="fake", PROVIDER_MODEL="twin", PROVIDER_BASE_URL=provider.base_url)
    with asking(somebody, "Help") as first, twin.client(email) as there:
        events = opened(first)
        assert there.delete(STREAM).json()["data"] == {"stopped": 1}
        assert list(events) == []


def test_a_reply_reaches_a_stream_of_another_process(
    somebody: httpx2.Client, paused: Operator, serve: Serve, provider: FakeProvider, email: str
) -> None:
    twin = serve(PROVIDER_NAME="fake", PROVIDER_MODEL="twin", PROVIDER_BASE_URL=provider.base_url)
    send(somebody)
    with twin.client(email) as there, joining(there) as response:
        events = opened(response)
        paused.act("reply", text="I am Ann.")
        assert [event["chunk"] for event in events] == ["\n\nI am Ann."]


def test_a_stream_ends_by_itself(
    serve: Serve, provider: FakeProvider, email: str, browsers: dict[str, Browser]
) -> None:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    server = serve(APP_URL="http://localhost", PAUSED_STREAM_SECONDS="0", PAUSED_ANSWER="One moment.", **model)
    with server.client(email) as person:
        send(person)
        Operator(logged_in(browsers, server), email).act("pause")
        with asking(person) as response:
            assert heard(response) == "One moment."


def test_with_redis_other_processes_are_told(
    pair: tuple[Server, Server], email: str, browsers: dict[str, Browser]
) -> None:
    here, there = pair
    with there.client(email) as person:
        send(person)
        operator = Operator(logged_in(browsers, here), email)
        operator.act("pause")
        with asking(person, "Help") as response:
            events = opened(response)
            operator.act("reply", text="I am Ann.")
            assert [event["chunk"] for event in events] == ["\n\nI am Ann."]


def test_at_its_end_a_process_lets_those_go_who_wait(
    serve: Serve, provider: FakeProvider, email: str, browsers: dict[str, Browser]
) -> None:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    server = serve(PORT=free_port(), APP_URL="http://localhost", **model)
    with server.client(email) as person:
        send(person)
        Operator(logged_in(browsers, server), email).act("pause")
        with asking(person, "Help") as response:
            events = opened(response)
            server.process.send_signal(signal.SIGTERM)
            assert list(events) == []
    assert server.process.wait(60) == 0


# While the agent is writing.


@pytest.fixture
def gate(provider: FakeProvider) -> Iterator[Gate]:
    gate = Gate()
    provider.replies(text(["one ", "two"], gate=gate))
    yield gate
    gate.open()


def test_an_answer_in_the_making_is_finished(somebody: httpx2.Client, operator: Operator, gate: Gate) -> None:
    gate.step()
    with asking(somebody, "Count") as response:
        events = chunks(response)
        next(events)
        operator.act("pause")
        gate.open()
        assert [event["chunk"] for event in events] == ["two"]


def test_it_is_stopped_if_the_operator_says_so(somebody: httpx2.Client, operator: Operator, gate: Gate) -> None:
    gate.step()
    with asking(somebody, "Count") as response:
        events = chunks(response)
        next(events)
        operator.act("pause", stop="on")
        assert list(events) == []
    assert history(somebody)[2:] == ["Count", "one "]


def test_a_question_that_waits_for_it_is_the_operators(
    somebody: httpx2.Client, operator: Operator, gate: Gate, agent: Server, email: str
) -> None:
    gate.step()
    answers: list[str] = []
    with asking(somebody, "Count") as response, agent.client(email) as again:
        next(chunks(response))
        second = threading.Thread(target=lambda: answers.append(said(send(again))))
        second.start()
        until(lambda: "Help" in history(somebody))
        operator.act("pause")
        gate.open()
        second.join(30)
    assert answers == [SENTENCE]


# The operator's side.


def test_all_of_it_is_logged(somebody: httpx2.Client, paused: Operator) -> None:
    send(somebody)
    paused.act("reply", text="I am Ann.")
    paused.act("resume")
    assert paused.log() == ["paused", "replied", "resumed"]


def test_who_wrote_it_is_stored_for_operators(agent: Server, paused: Operator) -> None:
    paused.act("reply", text="I am Ann.")
    query = "SELECT author FROM chat_message WHERE text = 'I am Ann.' ORDER BY id DESC LIMIT 1"
    with psycopg.connect(agent.database_url) as connection:
        assert connection.execute(query).fetchall() == [(paused.name,)]


def test_pausing_twice_is_pausing_once(paused: Operator) -> None:
    assert "was paused already" in paused.act("pause")
    assert paused.log() == ["paused"]


def test_a_takeover_needs_a_form_of_ours(paused: Operator) -> None:
    assert paused.browser.post("/admin/takeover/1/resume/").status_code == 403

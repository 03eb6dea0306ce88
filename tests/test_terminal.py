"""manage.py ask and manage.py chat: a person in a terminal."""

import io
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import psycopg
import pytest

from chat.management.terminal_command import TerminalCommand
from tests.conftest import ROOT, Server, chunks
from tests.fake_provider import FakeProvider, Gate, key_refused, text

Command = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def command(server: Server) -> Iterator[Command]:
    """A command as its users run it, beside the running server."""
    started = []

    def start(*arguments: str, stdin: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=server.env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it has written something by then."""
    assert process.stdout
    return bool(select.select([process.stdout], [], [], seconds)[0])


def until(process: subprocess.Popen[bytes], wanted: bytes) -> bytes:
    """What it writes up to and with those words."""
    assert process.stdout
    written = b""
    while wanted not in written:
        assert wait_for(process, 60), written
        piece = os.read(process.stdout.fileno(), 1000)
        assert piece, (written, process.communicate())
        written += piece
    return written


def half_told(provider: FakeProvider) -> Gate:
    """The next answer stops after its first word, until the gate is opened."""
    gate = Gate()
    gate.step()
    provider.replies(text(["Zebras", " sleep."], gate=gate))
    return gate


def test_a_question_is_answered_as_the_answer_comes(command: Command, provider: FakeProvider) -> None:
    gate = half_told(provider)
    asked = command("ask", "What do zebras do?")
    assert until(asked, b"Zebras") == b"Zebras"
    gate.open()
    assert asked.communicate(timeout=60) == (b" sleep.\n", b"")
    assert asked.returncode == 0


def test_a_question_comes_over_standard_input_and_its_answer_into_a_history(
    command: Command, provider: FakeProvider, server: Server, email: str
) -> None:
    provider.replies(text("Standing."))
    assert command("ask", "--email", email).communicate(b"How do zebras sleep?", timeout=60)[0] == b"Standing.\n"
    with server.client(email) as person:
        said = [message["content"][0]["text"] for message in person.get("/api/chat/history").json()["data"]]
    assert said == ["How do zebras sleep?", "Standing."]


def test_what_goes_wrong_is_a_sentence_and_an_exit_code(command: Command, provider: FakeProvider) -> None:
    provider.replies(key_refused())
    asked = command("ask", "Hello")
    out, err = asked.communicate(timeout=60)
    assert (asked.returncode, out) == (1, b"")
    assert err.splitlines()[-1] == (
        b"CommandError: The model provider refused the API key: the operator must check PROVIDER_API_KEY."
    )


def test_nothing_is_no_question(command: Command) -> None:
    asked = command("ask")
    assert b"There is no question." in asked.communicate(b" \n", timeout=60)[1]
    assert asked.returncode == 1


def test_an_email_must_be_one(command: Command) -> None:
    asked = command("ask", "--email", "Ann", "Hello")
    assert b"Ann is no e-mail address" in asked.communicate(timeout=60)[1]


def test_ctrl_c_stops_the_answer_of_a_question(
    command: Command, provider: FakeProvider, server: Server, email: str
) -> None:
    half_told(provider)
    asked = command("ask", "--email", email, "What do zebras do?")
    until(asked, b"Zebras")
    asked.send_signal(signal.SIGINT)
    assert asked.communicate(timeout=60) == (b"\n", b"")
    assert asked.returncode == 130
    with server.client(email) as person:
        assert person.get("/api/chat/history").json()["data"][-1]["content"][0]["text"] == "Zebras"


def test_the_chat_window_joins_an_answer_that_the_terminal_asked_for(
    command: Command, provider: FakeProvider, server: Server, email: str
) -> None:
    gate = half_told(provider)
    asked = command("ask", "--email", email, "What do zebras do?")
    until(asked, b"Zebras")
    with server.client(email) as person, person.stream("GET", "/api/chat/message/stream") as stream:
        gate.open()
        assert "".join(str(event["chunk"]) for event in chunks(stream)) == "Zebras sleep."


def test_a_conversation_knows_what_was_said_before(command: Command, provider: FakeProvider, email: str) -> None:
    provider.replies(text("Hello Ann."), text("Ann."))
    talk = command("chat", "--email", email)
    out, err = talk.communicate(b"I am Ann.\n\nWho am I?\n", timeout=60)
    assert (talk.returncode, err) == (0, b"")
    assert out.splitlines()[1:] == [b"Hello Ann.", b"Ann.", b""]
    assert "I am Ann." in str(provider.requests[-1].messages)


def test_a_conversation_without_an_email_is_one_and_leaves_nothing(
    command: Command, provider: FakeProvider, server: Server
) -> None:
    provider.replies(text("Hello Ann."), text("Ann."))
    command("chat").communicate(b"I am Ann.\nWho am I?\n", timeout=60)
    assert "I am Ann." in str(provider.requests[-1].messages)
    with psycopg.connect(server.database_url) as database:
        left = database.execute("SELECT count(*) FROM chat_conversation WHERE email LIKE 'terminal-%'").fetchone()
    assert left == (0,)


def test_a_conversation_goes_on_after_an_error(command: Command, provider: FakeProvider) -> None:
    provider.replies(key_refused(), text("Hello."))
    out, err = command("chat").communicate(b"One\nTwo\n", timeout=60)
    assert (out.splitlines()[1], b"refused the API key" in err) == (b"Hello.", True)


def test_ctrl_c_stops_the_answer_and_not_the_conversation(command: Command, provider: FakeProvider) -> None:
    half_told(provider)
    provider.replies(text("Fine."))
    talk = command("chat")
    assert talk.stdin
    talk.stdin.write(b"What do zebras do?\n")
    talk.stdin.flush()
    until(talk, b"Zebras")
    talk.send_signal(signal.SIGINT)
    until(talk, b"[stopped]\n")
    assert talk.communicate(b"And you?\n", timeout=60)[0] == b"Fine.\n\n"
    assert talk.returncode == 0


def test_at_the_prompt_ctrl_c_does_nothing_and_ctrl_d_leaves(command: Command) -> None:
    ours, theirs = pty.openpty()
    talk = command("chat", stdin=theirs)
    os.close(theirs)
    until(talk, b"> ")
    talk.send_signal(signal.SIGINT)
    while not wait_for(talk, 2):
        # It came between the prompt and the wait for keys, where Python does not look at signals.
        talk.send_signal(signal.SIGINT)
    until(talk, b"> ")
    os.write(ours, b"\x04")
    assert talk.wait(60) == 0
    os.close(ours)


def test_a_model_cannot_command_the_terminal() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    TerminalCommand(stdout=screen).show(iter(["a\x1b]0;x\x07b\r\n\tc"]))  # type: ignore[arg-type]
    assert screen.getvalue() == "a]0;xb\n\tc\n"

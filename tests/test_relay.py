"""With REDIS_URL an answer comes to those who joined it in another process as it comes, and comes whole in any case."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx2
import psycopg
import pytest
from channels.layers import get_channel_layer

from chat import live, relay
from chat.agent.errors import BrokenAnswer
from chat.answer import RunningAnswer
from chat.relay import Heard, Relay
from tests.conftest import Redis, Serve, Server, chunks, free_port
from tests.fake_provider import FakeProvider, Gate, cut, text
from tests.test_coming_back import asking, heard, history, joining

Joined = Iterator[dict[str, object]]
WORDS = ["one ", "two ", "three ", "four"]


@pytest.fixture
def gate(provider: FakeProvider) -> Iterator[Gate]:
    """Holds back an answer of four words, of which the first is let out."""
    gate = Gate()
    provider.replies(text(WORDS, gate=gate))
    gate.step()
    yield gate
    gate.open()


@pytest.fixture
def here(pair: tuple[Server, Server], email: str) -> Iterator[httpx2.Client]:
    """The person where the answer is made."""
    with pair[0].client(email) as person:
        yield person


@pytest.fixture
def there(pair: tuple[Server, Server], email: str) -> Iterator[httpx2.Client]:
    """The person in another process."""
    with pair[1].client(email) as person:
        yield person


@contextmanager
def nothing_stored(server: Server) -> Iterator[None]:
    """Meanwhile no text so far reaches the database: what is heard elsewhere came another way."""
    with psycopg.connect(server.database_url) as postgres:
        postgres.execute("SELECT id FROM chat_message WHERE status = 'streaming' FOR UPDATE")
        yield


def next_text(joined: Joined) -> str:
    return str(next(joined)["chunk"])


def rest(joined: Joined) -> str:
    return "".join(str(event["chunk"]) for event in joined)


def test_each_piece_comes_to_another_process_without_having_been_stored(
    pair: tuple[Server, Server], here: httpx2.Client, there: httpx2.Client, gate: Gate
) -> None:
    with asking(here) as asked, joining(there) as response:
        next(chunks(asked))
        joined = chunks(response)
        assert next_text(joined) == "one "
        with nothing_stored(pair[0]):
            for word in WORDS[1:]:
                gate.step()
                assert next_text(joined) == word
        gate.open()
        assert not any(event["chunk"] for event in joined)


def test_several_who_joined_early_and_late_all_hear_the_whole(
    pair: tuple[Server, Server], here: httpx2.Client, there: httpx2.Client, gate: Gate
) -> None:
    with asking(here) as asked, ExitStack() as stack:
        next(chunks(asked))
        early = [chunks(stack.enter_context(joining(there))) for _ in range(2)]
        assert [next_text(joined) for joined in early] == ["one "] * 2
        with nothing_stored(pair[0]):
            gate.step()
            assert [next_text(joined) for joined in early] == ["two "] * 2
            late = chunks(stack.enter_context(joining(there)))
            said = next_text(late)
            while said != "one two ":
                said += next_text(late)
        gate.open()
        assert [rest(joined) for joined in (*early, late)] == ["three four"] * 3


def test_many_pieces_come_whole_and_in_order(here: httpx2.Client, there: httpx2.Client, provider: FakeProvider) -> None:
    words = [f"{number} " for number in range(2000)]
    provider.replies(text(words, pause=0.0005))
    with asking(here) as asked, joining(there) as joined:
        assert heard(joined) == heard(asked) == "".join(words)


@pytest.mark.usefixtures("gate")
def test_stopping_it_at_the_one_ends_it_at_both(here: httpx2.Client, there: httpx2.Client) -> None:
    with asking(here) as asked, joining(there) as joined:
        next(chunks(asked))
        assert there.delete("/api/chat/message/stream").json()["data"] == {"stopped": 1}
        assert heard(joined) == "one "
    assert history(there) == ["Hi", "one "]


def test_who_joined_elsewhere_is_told_when_it_breaks_off(
    here: httpx2.Client, there: httpx2.Client, provider: FakeProvider
) -> None:
    gate = Gate()
    provider.replies(cut("one two", gate=gate))
    gate.step()
    with asking(here) as asked, joining(there) as response:
        next(chunks(asked))
        joined = chunks(response)
        next(joined)
        gate.open()
        events = list(joined)
    assert "".join(str(event["chunk"]) for event in events) == "two"
    assert events[-1]["error"] == "The answer broke off: ask again."


# While Redis is away.


@pytest.fixture
def redis_of_two() -> Iterator[Redis]:
    """One that may be stopped."""
    redis = Redis()
    yield redis
    redis.stop()


@pytest.fixture
def fragile(serve: Serve, redis_of_two: Redis, provider: FakeProvider) -> Iterator[tuple[Server, Server]]:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    servers = [serve(PORT=free_port(), REDIS_URL=redis_of_two.url, **model) for _ in range(2)]
    yield servers[0], servers[1]
    assert not any("Traceback" in server.output for server in servers)
    for server in servers:
        server.stop()


def test_an_answer_comes_whole_when_redis_stops_and_at_once_again_when_it_is_back(
    fragile: tuple[Server, Server], redis_of_two: Redis, gate: Gate, email: str
) -> None:
    here, there = fragile[0].client(email), fragile[1].client(email)
    with here, there, asking(here) as asked, joining(there) as response:
        next(chunks(asked))
        joined = chunks(response)
        next(joined)
        redis_of_two.stop()
        gate.step()
        assert next_text(joined) == "two "
        redis_of_two.start()
        with nothing_stored(fragile[0]):
            gate.step()
            assert next_text(joined) == "three "
        gate.open()
        assert rest(joined) == "four"


# In one process.


async def pieces(*words: str) -> AsyncGenerator[str, None]:
    for word in words:
        yield word
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("at", "piece", "text"),
    [
        (4, "two ", "one two "),
        (0, "one two ", "one two "),
        (2, "e two", "one two"),
        (5, "wo ", "one "),
        (0, "one", "one "),
        (4, "", "one "),
        (-1, "x one two ", "one "),
    ],
)
def test_a_piece_neither_leaves_a_gap_nor_doubles_text(at: int, piece: str, text: str) -> None:
    heard = Heard("one ")
    heard.add(at, piece)
    assert heard.text == text


async def test_what_came_before_somebody_waits_is_not_waited_for() -> None:
    heard = Heard("")
    heard.add(0, "one ")
    heard.end()
    async with asyncio.timeout(5):
        assert [await heard.more(60), await heard.more(60)] == [True, False]


class Process:
    """What a process has: answers that it makes, and a relay."""

    def __init__(self) -> None:
        self.made: dict[int, RunningAnswer] = {}
        self.relay = Relay(self.made.get, lambda: None)
        self.life = asyncio.create_task(self.relay.run())


Pair = tuple[Process, Process]


@pytest.fixture
async def processes(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Pair, None]:
    """Two of them on one channel layer; the first makes answer 1."""
    monkeypatch.setattr(relay, "ASK_SECONDS", 0.01)
    owner, other = Process(), Process()
    owner.made[1] = RunningAnswer(1000)
    # Both listen once each has had its turn.
    for _ in range(20):
        await asyncio.sleep(0)
    yield owner, other
    for process in (owner, other):
        process.life.cancel()
    await asyncio.wait([owner.life, other.life])
    await get_channel_layer().flush()


async def hears(heard: Heard, text: str) -> None:
    async with asyncio.timeout(5):
        while heard.text != text:
            await heard.more(0.01)


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_a_piece_that_was_lost_is_sent_again(processes: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, other = processes
    heard, lost = Heard(""), list[object]()
    with other.relay.following(1, heard):
        owner.made[1].add("one ")
        await hears(heard, "one ")
        with monkeypatch.context() as lossy:
            lossy.setattr(Heard, "add", lambda *piece: lost.append(piece))
            owner.made[1].add("two ")
            await eventually(lambda: bool(lost))
        owner.made[1].add("three")
        await hears(heard, "one two three")


async def test_only_what_is_missing_is_sent(processes: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, other = processes
    said: list[tuple[int, str]] = []
    monkeypatch.setattr(Heard, "add", lambda _, at, text: said.append((at, text)))
    owner.made[1].add("one two")
    with other.relay.following(1, Heard("one ")):
        await eventually(lambda: bool(said))
    assert said[0] == (4, "two")


async def test_the_end_of_an_answer_that_broke_off_is_told_too(processes: Pair) -> None:
    owner, other = processes
    heard = Heard("")
    with other.relay.following(1, heard):
        owner.made[1].add("one")
        await hears(heard, "one")
        owner.made[1].end(BrokenAnswer("cut"))
        async with asyncio.timeout(5):
            assert not await heard.more(60)


async def test_an_answer_that_nobody_joined_is_not_sent(processes: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    monkeypatch.setattr(live, "send", lambda *event: sent.append(event))
    processes[0].made[1].add("one")
    processes[0].made[1].end()
    await asyncio.sleep(0.05)
    assert sent == []


async def test_an_answer_is_not_sent_on_when_it_is_no_longer_asked_for(
    processes: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, other = processes
    monkeypatch.setattr(relay, "LEASE_SECONDS", 0.05)
    owner.made[1].add("one")
    heard = Heard("")
    with other.relay.following(1, heard):
        await hears(heard, "one")
        assert owner.relay._passing
    await eventually(lambda: not owner.relay._passing)
    assert not other.relay._heard


async def test_what_is_no_message_of_this_version_is_left_out(processes: Pair) -> None:
    owner, other = processes
    for event in ({"type": "follow"}, {"type": "piece", "message": 1, "at": "x"}, {"type": "new"}, {}):
        await live.send("answers", event)
    owner.made[1].add("one")
    heard = Heard("")
    with other.relay.following(1, heard):
        await hears(heard, "one")


async def test_a_layer_that_hangs_delays_nobody(processes: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object) -> bool:
        await asyncio.Event().wait()
        return True

    owner, other = processes
    monkeypatch.setattr(live, "send", hang)
    owner.relay._begin_to_pass_on(1, 0, "answers.elsewhere")
    owner.made[1].add("one")
    owner.made[1].end()
    async with asyncio.timeout(5):
        with other.relay.following(1, Heard("")):
            assert await owner.made[1].finished() == "one"


async def test_a_process_without_a_relay_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    monkeypatch.setattr(live, "send", lambda *event: sent.append(event))
    with Relay(lambda _: None, lambda: None).following(1, Heard("")):
        await asyncio.sleep(0)
    assert sent == []


async def test_who_waits_for_an_operator_looks_when_another_process_says_so() -> None:
    looks: list[int] = []
    Relay(lambda _: None, lambda: looks.append(1))._take({"type": "look"})
    assert looks == [1]

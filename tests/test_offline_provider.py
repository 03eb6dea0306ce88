"""The provider that needs no network: what a newcomer sees before there is a key."""

import time
from collections.abc import Iterator

import httpx2
import pytest

from chat.agent.events import Finished, TextDelta
from chat.agent.offline import OfflineProvider
from chat.agent.prompt import ModelRequest, Passage, PromptMessage
from chat.content import Text
from tests.conftest import Serve, chunks

QUESTION = "Who is the king of the jungle?"


@pytest.fixture
def newcomer(serve: Serve, email: str) -> Iterator[httpx2.Client]:
    """Somebody whose server has neither a provider's name nor a key of one."""
    with serve().client(email) as client:
        yield client


async def answer(*passages: Passage) -> str:
    request = ModelRequest("Be kind.", (PromptMessage("user", (Text(QUESTION),)),), passages)
    return "".join([event.text async for event in OfflineProvider().stream(request) if isinstance(event, TextDelta)])


async def test_it_says_plainly_that_no_model_is_set_up() -> None:
    assert (await answer()).startswith("No model is set up yet")


async def test_it_names_the_variables_that_set_one_up() -> None:
    said = await answer()
    assert [name in said for name in ("PROVIDER_NAME", "PROVIDER_MODEL", "PROVIDER_API_KEY")] == [True] * 3


async def test_it_quotes_the_best_passages_with_their_titles() -> None:
    said = await answer(Passage("Jungle book", "", "George\nis king."))
    assert "> George\n> is king.\n— Jungle book" in said


async def test_it_quotes_three_passages_at_most() -> None:
    said = await answer(*(Passage(f"title {number}", "", "text") for number in range(5)))
    assert said.count("— title") == 3


async def test_it_says_when_nothing_was_found() -> None:
    assert "nothing about this" in await answer()


async def test_it_comes_word_by_word_and_ends() -> None:
    events = [event async for event in OfflineProvider().stream(ModelRequest("", ()))]
    assert events[:3] == [TextDelta("No"), TextDelta(" model"), TextDelta(" is")]
    assert events[-1] == Finished("stop")


def test_an_answer_streams_with_visible_pauses(newcomer: httpx2.Client) -> None:
    times = []
    with newcomer.stream("POST", "/api/chat/message/stream", json={"message": QUESTION}) as response:
        for _ in chunks(response):
            times.append(time.monotonic())
    assert len(times) > 10
    assert times[-1] - times[0] > 0.1


def test_the_answer_is_in_the_history(newcomer: httpx2.Client) -> None:
    said = newcomer.post("/api/chat/message", json={"message": QUESTION}).json()["data"]
    assert newcomer.get("/api/chat/history").json()["data"][1] == said

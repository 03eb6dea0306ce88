"""chat/tools.py: the tools that come with the agent."""

import datetime
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from chat.agent import tools
from chat.agent.events import ToolCallRequest, ToolResult
from chat.agent.toolbox import Toolbox
from chat.agent.tools import ToolContext
from chat.models import Prompt
from context import fetch as fetching
from context.ingest import ingest
from tests.hostile_site import Site, page
from tests.internet import Make


async def call(name: str, user: ToolContext | None = None, **arguments: Any) -> ToolResult:
    box = Toolbox(tuple(tools.registry.values()), user or ToolContext())
    return await box.call(ToolCallRequest("1", name, json.dumps(arguments)))


# The time.


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Africa/Johannesburg", "SAST"),
        ("africa/johannesburg", "SAST"),
        ("Johannesburg", "SAST"),
        (" tokyo ", "JST"),
        ("New York", ("EST", "EDT")),
        ("America/new-york", ("EST", "EDT")),
        ("UTC", "UTC"),
        ("+02:00", "UTC+02:00"),
        ("UTC+2", "UTC+02:00"),
        ("gmt -3:30", "UTC-03:30"),
    ],
)
async def test_the_time_is_told_in_a_zone(name: str, zone: str | tuple[str, ...]) -> None:
    made = await call("current_time", time_zone=name)
    assert not made.failed
    assert made.content.endswith(zone)


async def test_the_time_is_right() -> None:
    now = datetime.datetime.now(datetime.UTC)
    told = (await call("current_time", time_zone="UTC")).content.removesuffix(" UTC")
    told_at = datetime.datetime.strptime(told, "%A, %Y-%m-%d %H:%M").replace(tzinfo=datetime.UTC)
    assert abs(now - told_at) < datetime.timedelta(minutes=2)


async def test_without_a_zone_it_is_the_time_of_the_agent() -> None:
    assert (await call("current_time", ToolContext(time_zone="Asia/Tokyo"))).content.endswith(" JST")
    assert (await call("current_time", ToolContext(time_zone="Asia/Tokyo"), time_zone="")).content.endswith(" JST")


@pytest.mark.parametrize("zone", ["Nowhere", "../../etc/passwd", "/etc/passwd", "a\0b", "Europe", "x" * 5000, "+99:00"])
async def test_a_zone_that_is_none_is_explained(zone: str) -> None:
    made = await call("current_time", time_zone=zone)
    assert made.failed
    assert made.content.startswith("There is no time zone ")


async def test_a_zone_that_is_nearly_one_is_guessed() -> None:
    assert "perhaps Europe/Berlin" in (await call("current_time", time_zone="Europe/Berln")).content


# The context.


@pytest.mark.django_db(transaction=True)
async def test_what_the_search_finds_is_noted_with_the_answer() -> None:
    await sync_to_async(ingest)("Zebras sleep standing up.", title="Zebra facts")
    user = ToolContext()
    made = await call("search_context", user, query="how do zebras sleep")
    assert "Zebras sleep standing up." in made.content
    assert [passage["title"] for passage in user.passages] == ["Zebra facts"]


@pytest.mark.django_db(transaction=True)
async def test_search_gives_as_many_passages_as_the_prompt_in_force_says() -> None:
    await sync_to_async(ingest)("Zebras sleep standing up.", title="Sleep")
    await sync_to_async(ingest)("Zebras sleep in herds while one keeps watch.", title="Herds")
    await Prompt.objects.acreate(system="Be brief.", passages=1)
    made = await call("search_context", query="how do zebras sleep")
    assert made.content.count("<passage") == 1


# Pages.


@pytest.fixture
def _internet(fetcher: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guarded fetcher, on the internet of the tests."""
    monkeypatch.setattr(fetching, "fetch", fetcher().fetch)


@pytest.mark.usefixtures("_internet")
async def test_a_page_is_fetched_and_read(site: Site) -> None:
    site.answers["/"] = page(b"<html><title>Zebras</title><body><p>Zebras sleep standing up.</p></body></html>")
    made = await call("fetch_page", url="http://site.example/")
    assert not made.failed, made
    assert made.content.startswith('<passage title="Zebras" source="http://site.example/">')
    assert "Zebras sleep standing up." in made.content


@pytest.mark.usefixtures("_internet")
@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://169.254.169.254/latest", "file:///etc/passwd", "nonsense"]
)
async def test_a_page_that_nobody_may_fetch_is_refused(url: str) -> None:
    made = await call("fetch_page", url=url)
    assert made.failed
    assert made.content.startswith("The address ")

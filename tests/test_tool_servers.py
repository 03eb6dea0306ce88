"""chat/mcp: tools of real tool servers, good ones and bad ones."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

import httpcore2
import pytest
from asgiref.sync import sync_to_async
from mcp.server.mcpserver import MCPServer

from chat.agent.events import ToolCallRequest, ToolResult
from chat.agent.toolbox import Limits, Toolbox
from chat.mcp import client, listing, network, offered
from chat.mcp.client import CallRefused, ServerAddress, ServerDown
from chat.mcp.models import ToolServer
from chat.mcp.results import text_of
from tests.tool_server import Running, running, wiki

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["now", "before 2026"])
def served(request: pytest.FixtureRequest) -> Iterator[Running]:
    """The wiki, once as a server of today and once as one that knows sessions only."""
    with running(wiki(), old=request.param != "now") as server:
        yield server


@pytest.fixture
def modern() -> Iterator[Running]:
    with running(wiki()) as server:
        yield server


@pytest.fixture
def old() -> Iterator[Running]:
    with running(wiki(), old=True) as server:
        yield server


@pytest.fixture(autouse=True)
async def _no_sessions_stay() -> AsyncIterator[None]:
    yield
    for session in list(client._sessions.pop(asyncio.get_running_loop(), {}).values()):
        session._task.cancel()
        await asyncio.wait({session._task})


def address(server: Running, **more: Any) -> ServerAddress:
    given: dict[str, Any] = {"header": None, "allow_private": True} | more
    return ServerAddress("wiki", server.url, **given)


async def call(server: Running, name: str, **arguments: Any) -> str:
    return text_of(await client.call_tool(address(server), name, arguments))


async def refusal(work: Awaitable[Any], kind: type[Exception] = ServerDown) -> str:
    with pytest.raises(kind) as caught:
        await work
    return str(caught.value)


# A good server.


async def test_its_tools_are_listed(served: Running) -> None:
    names = [tool.name for tool in await client.list_tools(address(served))]
    assert names == ["search", "fail", "picture", "huge", "page.by title!", "sleep"]


async def test_a_tool_is_called(served: Running) -> None:
    assert await call(served, "search", query="snails") == "3 pages about snails"


async def test_the_handshake_is_made_once(served: Running) -> None:
    for _ in range(3):
        await call(served, "search", query="snails")
    assert served.requests[-3:] == ["tools/call"] * 3
    assert len(served.requests) <= 6


async def test_calls_share_the_session_side_by_side(served: Running) -> None:
    started = time.monotonic()
    await asyncio.gather(*(call(served, "sleep", seconds=0.3) for _ in range(5)))
    assert time.monotonic() - started < 1.2
    assert served.requests.count("server/discover") == 1


async def test_a_session_that_the_server_forgot_is_opened_anew(old: Running) -> None:
    await call(old, "search", query="snails")
    old.forgetful = True
    assert await call(old, "search", query="hats") == "3 pages about hats"
    assert old.requests.count("initialize") == 2


async def test_a_session_ends_after_a_while_without_calls(old: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "IDLE_SECONDS", 0.05)
    await call(old, "search", query="snails")
    deadline = time.monotonic() + 5
    while "DELETE" not in old.requests:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    assert await call(old, "search", query="hats") == "3 pages about hats"


async def test_the_secret_goes_with_every_request(served: Running) -> None:
    secret = ("Authorization", "Bearer s3cret")
    await client.call_tool(address(served, header=secret), "search", {"query": "snails"})
    assert set(served.secrets) == {"Bearer s3cret"}


async def test_pictures_are_named(served: Running) -> None:
    assert await call(served, "picture") == "A snail:\n\n[image image/png, 3 KB]"


async def test_nothing_but_the_sdk_itself_says_get(served: Running) -> None:
    await call(served, "search", query="snails")
    await asyncio.sleep(0.1)
    assert "GET" not in served.requests


# A bad one.


async def test_a_tool_that_fails_says_so(served: Running) -> None:
    result = await client.call_tool(address(served), "fail", {})
    assert result.is_error
    assert "Error executing tool fail" in text_of(result)


async def test_an_answer_that_is_too_large_is_refused_and_the_next_is_not(served: Running) -> None:
    assert "larger than 2 MB" in await refusal(call(served, "huge", size=3_000_000), CallRefused)
    assert await call(served, "search", query="snails") == "3 pages about snails"


@pytest.mark.parametrize(
    ("status", "why"),
    [(500, "fails"), (503, "fails"), (401, "refuses the secret"), (302, "redirects"), (307, "redirects")],
)
async def test_a_server_that_does_not_serve_is_down(status: int, why: str, modern: Running) -> None:
    modern.status, modern.headers = status, [(b"location", modern.url.encode())]
    assert why in await refusal(call(modern, "search", query="snails"))
    assert why in await refusal(client.list_tools(address(modern)))


async def test_a_server_that_comes_back_is_used_again(served: Running) -> None:
    served.status = 503
    await refusal(call(served, "search", query="snails"))
    served.status = 0
    assert await call(served, "search", query="snails") == "3 pages about snails"


async def test_nobody_there_is_down() -> None:
    assert "cannot be reached" in await refusal(call(Running(1), "search"))
    assert "cannot be reached" in await refusal(client.list_tools(address(Running(1))))


async def test_a_server_that_says_nothing_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "OPEN_SECONDS", 0.1)
    monkeypatch.setattr(client, "LIST_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = Running(silent.getsockname()[1])
        assert "does not answer" in await refusal(call(mute, "search"))
        assert "does not answer" in await refusal(client.list_tools(address(mute)))


async def test_something_else_than_a_tool_server_is_down(modern: Running) -> None:
    page = Running(modern.port)
    modern.status = 204
    assert await refusal(client.list_tools(address(page)))


async def test_after_a_call_that_was_given_up_a_new_session_is_opened(served: Running) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call(served, "sleep", seconds=30), 0.3)
    assert await call(served, "search", query="snails") == "3 pages about snails"
    assert served.requests.count("server/discover") == 2


# Where it may be.


async def test_a_private_address_is_refused_unless_allowed(modern: Running) -> None:
    assert "not public" in await refusal(client.list_tools(address(modern, allow_private=False)))
    assert modern.requests == []


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_another_way_to_write_it_is_refused_too(host: str, modern: Running) -> None:
    where = ServerAddress("wiki", f"http://{host}:{modern.port}/mcp", None, False)
    await refusal(client.list_tools(where))
    assert modern.requests == []


async def test_a_name_is_looked_up_at_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [["93.184.216.34"], ["127.0.0.1"], ["93.184.216.34", "10.0.0.1"]]
    reached: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:  # noqa: ARG001
        return answers.pop(0)

    class Net(httpcore2.AsyncNetworkBackend):
        async def connect_tcp(self, host: str, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
            reached.append(host)
            raise httpcore2.ConnectError

    monkeypatch.setattr(network, "resolve", resolve)
    guard = network.GuardedNetwork(allow_private=False, network=Net())
    for _ in range(3):
        with pytest.raises((httpcore2.ConnectError, network._NotPublic)):
            await guard.connect_tcp("wiki.example", 443)
    assert reached == ["93.184.216.34"]


# What strangers call their tools.


@pytest.mark.parametrize(
    ("remote", "name"),
    [
        ("search", "wiki__search"),
        ("page.by title!", "wiki__page_by_title__"),
        ("x" * 200, "wiki__xxx"),
        ("", "wiki__"),
        ("ä", "wiki___"),
    ],
)
def test_names_are_made_fit(remote: str, name: str) -> None:
    made = listing.offered_name("wiki", remote)
    assert made.startswith(name)
    assert len(made) <= 64


def test_names_that_are_made_fit_stay_apart() -> None:
    names = ["a b", "a.b", "a_b", "a!b", "x" * 100, "x" * 101, "A b"]
    assert len({listing.offered_name("wiki", name) for name in names}) == len(names)


# As the model gets them.


def add_server(server: Running, *ticked: str, **more: Any) -> ToolServer:
    row = ToolServer.objects.create(name="wiki", url=server.url, allow_private=True, **more)
    listing.list_tools(row)
    row.tools.filter(remote_name__in=ticked).update(enabled=True)
    row.save()
    return row


async def ask(name: str, arguments: dict[str, Any] | str, **limits: Any) -> ToolResult:
    tools = tuple(await sync_to_async(offered.offered)())
    given = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return await Toolbox(tools, limits=Limits(**limits)).call(ToolCallRequest("1", name, given))


def test_only_ticked_tools_are_offered(modern: Running) -> None:
    row = add_server(modern, "search")
    assert [tool.name for tool in offered.offered()] == ["wiki__search"]
    row.tools.update(enabled=True)
    row.save()
    assert len(offered.offered()) == 6


def test_a_server_that_is_switched_off_offers_nothing(modern: Running) -> None:
    row = add_server(modern, "search")
    row.enabled = False
    row.save()
    assert offered.offered() == []


def test_no_server_is_asked_for_what_is_offered(modern: Running, django_assert_num_queries: Any) -> None:
    add_server(modern, "search")
    offered.offered()
    modern.requests.clear()
    with django_assert_num_queries(1):
        offered.offered()
    assert modern.requests == []


def test_schemas_are_in_words_that_vendors_take(modern: Running) -> None:
    add_server(modern, "search")
    [tool] = offered.offered()
    assert tool.schema["function"] == {
        "name": "wiki__search",
        "description": "Searches the wiki.",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "description": "(default: 3)"}},
            "required": ["query"],
        },
    }


def test_listing_again_keeps_the_ticks_and_tells_what_changed(modern: Running) -> None:
    row = add_server(modern, "search", "sleep")
    row.tools.filter(remote_name="sleep").update(remote_name="gone", name="wiki__gone")
    row.tools.filter(remote_name="search").update(description="Harmless.")
    listed = listing.list_tools(row)
    assert (listed.new, listed.changed, listed.gone) == (["wiki__sleep"], ["wiki__search"], ["wiki__gone"])
    assert [tool.name for tool in offered.offered()] == ["wiki__search"]


async def test_the_model_calls_a_tool_of_a_server(served: Running) -> None:
    await sync_to_async(add_server)(served, "search")
    made = await ask("wiki__search", {"query": "snails"})
    assert (made.content, made.failed) == ("3 pages about snails", False)


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("wiki__fail", {}, "Error executing tool fail"),
        ("wiki__search", {}, "Error executing tool search"),
        ("wiki__search", "[1]", "The arguments are wrong"),
        ("wiki__search", "{", "The arguments are wrong"),
        ("wiki__huge", {"size": 3_000_000}, "The tool server wiki refuses the call: its answer is larger"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(name: str, arguments: Any, told: str, modern: Running) -> None:
    await sync_to_async(add_server)(modern, "search", "fail", "huge")
    made = await ask(name, arguments)
    assert made.failed
    assert made.content.startswith(told)


async def test_results_and_time_have_the_limits_of_all_tools(modern: Running) -> None:
    await sync_to_async(add_server)(modern, "huge", "sleep")
    assert (await ask("wiki__huge", {"size": 500}, chars=10)).content == "x" * 10 + "\n[cut: 490 more characters]"
    assert "took longer than 0.2 seconds" in (await ask("wiki__sleep", {"seconds": 30}, seconds=0.2)).content


async def test_a_server_that_is_down_takes_its_tools_away_for_a_while(modern: Running) -> None:
    row = await sync_to_async(add_server)(modern, "search")
    modern.status = 503
    made = await ask("wiki__search", {"query": "snails"})
    assert made.content == "The tool server wiki cannot be used at the moment."
    assert "503" in made.error
    assert await sync_to_async(offered.offered)() == []
    await ToolServer.objects.filter(pk=row.pk).aupdate(down_until=None)
    modern.status = 0
    assert (await ask("wiki__search", {"query": "snails"})).content == "3 pages about snails"


def test_a_secret_is_not_stored_as_it_is(modern: Running) -> None:
    row = add_server(modern, "search", header_name="Authorization")
    row.set_secret("Bearer s3cret")
    row.save()
    row.refresh_from_db()
    assert "s3cret" not in row.secret
    assert row.header() == ("Authorization", "Bearer s3cret")


def test_a_secret_of_another_key_takes_the_tools_away(modern: Running, settings: Any) -> None:
    from pydantic import SecretStr

    row = add_server(modern, "search", header_name="Authorization")
    row.set_secret("Bearer s3cret")
    row.save()
    settings.ENV = settings.ENV.model_copy(update={"secret_key": SecretStr("another")})
    offered._known.clear()
    assert offered.offered() == []
    row.refresh_from_db()
    assert "enter it again" in row.problem
    with pytest.raises(ServerDown):
        listing.list_tools(row)


# Hostile lists.


def hostile(name: str = "tool", description: str = "", schema: Any = None) -> MCPServer:
    """A server whose only tool is described like this."""
    server = MCPServer("hostile")

    @server.tool(name="tool", description=description)
    def tool() -> str:
        return "done"

    kept = server._tool_manager._tools["tool"]
    kept.name = name
    if schema is not None:
        kept.parameters = schema
    return server


@pytest.mark.parametrize(
    "how",
    [
        {"name": "a\0b"},
        {"name": "x" * 1000},
        {"schema": {"type": "object", "properties": {"a b": {}}}},
        {"schema": {"type": "object", "properties": {f"a{n}": {} for n in range(1000)}}},
    ],
)
def test_a_tool_that_cannot_be_offered_says_why(how: dict[str, Any]) -> None:
    with running(hostile(**how)) as server:
        row = add_server(server, "tool")
    tool = row.tools.get()
    assert (tool.problem[:7], tool.definition) == ("It has ", None)
    assert offered.offered() == []


def test_long_and_odd_descriptions_are_made_fit() -> None:
    with running(hostile(description="\0" * 5000)) as server:
        row = add_server(server, "tool")
    assert row.tools.get().description == "\ufffd" * 1024


def test_a_schema_in_a_circle_is_listed() -> None:
    circle = {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}
    with running(hostile(schema=circle)) as server:
        row = add_server(server, "tool")
    assert (row.tools.get().definition or {})["function"]["parameters"]["properties"] == {"a": {"type": "object"}}

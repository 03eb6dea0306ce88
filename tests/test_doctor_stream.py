"""Does a stream arrive in pieces? The doctor sends itself one through the public address."""

import asyncio
import time
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings

from operators.doctor import stream
from operators.doctor.report import Line
from tests.conftest import Serve, Server, chunks, free_port
from tests.embeddings import environment
from tests.hostile_site import Site
from tests.proxies import proxy


def looked(settings: Settings, address: str, key: str = "test-key") -> Line:
    settings.ENV = environment(app_url=address)
    settings.INTERNAL_API_KEY = key
    [line] = asyncio.run(stream.look())
    return line


def test_pieces_that_come_one_by_one_are_well(settings: Settings, server: Server) -> None:
    line = looked(settings, server.url)
    assert (line.level, "one by one" in line.text) == ("ok", True)


def test_a_proxy_that_passes_everything_on_is_well(settings: Settings, server: Server) -> None:
    with proxy(int(server.env["PORT"]), collects=0) as address:
        assert looked(settings, address).level == "ok"


def test_a_proxy_that_holds_the_answer_back_is_told(settings: Settings, server: Server) -> None:
    with proxy(int(server.env["PORT"]), collects=3) as address:
        line = looked(settings, address)
    assert (line.level, "docs/deploy-docker.md" in line.advice) == ("failure", True)


def test_a_proxy_that_collects_some_is_a_warning(settings: Settings) -> None:
    settings.ENV = environment()
    assert stream._judged([0, 0.5, 1.5]).level == "warning"
    assert stream._judged([]).level == "failure"


def test_another_key_is_told(settings: Settings, server: Server) -> None:
    assert "another key" in looked(settings, server.url, key="wrong").text


def test_something_else_at_the_address_is_told(settings: Settings, site: Site) -> None:
    line = looked(settings, f"http://127.0.0.1:{site.port}")
    assert (line.level, line.advice) == ("failure", "Check APP_URL, and the proxy in front of the agent.")


def test_nobody_at_the_address_is_told(settings: Settings) -> None:
    line = looked(settings, f"http://127.0.0.1:{free_port()}")
    assert (line.level, "Nobody answers" in line.text) == ("failure", True)


@pytest.mark.parametrize(("is_development", "level"), [(True, "ok"), (False, "warning")])
def test_without_an_address_there_is_nothing_to_look_at(settings: Settings, is_development: bool, level: str) -> None:
    settings.DEV_MODE = is_development
    assert looked(settings, "").level == level


def test_the_stream_is_for_those_with_the_key(server: Server, serve: Serve) -> None:
    with server.client(key=None) as stranger:
        assert stranger.get(stream.PATH).status_code == 401
    with serve(ALLOW_ANONYMOUS="true").client(key=None) as stranger:
        assert stranger.get(stream.PATH).status_code == 401


def test_the_stream_is_like_an_answer_and_leaves_nothing(server: Server, email: str) -> None:
    started = time.monotonic()
    with server.client(email) as person:
        with person.stream("GET", stream.PATH) as response:
            told = [event["chunk"] for event in chunks(response)]
        assert person.get("/api/chat/history").json()["data"] == []
    assert len(told) == stream.PIECES
    assert time.monotonic() - started >= stream.PAUSE_SECONDS
    assert urlsplit(server.url).scheme == "http"

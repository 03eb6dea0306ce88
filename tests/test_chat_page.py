"""The chat page at ``/``, as the server hands it out."""

import hashlib
import re
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

import chatpage
from chatpage.views import access

STATIC = Path(chatpage.__file__).parent / "static" / "chatpage"


@pytest.fixture
def on(settings: Settings) -> None:
    settings.CHAT_PAGE = True


def test_where_it_is_off_the_way_leads_to_the_admin(client: Client) -> None:
    assert client.get("/").headers["Location"] == "/admin/"


@pytest.mark.usefixtures("on")
def test_it_is_a_page_with_the_agents_name(client: Client, settings: Settings) -> None:
    settings.APP_NAME = "<Bird & watcher>"
    page = client.get("/").content.decode()
    assert "<title>&lt;Bird &amp; watcher&gt;</title>" in page


@pytest.mark.usefixtures("on")
def test_its_policy_lets_nothing_in_from_elsewhere(client: Client) -> None:
    policy = client.get("/").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;")
    assert "unsafe" not in policy


@pytest.mark.usefixtures("on")
def test_it_holds_no_script_and_no_style_of_its_own(client: Client) -> None:
    page = client.get("/").content.decode()
    assert not re.search(r"<style|<script(?![^>]* src=)|\sstyle=|\son\w+=|(src|href)=\"(?!#|/static/)", page)


@pytest.mark.usefixtures("on")
def test_it_is_only_read(client: Client) -> None:
    assert (client.head("/").status_code, client.post("/").status_code) == (200, 405)


@pytest.mark.parametrize(
    ("key", "anonymous", "dev_mode", "asked"),
    [
        ("s3cret", False, False, "key"),
        ("s3cret", True, False, "either"),
        ("s3cret", False, True, "key"),
        ("", False, True, "email"),
        ("", True, False, "nothing"),
    ],
)
def test_it_asks_for_what_the_api_wants(
    key: str, anonymous: bool, dev_mode: bool, asked: str, settings: Settings
) -> None:
    settings.INTERNAL_API_KEY, settings.ALLOW_ANONYMOUS, settings.DEV_MODE = key, anonymous, dev_mode
    assert access() == asked


def test_every_kept_library_is_the_one_written_down() -> None:
    listed = re.findall(r"^\| `(\S+)` .* `(\w{64})` \|$", (STATIC / "vendor" / "README.md").read_text(), re.MULTILINE)
    kept = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in (STATIC / "vendor").glob("*.js")]
    assert listed == sorted(kept)


@pytest.mark.parametrize("script", sorted(STATIC.rglob("*.js")), ids=lambda path: path.name)
def test_every_module_finds_what_it_imports(script: Path) -> None:
    text = script.read_text()
    imported = re.findall(r'^import .* from "(.+)";$', text, re.MULTILINE)
    assert all((script.parent / name).is_file() for name in imported)
    assert "sourceMappingURL" not in text

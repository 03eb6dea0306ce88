"""docs/tools.md: its example is done here as it stands there, in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.commands import empty_database
from tests.conftest import ROOT, Server, free_port
from tests.fake_provider import FakeProvider, call, text, tool_calls

PAGE = (ROOT / "docs" / "tools.md").read_text()
KEPT_OUT = shutil.ignore_patterns(".*", "__pycache__", "var", "tests", "bench", "node_modules")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, in which a reader has done steps 1 to 3."""
    copy = tmp_path_factory.mktemp("reader") / "project"
    shutil.copytree(ROOT, copy, ignore=KEPT_OUT)
    subprocess.run(["sh", "-e", "-c", blocks("sh")[0]], cwd=copy, check=True)
    settings = copy / "ccagent" / "settings.py"
    settings.write_text(settings.read_text().replace("INSTALLED_APPS = [\n", 'INSTALLED_APPS = [\n    "shop",\n', 1))
    (copy / "shop" / "tools.py").write_text(blocks("python")[0])
    return copy


@pytest.fixture(scope="module")
def _provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def shop(project: Path, _provider: FakeProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    variables = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": _provider.base_url}
    env = {**os.environ, **variables, "PORT": free_port()}
    server = Server(env, tmp_path_factory.mktemp("server") / "log", project)
    yield server
    server.stop()


def test_the_commands_of_the_page_say_what_it_says(project: Path) -> None:
    said = []
    with empty_database() as address:
        env = os.environ | {"DATABASE_URL": address}
        for arguments in re.findall(r'make manage ARGS="(.*)"', blocks("sh")[1]):
            command = [sys.executable, "manage.py", *arguments.split()]
            said.append(subprocess.run(command, cwd=project, env=env, stdout=subprocess.PIPE, text=True).stdout)
    lines = set("".join(said).splitlines())
    assert set(blocks("text")[0].split("\n")) - {""} <= lines


def test_the_model_uses_the_tools_of_the_page(shop: Server, provider: FakeProvider) -> None:
    provider.replies(
        tool_calls(call("order_status", number="A-17"), call("opening_hours", day="saturday")), text("On its way.")
    )
    assert ask(shop, "ann@example.com") == "On its way."
    results = [message["content"] for message in provider.requests[-1].messages if message["role"] == "tool"]
    assert results == ['{"order":"A-17","content":"two snails","status":"on its way"}', "9:00 to 13:00"]


def test_somebody_else_does_not_see_the_order(shop: Server, provider: FakeProvider) -> None:
    provider.replies(tool_calls(call("order_status", number="A-17")), text("There is none."))
    ask(shop, "bob@example.com")
    assert provider.requests[-1].messages[-1]["content"].startswith("This person has no order A-17.")


def test_the_model_is_told_what_the_page_says(shop: Server, provider: FakeProvider) -> None:
    ask(shop, "ann@example.com")
    told = {tool["function"]["name"]: tool["function"] for tool in provider.requests[-1].json["tools"]}
    assert told["order_status"]["description"] == "What became of an order of the person who asks."
    assert list(told["order_status"]["parameters"]["properties"]) == ["number"]
    assert told["opening_hours"]["parameters"]["properties"]["day"]["enum"] == ["weekdays", "saturday", "sunday"]


def ask(shop: Server, email: str) -> str:
    with shop.client(email) as person:
        answer: httpx2.Response = person.post("/api/chat/message", json={"message": "Where is it?"})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["content"][0]["text"])


def test_a_mistake_in_a_tool_stops_every_command_and_names_it(project: Path) -> None:
    tools = project / "shop" / "tools.py"
    good = tools.read_text()
    tools.write_text(good + "\n\n@tool\ndef broken(first): ...\n")
    try:
        command = [sys.executable, "manage.py", "check"]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    finally:
        tools.write_text(good)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith("shop.tools.broken is no tool: its parameter first has no type; write first: str, or so.")

"""The documents say what the code does."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import find_commands
from django.urls import URLPattern, URLResolver, get_resolver
from pydantic import SecretStr

from ccagent.environment import Environment
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGETS = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)


def endpoints() -> list[str]:
    """The paths of the API, from the URL configuration."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, path)
            elif not path.startswith("^"):
                yield path

    return [path for path in walk(get_resolver().url_patterns) if path.startswith("api/")]


def shown(default: object) -> str:
    """A default as the table of settings has it."""
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return "unset" if default in ("", None) else f"`{text}`"


@pytest.mark.parametrize("name", Environment.model_fields)
def test_every_setting_is_in_the_readme_with_its_default_and_meaning(name: str) -> None:
    field = Environment.model_fields[name]
    assert f"\n| `{name.upper()}` | {shown(field.default)} | {field.description} |\n" in README


def test_the_readme_has_no_setting_that_is_none() -> None:
    named = re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE)
    assert [name.lower() for name in named] == list(Environment.model_fields)


def test_there_are_endpoints() -> None:
    assert set(endpoints()) >= {"api/chat/message", "api/chat/message/stream", "api/chat/history", "api/context/text"}


@pytest.mark.parametrize("path", endpoints())
def test_every_endpoint_has_a_curl_in_the_readme(path: str) -> None:
    assert re.search(rf"^curl [^`]*http://localhost:3000/{path}(?=['?\s])", README, re.MULTILINE)


@pytest.mark.parametrize("target", TARGETS)
def test_make_help_lists_every_command(target: str) -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^make {target} +\w", listed, re.MULTILINE)


def test_every_command_is_phony() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == set(TARGETS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_make_commands_of_the_documents_exist(document: Path) -> None:
    used = re.findall(r"(?:`|^)make ([a-z-]+)(?=`| ARGS| RETRIEVAL| +#|$)", document.read_text(), re.MULTILINE)
    assert set(used) <= set(TARGETS)


def test_every_management_command_of_ours_is_documented() -> None:
    ours = [config for config in apps.get_app_configs() if Path(config.path).parent == ROOT]
    names = [name for config in ours for name in find_commands(f"{config.path}/management")]
    assert "serve" in names
    text = "".join(document.read_text() for document in DOCUMENTS)
    assert [name for name in names if f"manage.py {name}" not in text] == []


def test_the_readme_has_a_table_of_all_commands() -> None:
    ours = [config for config in apps.get_app_configs() if Path(config.path).parent == ROOT]
    names = [name for config in ours for name in find_commands(f"{config.path}/management")]
    table = README.partition("\n## Commands\n")[2].partition("\n## ")[0]
    assert [name for name in names if f"`{name}`" not in table] == []


def test_the_platform_starts_what_the_readme_says() -> None:
    [command] = re.findall(r"^web: (.+)$", (ROOT / "Procfile").read_text(), re.MULTILINE)
    assert command == "python manage.py serve"
    assert f"`{command}`" in README


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_other_files_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("name", ["docs/architecture.md", "docs/glossary.md", "CHANGELOG.md", "LICENSE"])
def test_the_other_documents_are_there(name: str) -> None:
    assert len((ROOT / name).read_text()) > 200

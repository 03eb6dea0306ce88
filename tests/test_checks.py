"""Misconfiguration is a Django system check, each known by its id."""

import re
from pathlib import Path

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import connection
from pydantic import SecretStr
from pytest_django import Settings

from ccagent.environment import Environment
from tests.conftest import ROOT


def found(check_id: str) -> list[CheckMessage]:
    return [message for message in run_checks() if message.id == check_id]


def environment(**variables: object) -> Environment:
    nothing_set = {"persistent_storage_dir": None, "database_url": SecretStr("")}
    return Environment(_env_file=None).model_copy(update=nothing_set | variables)


@pytest.fixture(autouse=True)
def proper(settings: Settings) -> None:
    """An installation with nothing to complain about, which each test spoils."""
    settings.DEV_MODE = False
    settings.ALLOW_ANONYMOUS = False
    settings.INTERNAL_API_KEY = "key"
    settings.ENV = environment(persistent_storage_dir=Path("/data"))


def test_a_proper_installation_has_no_complaints() -> None:
    assert run_checks() == []


def test_a_missing_key_is_an_error(settings: Settings) -> None:
    settings.INTERNAL_API_KEY = ""
    [problem] = found("ccagent.E001")
    assert problem.is_serious()
    assert "INTERNAL_API_KEY" in problem.msg
    assert "ALLOW_ANONYMOUS" in str(problem.hint)


@pytest.mark.parametrize("name", ["ALLOW_ANONYMOUS", "DEV_MODE"])
def test_a_key_is_not_needed_where_nobody_needs_one(name: str, settings: Settings) -> None:
    settings.INTERNAL_API_KEY = ""
    setattr(settings, name, True)
    assert not found("ccagent.E001")


def test_a_database_on_a_disk_that_does_not_last_is_a_warning(settings: Settings) -> None:
    settings.ENV = environment()
    [problem] = found("ccagent.W001")
    assert not problem.is_serious()
    assert "PERSISTENT_STORAGE_DIR" in str(problem.hint)


def test_in_development_the_disk_is_ones_own(settings: Settings) -> None:
    settings.ENV = environment()
    settings.DEV_MODE = True
    assert not found("ccagent.W001")


def test_a_database_elsewhere_needs_no_disk(settings: Settings) -> None:
    settings.ENV = environment(database_url=SecretStr("postgresql://host/name"))
    assert not found("ccagent.W001")


def test_a_provider_that_cannot_be_asked_is_a_warning(settings: Settings) -> None:
    settings.ENV = settings.ENV.model_copy(update={"provider_name": "nobody"})
    [problem] = found("chat.W001")
    assert not problem.is_serious()
    assert "PROVIDER_BASE_URL" in problem.msg


def test_a_fallback_that_cannot_be_asked_is_a_warning(settings: Settings) -> None:
    settings.ENV = settings.ENV.model_copy(update={"fallback_models": "openai:big"})
    [problem] = found("chat.W002")
    assert not problem.is_serious()
    assert "FALLBACK_API_KEY_OPENAI" in problem.msg


def test_embeddings_that_cannot_be_made_are_a_warning(settings: Settings) -> None:
    settings.ENV = settings.ENV.model_copy(update={"embeddings": "provider"})
    [problem] = found("context.W002")
    assert not problem.is_serious()
    assert "EMBEDDINGS_PROVIDER" in problem.msg


@pytest.mark.django_db
@pytest.mark.usefixtures("pgvector")
def test_a_postgres_that_cannot_keep_vectors_is_a_warning(settings: Settings) -> None:
    given = {"embeddings": "provider", "provider_name": "openai", "provider_api_key": SecretStr("key")}
    settings.ENV = settings.ENV.model_copy(update=given)
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION IF EXISTS vector CASCADE")
        cursor.execute("CREATE ROLE modest")
        cursor.execute("SET ROLE modest")
    [problem] = [message for message in run_checks(databases=["default"]) if message.id == "context.W001"]
    assert not problem.is_serious()
    assert "CREATE EXTENSION vector" in str(problem.hint)


def test_a_tool_that_nobody_has_is_a_warning(settings: Settings) -> None:
    settings.ENV = settings.ENV.model_copy(update={"tools": "*,fetch_page,get_wether"})
    [problem] = found("chat.W003")
    assert "get_wether" in problem.msg
    assert "fetch_page" in str(problem.hint)


def test_every_check_of_ours_is_tried_here() -> None:
    sources = [path.read_text() for path in ROOT.glob("*/checks.py")]
    assert {found for source in sources for found in re.findall(r'id="([\w.]+)"', source)} == {
        "ccagent.E001",
        "ccagent.W001",
        "chat.W001",
        "chat.W002",
        "context.W001",
        "context.W002",
        "chat.W003",
    }

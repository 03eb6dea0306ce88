"""manage.py doctor: each of its lines, as it is when all is well and when it is not."""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from pydantic import SecretStr
from pytest_django import Settings

from context.embeddings import indexes
from context.embeddings.configuration import Choice
from operators.doctor import database, examination, installation, provider, shared, vectors
from operators.doctor.report import Line, failure, ok, warning
from tests.commands import run
from tests.conftest import Redis, free_port
from tests.embeddings import add, environment, fill, turn_on
from tests.fake_provider import FakeProvider, closed_port, key_refused, model_not_found, silence
from tests.fake_provider import text as says

Look = Coroutine[Any, Any, Sequence[Line]]


def seen(lines: Sequence[Line]) -> list[tuple[str, str]]:
    return [(line.level.value, line.about) for line in lines]


def words(lines: Sequence[Line]) -> str:
    return "\n".join(f"{line.text} {line.advice}" for line in lines)


def looked(look: Look) -> Sequence[Line]:
    return asyncio.run(look)


# Settings


def test_settings_that_go_together_are_a_line(settings: Settings) -> None:
    settings.SECRET_KEY = "x" * 60 + "abcdefghij"
    assert seen(installation.look()) == [("ok", "settings")]


def test_what_checks_find_is_told_with_what_to_do(settings: Settings) -> None:
    settings.INTERNAL_API_KEY = ""
    [line] = [line for line in installation.look() if line.level == "failure"]
    assert line.text.startswith("INTERNAL_API_KEY is not set")
    assert "Set it" in line.advice


def test_an_address_without_https_is_a_warning(settings: Settings) -> None:
    settings.SECRET_KEY = "x" * 60 + "abcdefghij"
    settings.BEHIND_HTTPS = settings.SESSION_COOKIE_SECURE = False
    assert [line.text[:26] for line in installation.look()] == ["APP_URL begins with http:/"]


def test_development_mode_is_not_for_a_public_address(settings: Settings) -> None:
    settings.DEV_MODE, settings.ENV = True, environment(app_url="https://agent.example.com")
    assert "every caller is believed" in words(installation.look())


# Database


@pytest.mark.django_db
def test_a_database_that_answers_tells_its_version() -> None:
    line = database.reach()
    assert line.level == "ok"
    assert f"Postgres {connection.connection.info.server_version // 10000}" in line.text


@pytest.mark.django_db
def test_a_database_that_does_not_answer_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = {"host": "127.0.0.1", "port": free_port(), "user": "ann", "password": "hidden", "dbname": "agent"}
    monkeypatch.setattr(connection, "get_connection_params", lambda: nobody)
    line = database.reach()
    assert (line.level, "refused" in line.text, "hidden" in line.text) == ("failure", True, False)


@pytest.mark.django_db
def test_an_old_database_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "OLDEST", 99)
    assert database.reach() == failure(
        "database", words([database.reach()]).partition(" Take")[0], "Take Postgres 99 or newer."
    )


@pytest.mark.django_db
def test_a_migrated_database_is_well() -> None:
    assert [level for level, _ in seen(database.look())] == ["ok", "ok", "ok"]


@pytest.mark.django_db
def test_missing_migrations_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [(SimpleNamespace(__str__=lambda: "chat.0099"), False)]
    monkeypatch.setattr("operators.doctor.database.MigrationExecutor.migration_plan", lambda *_: missing)
    [line] = [line for line in database.look() if line.about == "migrations"]
    assert (line.level, line.text[:20]) == ("failure", "1 are not applied, t")


@pytest.mark.django_db
def test_a_database_of_a_newer_version_is_told() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('chat', '9999_future', now())")
    [line] = [line for line in database.look() if line.about == "migrations"]
    assert (line.level, "chat.9999_future" in line.text) == ("warning", True)


@pytest.mark.django_db
def test_too_large_a_pool_is_told(settings: Settings) -> None:
    settings.ENV = environment(database_pool_size=100_000)
    [line] = [line for line in database.look() if line.about == "connections"]
    assert (line.level, "DATABASE_POOL_SIZE" in line.advice) == ("failure", True)


@pytest.mark.django_db
def test_a_missing_pgvector_is_told_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr("context.embeddings.vectors._extension", lambda: ("", False))
    assert ("ok", "pgvector") in seen(database.look())
    settings.ENV = environment(embeddings="provider", embeddings_provider="openai", embeddings_api_key="key")
    assert ("warning", "pgvector") in seen(database.look())


@pytest.mark.parametrize(
    ("variables", "kind", "level"),
    [
        ({"database_url": SecretStr("postgresql://host/name")}, "overlay", "ok"),
        ({}, "ext4", "failure"),
        ({"persistent_storage_dir": Path("/data")}, "overlay", "failure"),
        ({"persistent_storage_dir": Path("/data")}, "tmpfs", "failure"),
        ({"persistent_storage_dir": Path("/data")}, "nfs4", "ok"),
    ],
)
def test_a_disk_that_does_not_last_is_told(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, variables: dict[str, Any], kind: str, level: str
) -> None:
    settings.ENV = environment(**{"persistent_storage_dir": None} | variables)
    monkeypatch.setattr(database, "file_system", lambda _: kind)
    assert database.disk().level == level


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.ENV = environment(persistent_storage_dir=Path("/data"))
    monkeypatch.setattr(database, "_LEAST_FREE_MB", 10**12)
    assert "Make room" in database.disk().advice


def test_the_file_system_is_that_of_the_innermost_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("a / overlay rw\nb /data ext4 rw\nc /data nfs4 rw\nd /database tmpfs rw\n")
    found = [database.file_system(Path(place), mounts) for place in ("/data/postgres", "/databases", "/data")]
    assert found == ["nfs4", "overlay", "nfs4"]
    assert database.file_system(tmp_path, tmp_path / "missing") == ""


# Redis


def test_redis_is_not_needed() -> None:
    assert seen(looked(shared.look())) == [("ok", "redis")]


def test_a_redis_that_passes_messages_on_is_well(settings: Settings, redis: Redis) -> None:
    settings.ENV = environment(redis_url=SecretStr(redis.url))
    assert seen(looked(shared.look())) == [("ok", "redis")]


def test_a_redis_that_does_not_answer_is_told(settings: Settings) -> None:
    settings.ENV = environment(redis_url=SecretStr(f"redis://:hidden@127.0.0.1:{free_port()}/0"))
    lines = looked(shared.look())
    assert (seen(lines), "hidden" in words(lines)) == ([("failure", "redis")], False)


# Models


def model(settings: Settings, base_url: str, **variables: Any) -> None:
    given = {
        "provider_name": "fake",
        "provider_model": "fake",
        "provider_base_url": base_url,
        "provider_api_key": "key",
    }
    settings.ENV = environment(**(given | variables))


def test_a_model_that_answers_is_well(settings: Settings, provider_server: FakeProvider) -> None:
    model(settings, provider_server.base_url)
    lines = looked(provider.look())
    assert seen(lines) == [("ok", "model fake")] * 3
    assert "It began to answer after" in words(lines)


def test_the_question_is_short_and_nobodys(settings: Settings, provider_server: FakeProvider) -> None:
    model(settings, provider_server.base_url)
    looked(provider.look())
    assert [each.question for each in provider_server.requests if each.method == "POST"] == ["Are you there?"]


def test_a_refused_key_is_told(settings: Settings, provider_server: FakeProvider) -> None:
    model(settings, provider_server.base_url)
    provider_server.replies(key_refused())
    lines = looked(provider.look())
    assert seen(lines)[-1] == ("failure", "model fake")
    assert "refused the API key" in words(lines)


def test_a_model_that_is_not_listed_any_more_is_told_with_those_like_it(
    settings: Settings, provider_server: FakeProvider
) -> None:
    model(settings, provider_server.base_url, provider_model="fake-smal")
    provider_server.replies(model_not_found())
    lines = looked(provider.look())
    assert [level for level, _ in seen(lines)] == ["ok", "failure", "failure"]
    assert "Its names are like fake-small" in words(lines)


def test_a_model_that_answers_without_being_listed_is_a_warning(
    settings: Settings, provider_server: FakeProvider
) -> None:
    model(settings, provider_server.base_url, provider_model="fake-old")
    assert [level for level, _ in seen(looked(provider.look()))] == ["ok", "warning", "ok"]


def test_the_list_of_another_shape_is_read(settings: Settings) -> None:
    with FakeProvider(vendor="cohere") as cohere:
        model(settings, cohere.base_url, provider_name="cohere")
        assert [level for level, _ in seen(looked(provider.look()))] == ["ok", "ok", "ok"]


def test_a_provider_that_cannot_be_reached_is_told(settings: Settings) -> None:
    with closed_port() as nobody:
        model(settings, nobody)
        lines = looked(provider.look())
    assert (seen(lines), "cannot be reached" in words(lines)) == ([("failure", "model fake")], True)


def test_silence_is_told_in_time(
    settings: Settings, provider_server: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "SECONDS", 0.5)
    model(settings, provider_server.base_url)
    provider_server.replies(silence())
    assert "did not answer in time" in words(looked(provider.look()))


def test_a_slow_answer_is_a_warning(
    settings: Settings, provider_server: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "_SLOW_MS", -1)
    model(settings, provider_server.base_url)
    assert seen(looked(provider.look()))[-1] == ("warning", "model fake")


def test_the_model_that_the_prompt_names_is_asked(settings: Settings, provider_server: FakeProvider) -> None:
    model(settings, provider_server.base_url)
    assert seen(looked(provider.look("fake-small")))[-1] == ("ok", "model fake-small")


def test_fallbacks_are_asked_too(settings: Settings, provider_server: FakeProvider) -> None:
    model(settings, provider_server.base_url, fallback_models="fake-small,openai:big")
    assert seen(looked(provider.look()))[3:] == [("ok", "fallback fake-small")] * 3 + [("warning", "fallback")]


def test_no_model_is_a_warning_and_half_a_one_a_failure(settings: Settings) -> None:
    settings.ENV = environment()
    assert seen(looked(provider.look())) == [("warning", "model")]
    settings.ENV = environment(provider_name="nobody")
    assert seen(looked(provider.look())) == [("failure", "model")]


# Embeddings


def test_embeddings_may_be_off() -> None:
    assert seen(looked(vectors.look())) == [("ok", "embeddings")]


def test_embeddings_that_lack_something_are_told(settings: Settings) -> None:
    settings.ENV = environment(embeddings="provider")
    assert seen(looked(vectors.look())) == [("warning", "embeddings")]


def test_a_backend_that_fails_is_told(settings: Settings, provider_server: FakeProvider) -> None:
    turn_on(settings, provider_server)
    provider_server.embedding_replies(key_refused())
    numbers, line = asyncio.run(vectors.made(Choice("fake", "model")))
    assert (numbers, line.level, "refused the API key" in line.text) == (0, "warning", True)


@pytest.mark.usefixtures("pgvector")
@pytest.mark.django_db
def test_vectors_that_match_are_well_and_others_are_not(settings: Settings, provider_server: FakeProvider) -> None:
    turn_on(settings, provider_server)
    choice = Choice("fake", "model")
    numbers, line = asyncio.run(vectors.made(choice))
    assert (line.level, vectors.stored(choice, numbers).level) == ("ok", "warning")
    add(1)
    fill()
    assert vectors.stored(choice, numbers).level == "ok"
    assert vectors.stored(choice, numbers + 1).level == "failure"


@pytest.mark.usefixtures("pgvector")
@pytest.mark.django_db
def test_vectors_in_the_making_are_told(settings: Settings, provider_server: FakeProvider) -> None:
    turn_on(settings, provider_server)
    add(1)
    fill()
    indexes.find_or_create(Choice("fake", "other"))
    line = vectors.stored(Choice("fake", "other"), 0)
    assert (line.level, "search uses those of model" in line.text) == ("warning", True)


# All of it


def test_failures_are_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    said = [ok("redis", "fine"), warning("model", "slow", "Wait.")]

    async def examined() -> list[Line]:
        return said

    monkeypatch.setattr("operators.management.commands.doctor.examine", examined)
    assert run("doctor").out.splitlines()[1:3] == ["warning  model: slow", "         Wait."]
    assert run("doctor").code == 0
    said.append(failure("disk", "full"))
    assert (run("doctor").code, run("doctor").out.splitlines()[-1]) == (1, "Failures: 1, warnings: 1, ok: 1.")


def test_machines_get_json(monkeypatch: pytest.MonkeyPatch) -> None:
    async def examined() -> list[Line]:
        return [failure("disk", "full", "Make room.")]

    monkeypatch.setattr("operators.management.commands.doctor.examine", examined)
    ran = run("doctor", "--json")
    assert json.loads(ran.out) == [{"about": "disk", "level": "failure", "text": "full", "advice": "Make room."}]
    assert ran.code == 1


@pytest.mark.django_db(transaction=True)
def test_what_one_check_stumbles_over_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stumble() -> None:
        raise KeyError("bug")

    monkeypatch.setattr(shared, "look", stumble)
    lines = looked(examination.examine())
    assert {"settings", "database", "migrations", "redis", "model", "embeddings", "stream"} <= {
        line.about for line in lines
    }
    assert ("failure", "redis") in seen(lines)


@pytest.mark.django_db(transaction=True)
def test_what_takes_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "SECONDS", 5.0)
    monkeypatch.setattr(shared, "look", lambda: asyncio.sleep(600))
    assert "within 5 s" in words([line for line in looked(examination.examine()) if line.about == "redis"])


@pytest.mark.django_db
def test_without_a_database_the_rest_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "reach", lambda: failure("database", "It does not answer."))
    about = [line.about for line in looked(examination.examine())]
    assert "model" in about
    assert "migrations" not in about


@pytest.fixture
def provider_server(_provider: FakeProvider) -> FakeProvider:
    _provider.reset()
    _provider.default = says("Yes.")
    return _provider

"""ccagent/environment.py and ccagent/settings.py: variables, and what becomes of them."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ccagent.environment import Environment, EnvironmentProblem, read_environment
from tests.conftest import ROOT

MALFORMED = {
    "DEV_MODE": ["maybe", "2"],
    "CHAT_PAGE": ["maybe", "2"],
    "PORT": ["many", "-1", "65536", "80.5"],
    "APP_URL": ["https://", "ftp://a.example", "https://exa mple.com", "https://a.example:99999", "https://[bad"],
    "ALLOW_ANONYMOUS": ["perhaps"],
    "SHOW_DOCUMENTATION": ["perhaps"],
    "CORS_ALLOWED_ORIGINS": ["example.com", "https://a.example,b.example", "https://a.example/path", "*"],
    "CHAT_RATE": ["30", "many", "0/min", "30/fortnight", "1.5/min"],
    "CONTEXT_RATE": ["30", "/min", "-3/min"],
    "CONTEXT_URL_PORTS": ["http", "0", "65536", "-1", "80-90", "80 443", "\N{FULLWIDTH DIGIT EIGHT}0"],
    "CONTEXT_URL_ALLOW": [
        "a b",
        "http://host",
        "host:0",
        "host:99999",
        "host:",
        "10.0.0.1/8",
        "*.host",
        "fd00::1/8",
        "ü",
    ],
    "CONTEXT_MAX_BYTES": ["0", "-1", "10 MB"],
    "ADMIN_EMAIL": ["nobody", "a@b@c.example", f"{'a' * 150}@example.com"],
    "DATABASE_URL": [
        "s3cret",
        "mysql://u:s3cret@host/name",
        "postgresql://u:s3cret@host",
        "postgresql://u:s3cret@host/",
        "postgresql://u:s3cret@host:port/name",
        "postgresql://u:s3cret@host:65536/name",
        "postgresql://u:s3cret%ZZ@host/name",
        "postgresql://u:s3cret@host/name?sslmode",
        "postgresql://u:s3cret@host/name?sslmode=s3cret",
        "postgresql://u:s3cret@host/name?s3cret=1",
        "postgresql://u:s3cret@[host/name",
    ],
    "REDIS_URL": [
        "s3cret",
        "http://u:s3cret@host",
        "redis://:s3cret@/0",
        "redis://u:s3cret@host:port/0",
        "redis://u:s3cret@host:65536/0",
        "redis://u:s3cret@host/name",
        "redis://u:s3cret@host/0?s3cret=1",
        "redis://u:s3cret@host/0?socket_timeout=soon",
        "redis://u:s3cret@[host/0",
    ],
    "DATABASE_POOL_SIZE": ["0", "-1", "ten"],
    "FALLBACK_MODELS": [":model", "openai:", "two words", "x" * 201],
    "MAX_RUNNING_TURNS": ["0", "-1", "few"],
    "PROVIDER_NAME": ["x" * 101],
    "PROVIDER_MODEL": ["x" * 201],
    "PROVIDER_API_KEY": ["s3cret s3cret", "s3crét", "s3cret\ns3cret"],
    "PROVIDER_BASE_URL": ["localhost:11434/v1", "ftp://host/v1", "http://", "http://host:99999/v1", "http://[host"],
    "EMBEDDINGS": ["yes", "openai"],
    "EMBEDDINGS_PROVIDER": ["x" * 101],
    "EMBEDDINGS_MODEL": ["x" * 201],
    "EMBEDDINGS_API_KEY": ["s3cret s3cret", "s3crét"],
    "EMBEDDINGS_BASE_URL": ["localhost:11434/v1", "ftp://host/v1"],
    "EMBEDDINGS_DIMENSIONS": ["0", "4001", "many"],
    "PROVIDER_CONNECT_SECONDS": ["0", "soon", "inf", "nan"],
    "PROVIDER_FIRST_BYTE_SECONDS": ["0", "-1"],
    "PROVIDER_STALL_SECONDS": ["0", "1 s"],
    "PROVIDER_TOTAL_SECONDS": ["0", "inf"],
    "PROVIDER_RETRIES": ["-1", "11", "1.5"],
    "ANSWER_MAX_CHARS": ["0", "much"],
    "PAUSED_ANSWER": ["x" * 2001],
    "PAUSED_STREAM_SECONDS": ["-1", "3601", "long", "nan"],
    "HISTORY_TOKENS": ["0", "much"],
    "INCLUDE_SOURCES": ["maybe"],
    "MEMORY": ["perhaps"],
    "TOOLS": ["a b", "search-context", "**"],
    "MAX_TOOL_STEPS": ["0", "101", "few"],
    "TOOL_SECONDS": ["0", "soon"],
    "TOOL_RESULT_CHARS": ["0", "much"],
    "TIME_ZONE": ["Nowhere", "../etc", "UTC+2"],
    "DRAIN_SECONDS": ["0", "-1"],
    "LOG_LEVEL": ["LOUD", "10"],
    "LOG_FORMAT": ["xml"],
    "METRICS_TOKEN": ["two words", "ключ"],
}
# Django would take these for any host.
MALFORMED["RETENTION_DAYS"] = ["0", "-1", "long", "1.5", "36501"]
MALFORMED["APP_URL"] += ["*", "https://*.example.com", ".example.com"]
MALFORMED |= {
    "PROVIDER_TEMPERATURE": ["warm", "-0.1", "2.1", "nan", "inf"],
    "PROVIDER_MAX_TOKENS": ["0", "-1", "many", "1.5"],
    "PRICES": ["big", "big=1", "big=1/x", "big=-1/2", "=1/2", "big=1e9/2", "big=12345/1"],
    "MONTHLY_BUDGET_USD": ["-1", "much", "nan", "inf", "10000000"],
    "MONTHLY_BUDGET_USD_PER_PERSON": ["-1", "$5"],
    "BUDGET_ANSWER": ["x" * 2001],
    "RETRIEVAL": ["perhaps"],
    "PASSAGES": ["0", "21", "some"],
}
# Any text will do for these.
FREE = {"APP_NAME", "INTERNAL_API_KEY", "SECRET_KEY", "ADMIN_PASSWORD", "PERSISTENT_STORAGE_DIR"}
PRODUCTION = {"INTERNAL_API_KEY": "k", "APP_URL": "agent.example.com", "PERSISTENT_STORAGE_DIR": "/data"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of this project's variables is set."""
    for name in Environment.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def read(monkeypatch: pytest.MonkeyPatch, dotenv: Path = Path("none"), /, **variables: str) -> Environment:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_environment(dotenv)


def settings_with(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """The settings as a process with these variables has them."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(ROOT / "ccagent" / "settings.py"))


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, timeout=60)


# Malformed values.


def test_every_variable_is_tried() -> None:
    assert {name.upper() for name in Environment.model_fields} == MALFORMED.keys() | FREE


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in MALFORMED.items() for value in values])
def test_a_malformed_value_is_one_sentence_that_names_the_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        read(monkeypatch, **{name: value})
    sentence = str(caught.value)
    assert sentence.startswith(f"{name} is malformed: ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "s3cr" not in sentence


def test_bytes_that_are_no_text_are_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvironmentProblem, match=r"^APP_NAME is malformed"):
        read(monkeypatch, APP_NAME=os.fsdecode(b"\xff"))


@pytest.mark.parametrize("command", ["serve", "check", "migrate", "help"])
def test_a_malformed_value_stops_every_command(command: str) -> None:
    done = manage(command, DATABASE_URL="mysql://u:s3cret@host/name")
    assert done.returncode != 0
    assert done.stdout + done.stderr == "error: DATABASE_URL is malformed: it must start with postgresql://.\n"


# Where values come from.


@pytest.mark.parametrize("name", Environment.model_fields)
def test_an_empty_variable_counts_as_unset(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = getattr(read(monkeypatch), name)
    assert getattr(read(monkeypatch, **{name.upper(): ""}), name) == default


def test_blanks_around_a_value_are_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    env = read(monkeypatch, INTERNAL_API_KEY=" key\n", PROVIDER_MODEL=" small ")
    assert (env.internal_api_key, env.provider_model) == (SecretStr("key"), "small")


def test_the_file_is_not_read_outside_development(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("DEV_MODE=true\nAPP_NAME=Filed\nPORT=nonsense\n")
    env = read(monkeypatch, dotenv)
    assert (env.dev_mode, env.app_name) == (False, "CC Agent")


def test_the_file_is_read_in_development_and_yields_to_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("# mine\nAPP_NAME=Filed\nPROVIDER_MODEL='small'\nDEV_MODE=false\n")
    env = read(monkeypatch, dotenv, DEV_MODE="true", APP_NAME="Set")
    assert (env.dev_mode, env.app_name, env.provider_model) == (True, "Set", "small")


@pytest.mark.parametrize(("content", "named"), [(b"PORT=many\n", "PORT"), (b"PORT=\xff\n", ".env")])
def test_a_malformed_file_is_one_sentence(
    content: bytes, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(EnvironmentProblem, match=f"^{named} is "):
        read(monkeypatch, tmp_path / ".env", DEV_MODE="true")


def test_secrets_are_not_printed_with_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("INTERNAL_API_KEY", "SECRET_KEY", "ADMIN_PASSWORD", "PROVIDER_API_KEY")
    env = read(monkeypatch, DATABASE_URL="postgresql://u:s3cret@host/name", **dict.fromkeys(secrets, "s3cret"))
    assert "s3cret" not in repr(env)


# Who is answered.


@pytest.mark.parametrize(
    "app_url",
    [
        "agent.example.com",
        "https://agent.example.com",
        "https://Agent.Example.com/",
        "https://agent.example.com/chat?a=b",
    ],
)
def test_the_public_address_is_answered_to_and_trusted(app_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(monkeypatch, APP_URL=app_url)
    assert settings["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]", "agent.example.com"]
    assert settings["CSRF_TRUSTED_ORIGINS"][0] == "https://agent.example.com"


def test_a_port_is_part_of_the_origin_and_not_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(monkeypatch, APP_URL="http://agent.example.com:8080")
    assert settings["ALLOWED_HOSTS"][-1] == "agent.example.com"
    assert settings["CSRF_TRUSTED_ORIGINS"][0] == "http://agent.example.com:8080"


def test_without_a_public_address_only_this_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(monkeypatch, PORT="4000")
    assert settings["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert settings["CSRF_TRUSTED_ORIGINS"][0] == "http://localhost:4000"


@pytest.mark.parametrize(
    ("variables", "secure"),
    [
        ({}, True),
        ({"APP_URL": "agent.example.com"}, True),
        ({"APP_URL": "http://agent.example.com"}, False),
        ({"DEV_MODE": "true"}, False),
    ],
)
def test_cookies_are_secure_behind_https(
    variables: dict[str, str], secure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_with(monkeypatch, **variables)
    assert (settings["SESSION_COOKIE_SECURE"], settings["CSRF_COOKIE_SECURE"]) == (secure, secure)


def test_the_default_is_not_development(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(monkeypatch)
    assert (settings["DEBUG"], settings["DEV_MODE"]) == (False, False)


def test_a_secret_key_is_taken_and_a_missing_one_is_never_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_with(monkeypatch)["SECRET_KEY"] != settings_with(monkeypatch)["SECRET_KEY"]
    assert settings_with(monkeypatch, SECRET_KEY="mine")["SECRET_KEY"] == "mine"


def test_origins_are_a_list_and_none_means_any(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_with(monkeypatch)["CORS_ALLOW_ALL_ORIGINS"] is True
    settings = settings_with(monkeypatch, CORS_ALLOWED_ORIGINS=" https://a.example/ , http://b.example:8080")
    assert settings["CORS_ALLOWED_ORIGINS"] == ["https://a.example", "http://b.example:8080"]
    assert settings["CORS_ALLOW_ALL_ORIGINS"] is False


# The database's address.

ADDRESSES: dict[str, dict[str, str]] = {
    "postgresql://ann:pw@db.example:5433/agent": {
        "USER": "ann",
        "PASSWORD": "pw",
        "HOST": "db.example",
        "PORT": "5433",
    },
    "postgres://ann:pw@db.example/agent": {"USER": "ann", "PASSWORD": "pw", "HOST": "db.example", "PORT": ""},
    "postgresql+psycopg://ann:pw@db.example/agent": {"USER": "ann", "HOST": "db.example"},
    "postgresql://a%40b:p%2Fw%23%25%3A@db.example/agent": {"USER": "a@b", "PASSWORD": "p/w#%:"},
    "postgresql://%2Fvar%2Frun%2Fpg:5433/agent": {"HOST": "/var/run/pg", "PORT": "5433"},
    "postgresql:///agent?host=/var/run/pg&user=ann": {"HOST": "/var/run/pg", "USER": "ann"},
    "postgresql://[::1]:5433/agent": {"HOST": "::1", "PORT": "5433"},
    "postgresql://a.example:1,b.example:2/agent": {"HOST": "a.example,b.example", "PORT": "1,2"},
}


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_in_any_form_is_understood(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = settings_with(monkeypatch, DATABASE_URL=url)["DATABASES"]["default"]
    expected = {"ENGINE": "django.db.backends.postgresql", "NAME": "agent"} | ADDRESSES[url]
    assert {name: database[name] for name in expected} == expected


def test_parameters_reach_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://db.example/agent?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=9&channel_binding=require"
    options = settings_with(monkeypatch, DATABASE_URL=url)["DATABASES"]["default"]["OPTIONS"]
    assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", "/ca.pem")
    assert (options["connect_timeout"], options["channel_binding"]) == ("9", "require")


def test_what_other_clients_add_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://db.example/agent?pgbouncer=true&sslmode=require&connection_limit=1&schema=public"
    options = settings_with(monkeypatch, DATABASE_URL=url)["DATABASES"]["default"]["OPTIONS"]
    assert options["sslmode"] == "require"
    assert not {"pgbouncer", "connection_limit", "schema"} & options.keys()


def test_without_an_address_the_database_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(monkeypatch, PERSISTENT_STORAGE_DIR="/data")
    assert settings["DATABASES"]["default"]["ENGINE"] == "ccagent.embedded_backend"
    assert Path("/data/postgres") == settings["EMBEDDED_POSTGRES_DIR"]


def test_without_a_storage_folder_it_is_in_var(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_with(monkeypatch)["EMBEDDED_POSTGRES_DIR"] == ROOT / "var" / "postgres"


# Whole processes.


def test_importing_the_settings_starts_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "storage"
    script = "import django; django.setup(); import ccagent.asgi, ccagent.urls"
    env = os.environ | {"PERSISTENT_STORAGE_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, check=True, timeout=60)
    assert not folder.exists()


@pytest.mark.parametrize("database", [{}, {"DATABASE_URL": "postgresql://ann:pw@db.example/agent"}])
def test_a_proper_installation_is_clean_for_its_deployment(database: dict[str, str]) -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION, **database)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"DEV_MODE": "true"}, True),
        ({"CHAT_PAGE": "true"}, True),
        ({"DEV_MODE": "1", "CHAT_PAGE": "0"}, False),
    ],
)
def test_the_chat_page_is_on_in_development_or_where_it_is_wanted(
    variables: dict[str, str], on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings_with(monkeypatch, **variables)["CHAT_PAGE"] == on

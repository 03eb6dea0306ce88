"""The variables this project reads, each with its type, default and meaning; nothing else reads the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg
from django.core.exceptions import ValidationError as InvalidEmail
from django.core.validators import validate_email
from dotenv import dotenv_values
from pydantic import AfterValidator, Field, PositiveInt, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _is_rate(value: str) -> str:
    if value and not re.fullmatch(r"[1-9]\d*/(s|sec|second|m|min|minute|h|hour|d|day)", value):
        raise ValueError("it must look like 30/min")
    return value


Rate = Annotated[str, AfterValidator(_is_rate)]
"""How often somebody may call, like ``30/min``; empty means without limit."""
MAX_PASSAGES = 20
"""Most passages that may be asked for: more would leave little room for anything else in a prompt."""
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class EnvironmentProblem(Exception):
    """A variable is malformed; the message is one sentence that names it."""


class Environment(BaseSettings):
    """An empty variable counts as unset. Field names in capitals are the variables' names."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, str_strip_whitespace=True, extra="ignore", case_sensitive=False
    )

    dev_mode: bool = Field(
        False,
        description="Development mode: debug pages, listens on 127.0.0.1 only, `.env` is read, "
        "an unset `INTERNAL_API_KEY` means that every caller is trusted.",
    )
    port: int = Field(3000, ge=0, le=65535, description="Port to listen on.")
    chat_page: bool | None = Field(
        None,
        description="Serve the chat page at `/`, which otherwise leads to the admin. Unset: in `DEV_MODE` only.",
    )
    app_name: str = Field("CC Agent", description="What the agent calls itself.")
    app_url: str = Field(
        "", description="Public address, with or without `https://`; its host is the one the agent answers to."
    )
    internal_api_key: SecretStr = Field(
        SecretStr(""),
        description="The key that callers must send as `X-CC-API-KEY`. Required outside `DEV_MODE` "
        "unless `ALLOW_ANONYMOUS=true`.",
    )
    allow_anonymous: bool = Field(
        False, description="Serve callers without a key, each call by itself, without a history."
    )
    cors_allowed_origins: str = Field(
        "", description="Comma-separated origins whose pages may call the API; empty means any."
    )
    chat_rate: Rate = Field("", description="Messages per e-mail (per address for anonymous callers), like `30/min`.")
    context_rate: Rate = Field("", description="Context additions per e-mail, like `30/min`.")
    context_url_ports: str = Field(
        "", description="Comma-separated ports that addresses given to the agent may have besides 80 and 443."
    )
    context_url_allow: str = Field(
        "",
        description="Comma-separated private hosts that may be fetched all the same: `host`, `host:port` for a port "
        "that is otherwise not fetched from, or a network like `10.1.0.0/16` whose addresses then count as public.",
    )
    context_max_bytes: PositiveInt = Field(
        10_000_000,
        description="Largest page or file that is taken into the context, in bytes; of one fr"
        "om an address, after unpacking.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="Signs the admin's sessions. Unset: made once by `serve` and kept in the database.",
    )
    admin_email: str = Field(
        "admin@localhost",
        max_length=150,
        description="E-mail and user name of the first operator, made at the first start.",
    )
    admin_password: SecretStr = Field(
        SecretStr(""), description="The first operator's password. Unset: generated and printed once."
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        description="`postgresql://user:password@host:port/name?sslmode=require`. "
        "Unset: an embedded Postgres runs in the storage folder.",
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        description="`serve` removes messages that are older than so many days, once a day. Unset: they are kept.",
    )
    database_pool_size: PositiveInt = Field(10, description="Most connections one process opens to Postgres.")
    redis_url: SecretStr = Field(
        SecretStr(""),
        description="`redis://user:password@host:port/0`, or `rediss://` with TLS: several processes then count "
        "`CHAT_RATE` and `CONTEXT_RATE` together and show each other's answers as they grow. "
        "Unset: each for itself.",
    )
    persistent_storage_dir: Path | None = Field(
        None, description="Folder that outlives a restart; holds the embedded Postgres. Unset: `./var`."
    )
    provider_name: str = Field(
        "",
        max_length=100,
        description="`google-genai`, `openai`, `anthropic`, `mistralai`, `groq`, `cohere`, `cerebras`, `xai`, or any "
        "name together with `PROVIDER_BASE_URL`. Unset with a key: `google-genai`; unset without one: offline.",
    )
    provider_model: str = Field(
        "",
        max_length=200,
        description="Model to ask, unless the prompt's version in force names one. Unset: the provider's default of "
        "this project.",
    )
    provider_api_key: SecretStr = Field(SecretStr(""), description="The provider's API key.")
    provider_base_url: str = Field("", description="Any OpenAI-compatible endpoint, up to and including `/v1`.")
    fallback_models: str = Field(
        "",
        description="Comma-separated models to ask when `PROVIDER_MODEL` gives no answer, each a `model` of the same "
        "provider or a `provider:model` with its key in `FALLBACK_API_KEY_<PROVIDER>`, like "
        "`FALLBACK_API_KEY_GOOGLE_GENAI`; a provider of another name has its address in "
        "`FALLBACK_BASE_URL_<PROVIDER>`.",
    )
    provider_temperature: float | None = Field(
        None,
        ge=0,
        le=2,
        allow_inf_nan=False,
        description="How freely the model chooses its words, 0 to 2, unless the prompt's version in force says. "
        "Unset: not sent.",
    )
    provider_max_tokens: PositiveInt | None = Field(
        None,
        description="Most tokens of one model call's answer, unless the prompt's version in force says. "
        "Unset: not sent.",
    )
    retrieval: bool = Field(
        True, description="Look into the documents for each question, unless the prompt's version in force says."
    )
    passages: int = Field(
        6,
        ge=1,
        le=MAX_PASSAGES,
        description="Most passages of the documents that a question brings along, unless the prompt's version in force "
        "says.",
    )
    provider_connect_seconds: Seconds = Field(5, description="Longest wait for a connection to the provider.")
    provider_first_byte_seconds: Seconds = Field(
        30, description="Longest wait for the first token, retries and fallback models included."
    )
    provider_stall_seconds: Seconds = Field(60, description="Longest silence in the middle of an answer.")
    provider_total_seconds: Seconds = Field(600, description="Longest that one answer may take in all.")
    provider_retries: int = Field(2, ge=0, le=10, description="Further tries before the first token.")
    embeddings: Literal["auto", "provider", "local", "off"] = Field(
        "auto",
        description="Who makes the vectors that search by meaning needs: `provider`, an OpenAI-compatible endpoint; "
        "`local`, a model on this machine (`requirements-embeddings.txt`); `off`, nobody; `auto`, the provider where "
        "it is `google-genai`, `openai`, `mistralai` or `cohere`, else nobody.",
    )
    embeddings_provider: str = Field(
        "", max_length=100, description="Provider of embeddings, named like `PROVIDER_NAME`. Unset: the same."
    )
    embeddings_model: str = Field(
        "",
        max_length=200,
        description="Model of embeddings. Unset: the provider's default of this project. After a change the new "
        "vectors are built beside the old ones.",
    )
    embeddings_api_key: SecretStr = Field(
        SecretStr(""), description="Key for embeddings. Unset: `PROVIDER_API_KEY` where the provider is the same."
    )
    embeddings_base_url: str = Field(
        "", description="Any OpenAI-compatible endpoint with `/embeddings`, up to and including `/v1`."
    )
    embeddings_dimensions: int | None = Field(
        None, ge=1, le=4000, description="Numbers in a vector, at most 4000. Unset: the model's default."
    )
    max_running_turns: PositiveInt = Field(4, description="Most answers in the making at once for one e-mail.")
    answer_max_chars: PositiveInt = Field(200_000, description="Longest answer, in characters; it is cut there.")
    paused_answer: str = Field(
        "A colleague is taking over this conversation and will answer you here.",
        max_length=2000,
        description="What somebody is told at once for whom an operator paused the agent.",
    )
    paused_stream_seconds: float = Field(
        120,
        ge=0,
        le=3600,
        description="How long a stream then stays open for the operator's own words; 0: it ends at once.",
    )
    history_tokens: PositiveInt | None = Field(
        None,
        description="Most tokens (estimated) of the conversation that go into a prompt: the question, the turns before "
        "it and the summary of those that fell out. Unset: a quarter of the model's context window, at most 32,000; "
        "8,000 where the window is not known.",
    )
    memory: bool = Field(
        True, description="Let the model remember short facts about a person, for all later conversations."
    )
    tools: str = Field(
        "*",
        description="Comma-separated tools that the model may use: names of functions in `tools.py`, `*` for all but "
        "those that must be named (`fetch_page`), or `none`. Tools of tool servers are ticked in the admin.",
    )
    max_tool_steps: int = Field(
        8, ge=1, le=100, description="Most model calls for one answer; the last one is made without tools."
    )
    tool_seconds: Seconds = Field(30, description="Longest that one tool call may take.")
    tool_result_chars: PositiveInt = Field(
        20_000, description="Longest result of a tool, in characters; it is cut there, and the model is told so."
    )
    prices: str = Field(
        "",
        description="Comma-separated prices of models in USD, each `model=input/output` for a million tokens, like "
        "`my-llama*=0/0, big-model=1.25/10`; `*` stands for anything, the first that fits counts. For models whose "
        "price is not known, or is another one for you.",
    )
    monthly_budget_usd: Decimal | None = Field(
        None,
        ge=0,
        lt=10_000_000,
        allow_inf_nan=False,
        description="What all answers of a month may cost; then `BUDGET_ANSWER` is given until the next one. "
        "Unset: no limit.",
    )
    monthly_budget_usd_per_person: Decimal | None = Field(
        None,
        ge=0,
        lt=10_000_000,
        allow_inf_nan=False,
        description="What the answers to one e-mail may cost in a month. Unset: no limit.",
    )
    budget_answer: str = Field(
        "I have answered as much as I may this month. Please come back next month, or ask the people who run me.",
        max_length=2000,
        description="What is answered, without asking a model, once a budget is used up.",
    )
    time_zone: str = Field(
        "UTC",
        description="Time zone of the agent, such as `Africa/Johannesburg`: for `{{ today }}`, `current_time` and the "
        "admin.",
    )
    include_sources: bool = Field(
        True,
        description="Name the documents that an answer was given: `sources` in answers, in the history and in a "
        "stream's last event.",
    )
    show_documentation: bool | None = Field(
        None,
        description="Serve the API's page `/api-docs` and its OpenAPI document `/swagger.json`. Unset: in `DEV_MODE`.",
    )
    drain_seconds: Seconds = Field(25, description="How long running answers may go on after SIGTERM.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="`DEBUG`, `INFO`, `WARNING` or `ERROR`."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="`text`, or `json`: one object a line, with the request's id and the hash of the e-mail."
    )
    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="Who sends it as a bearer token reads `/metrics`, for Prometheus. Unset: there is no such page.",
    )

    _by_provider: dict[str, str] = PrivateAttr(default_factory=lambda: _fallback_variables(os.environ))

    def fallback_variable(self, name: str) -> str:
        """One of the variables that have a provider's name in their own; empty where it is unset."""
        return self._by_provider.get(name, "").strip()

    @property
    def fallback_variables(self) -> dict[str, str]:
        """All of them."""
        return dict(self._by_provider)

    @field_validator("app_url")
    @classmethod
    def _as_origin(cls, value: str) -> str:
        """Scheme, host and port; the platform may leave the scheme out."""
        if not value:
            return ""
        url = urlsplit(value if "://" in value else f"https://{value}")
        # No wildcard of Django's: it would let the agent answer to any host.
        if url.scheme not in ("http", "https") or not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", url.hostname or ""):
            raise ValueError("it must be a web address like https://agent.example.com")
        return f"{url.scheme}://{url.hostname}:{url.port}" if url.port else f"{url.scheme}://{url.hostname}"

    @field_validator("cors_allowed_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        origins = [origin.rstrip("/") for origin in _entries(value)]
        if not all(re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\s]+", origin, re.IGNORECASE) for origin in origins):
            raise ValueError("it must hold addresses like https://example.com, separated by commas")
        return ",".join(origins)

    @field_validator("context_url_ports")
    @classmethod
    def _are_ports(cls, value: str) -> str:
        ports_in(value)
        return value

    @field_validator("context_url_allow")
    @classmethod
    def _are_hosts(cls, value: str) -> str:
        allowed_hosts(value)
        return value

    @field_validator("admin_email")
    @classmethod
    def _is_email(cls, value: str) -> str:
        try:
            validate_email(value)
        except InvalidEmail:
            raise ValueError("it is no e-mail address") from None
        return value

    @field_validator("tools")
    @classmethod
    def _are_names(cls, value: str) -> str:
        names = _entries(value)
        if not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*|\*", name) for name in names):
            raise ValueError("it must hold names of tools, separated by commas")
        return ",".join(names)

    @field_validator("prices")
    @classmethod
    def _are_prices(cls, value: str) -> str:
        prices_in(value)
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_time_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("it must be a name like Africa/Johannesburg") from None
        return value

    @field_validator("provider_api_key", "embeddings_api_key", "metrics_token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr) -> SecretStr:
        check_key(value.get_secret_value())
        return value

    @field_validator("provider_base_url", "embeddings_base_url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        check_base_url(value)
        return value

    @field_validator("fallback_models")
    @classmethod
    def _are_models(cls, value: str) -> str:
        entries = _entries(value)
        if not all(re.fullmatch(r"[^\s:]{1,100}:\S{1,200}|[^\s:]{1,200}", entry) for entry in entries):
            raise ValueError("it must look like small-model, openai:other-model")
        return ",".join(entries)

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            connection_parameters(value.get_secret_value())
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            _check_redis(value.get_secret_value())
        return value


@dataclass(frozen=True)
class OpenTelemetry:
    """What the standard variables ask for; an empty ``exporter`` is no tracing."""

    exporter: str
    is_named: bool
    shows_content: bool


def opentelemetry() -> OpenTelemetry:
    """Whether OpenTelemetry is wanted; how, its own packages read themselves."""

    def said(name: str) -> str:
        return os.environ.get(f"OTEL_{name}", "").strip().lower()

    addressed = said("EXPORTER_OTLP_ENDPOINT") or said("EXPORTER_OTLP_TRACES_ENDPOINT")
    exporter = said("TRACES_EXPORTER") or ("otlp" if addressed else "")
    is_off = exporter == "none" or said("SDK_DISABLED") == "true"
    content = said("INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT")
    is_named = bool(said("SERVICE_NAME")) or "service.name=" in said("RESOURCE_ATTRIBUTES")
    return OpenTelemetry("" if is_off else exporter, is_named, content in ("true", "span_only", "span_and_event"))


def check_key(value: str) -> None:
    if not re.fullmatch(r"[!-~]*", value):
        raise ValueError("it holds a blank or a character that is not ASCII")


def check_base_url(value: str) -> None:
    url = urlsplit(value)
    if value and not (url.scheme in ("http", "https") and url.hostname and url.port != 0):
        raise ValueError("it must start with http:// or https://")


@lru_cache
def prices_in(value: str) -> tuple[tuple[str, Decimal, Decimal], ...]:
    """Pattern of a model's name, USD for a million tokens of input, the same of output; raises ``ValueError``."""
    found = []
    for entry in _entries(value):
        match = re.fullmatch(r"(\S+?)\s*=\s*([0-9]{1,4}(?:\.[0-9]{1,9})?)\s*/\s*([0-9]{1,4}(?:\.[0-9]{1,9})?)", entry)
        if not match:
            raise ValueError("it must look like my-llama*=0/0, big-model=1.25/10")
        found.append((match[1], Decimal(match[2]), Decimal(match[3])))
    return tuple(found)


def ports_in(value: str) -> frozenset[int]:
    """The ports of a list separated by commas; raises ``ValueError``."""
    ports = _entries(value)
    if not all(re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536 for port in ports):
        raise ValueError("it must hold port numbers, separated by commas")
    return frozenset(map(int, ports))


@dataclass(frozen=True)
class AllowedHosts:
    """What ``CONTEXT_URL_ALLOW`` names; a host has its port, or None for those that are fetched from anyway."""

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()


_HOST = re.compile(r"(?P<host>[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")


def allowed_hosts(value: str) -> AllowedHosts:
    """Reads ``CONTEXT_URL_ALLOW``; raises ``ValueError``."""
    hosts, networks = set(), []
    for entry in _entries(value.lower()):
        try:
            networks.append(ip_network(entry))
        except ValueError:
            match = _HOST.fullmatch(entry)
            if not match or not 0 < int(match["port"] or 80) < 65536:
                raise ValueError("it must hold hosts like wiki.internal:8080 or networks like 10.1.0.0/16") from None
            hosts.add((match["host"].strip("[]"), int(match["port"]) if match["port"] else None))
    return AllowedHosts(frozenset(hosts), tuple(networks))


def _entries(value: str) -> list[str]:
    return [entry.strip() for entry in value.split(",") if entry.strip()]


def _fallback_variables(variables: Mapping[str, str | None]) -> dict[str, str]:
    prefixes = ("FALLBACK_API_KEY_", "FALLBACK_BASE_URL_")
    return {name: value for name, value in variables.items() if name.startswith(prefixes) and value}


def connection_parameters(url: str) -> dict[str, Any]:
    """The parameters libpq knows out of a database URL, by libpq's own parser.

    Understands ``postgres://``, ``postgresql://`` and SQLAlchemy's ``postgresql+driver://``. Raises ``ValueError``
    without quoting the URL, which holds a password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise ValueError("it must start with postgresql://")
    try:
        parameters = psycopg.conninfo.conninfo_to_dict(f"postgresql://{_without_foreign_parameters(rest)}")
    except psycopg.ProgrammingError:
        raise ValueError("it is no database address that Postgres understands") from None
    if not parameters.get("dbname"):
        raise ValueError("it names no database")
    if parameters.get("sslmode", "prefer") not in _SSL_MODES:
        raise ValueError(f"its sslmode must be one of {', '.join(_SSL_MODES)}")
    # As many as there are hosts, each of which may be left out.
    if any(
        port and not (port.isdecimal() and int(port) < 65536) for port in str(parameters.get("port", "")).split(",")
    ):
        raise ValueError("its port is no port number")
    return dict(parameters)


_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


# Prisma and some hosters add these for their own clients; libpq refuses a URL that holds them.
_FOREIGN_PARAMETERS = ("pgbouncer", "connection_limit", "pool_timeout", "schema", "statement_cache_size")


def _without_foreign_parameters(rest: str) -> str:
    address, _, query = rest.partition("?")
    kept = [item for item in query.split("&") if item and item.partition("=")[0] not in _FOREIGN_PARAMETERS]
    return f"{address}?{'&'.join(kept)}" if kept else address


def _check_redis(address: str) -> None:
    """Raises ``ValueError`` without quoting the address, which holds a password."""
    # Only who uses Redis pays for its library.
    from redis import ConnectionPool, RedisError

    if not address.startswith(("redis://", "rediss://")):
        raise ValueError("it must start with redis:// or rediss://")
    try:
        url = urlsplit(address)
        ConnectionPool.from_url(address).make_connection()
    except (TypeError, ValueError, RedisError):
        raise ValueError("it is no address of a Redis server") from None
    if not url.hostname:
        raise ValueError("it names no host")
    if not re.fullmatch(r"(/\d*)?", url.path):
        raise ValueError("its database is no number")


def read_environment(dotenv: Path) -> Environment:
    """Reads the environment, and in its development mode ``dotenv``, whose values yield to the environment's."""
    try:
        environment = Environment()
        if environment.dev_mode:
            environment = Environment(_env_file=dotenv)
            environment._by_provider = _fallback_variables(dotenv_values(dotenv)) | environment._by_provider
        return environment
    except ValidationError as error:
        raise EnvironmentProblem(_sentence(error)) from None
    except UnicodeDecodeError:
        raise EnvironmentProblem(f"{dotenv.name} is not UTF-8.") from None


def _sentence(error: ValidationError) -> str:
    """Names the first malformed variable; its value is left out, because it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    return f"{str(first['loc'][0]).upper()} is malformed: {reason[0].lower()}{reason[1:]}."

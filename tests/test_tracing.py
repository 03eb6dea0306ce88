"""Turns as spans, received by a collector over real HTTP."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ccagent.environment import opentelemetry
from tests import fake_provider as fake
from tests.conftest import Serve, Server, free_port
from tests.fake_provider import FakeProvider

trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

QUESTION = "What does George eat?"
ANSWER = "Snails, mostly."


class Collector(ThreadingHTTPServer):
    """Takes what an OTLP exporter sends; ``spans`` are dictionaries of name, kind, parent, error and attributes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.spans: list[dict[str, Any]] = []
        self.services: set[str] = set()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def take(self, body: bytes) -> None:
        request = trace_service.ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            self.services.add(attributes(resource.resource)["service.name"])
            self.spans += [described(span) for scope in resource.scope_spans for span in scope.spans]


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.take(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def attributes(holder: Any) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        kind = value.WhichOneof("value")
        return [plain(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)

    return {pair.key: plain(pair.value) for pair in holder.attributes}


def described(span: Any) -> dict[str, Any]:
    times = {"began": span.start_time_unix_nano, "ended": span.end_time_unix_nano}
    ids = {"trace": span.trace_id, "id": span.span_id, "parent": span.parent_span_id}
    about = {"name": span.name, "failed": span.status.code == 2, "is_client": span.kind == 3}
    return {**about, **ids, **times, "attributes": attributes(span)}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.shutdown()
    collector.server_close()


def traced_server(serve: Serve, provider: FakeProvider, collector: Collector, **variables: str) -> Server:
    return serve(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_address[1]}",
        OTEL_BSP_SCHEDULE_DELAY="50",
        PROVIDER_NAME="fake",
        PROVIDER_MODEL="fake",
        PROVIDER_BASE_URL=provider.base_url,
        PROVIDER_RETRIES="0",
        FALLBACK_MODELS="second",
        **variables,
    )


@pytest.fixture
def silent(serve: Serve, provider: FakeProvider, collector: Collector) -> Server:
    return traced_server(serve, provider, collector)


Turn = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def turn(silent: Server, collector: Collector, email: str) -> Turn:
    """Asks once; the spans of that turn in their order, the agent's first."""

    def ask(server: Server = silent) -> list[dict[str, Any]]:
        with server.client(email) as person:
            answer = person.post("/api/chat/message", json={"message": QUESTION})
        request = answer.headers["X-Request-ID"]
        deadline = time.monotonic() + 30
        while True:
            agents = [span for span in collector.spans if span["attributes"].get("ccagent.request_id") == request]
            if agents:
                inner = [span for span in collector.spans if span["parent"] == agents[0]["id"]]
                return [agents[0], *sorted(inner, key=lambda span: int(span["began"]))]
            assert time.monotonic() < deadline
            time.sleep(0.05)

    return ask


def test_a_turn_is_a_span_with_its_model_call_in_it(turn: Turn, provider: FakeProvider, collector: Collector) -> None:
    provider.replies(fake.text([ANSWER]))
    agent, call = turn()
    assert (agent["name"], call["name"]) == ("invoke_agent CC Agent", "chat fake")
    assert (agent["is_client"], call["is_client"]) == (False, True)
    assert call["trace"] == agent["trace"]
    assert agent["began"] <= call["began"] <= call["ended"] <= agent["ended"]
    assert collector.services == {"CC Agent"}


def test_a_model_call_has_what_the_conventions_ask_for(turn: Turn, provider: FakeProvider) -> None:
    provider.replies(fake.text([ANSWER]))
    _, call = turn()
    told = call["attributes"]
    assert told["gen_ai.operation.name"] == "chat"
    assert (told["gen_ai.provider.name"], told["gen_ai.request.model"]) == ("fake", "fake")
    assert told["gen_ai.response.finish_reasons"] == ["stop"]
    assert told["gen_ai.usage.input_tokens"] > 0 < told["gen_ai.usage.output_tokens"]
    assert told["gen_ai.response.time_to_first_chunk"] > 0


def test_a_tool_call_stands_between_two_model_calls(turn: Turn, provider: FakeProvider) -> None:
    provider.replies(fake.tool_calls(fake.call("current_time")), fake.text([ANSWER]))
    _, first, tool, second = turn()
    assert (first["name"], tool["name"], second["name"]) == ("chat fake", "execute_tool current_time", "chat fake")
    assert first["attributes"]["gen_ai.response.finish_reasons"] == ["tool_calls"]
    assert tool["attributes"]["gen_ai.tool.name"] == "current_time"
    assert first["ended"] <= tool["began"] <= tool["ended"]
    assert not any(span["failed"] for span in (first, tool, second))


def test_a_model_that_gave_no_answer_has_its_span_too(turn: Turn, provider: FakeProvider) -> None:
    provider.replies(fake.status(401), fake.text([ANSWER]))
    agent, failed, call = turn()
    assert (failed["failed"], failed["attributes"]["error.type"]) == (True, "key_refused")
    assert (call["name"], call["failed"], agent["failed"]) == ("chat second", False, False)


def test_a_turn_without_an_answer_failed(turn: Turn, provider: FakeProvider) -> None:
    provider.replies(*[fake.status(500)] * 2)
    agent, _, call = turn()
    assert (agent["failed"], call["failed"]) == (True, True)
    assert agent["attributes"]["error.type"] == call["attributes"]["error.type"]


def test_an_error_after_a_tool_is_that_of_the_second_call(turn: Turn, provider: FakeProvider) -> None:
    provider.replies(fake.tool_calls(fake.call("current_time")), *[fake.status(500)] * 2)
    _, first, _, second, third = turn()
    assert (first["failed"], second["failed"], third["failed"]) == (False, True, True)


def test_no_words_are_in_the_spans(turn: Turn, provider: FakeProvider, email: str) -> None:
    provider.replies(fake.tool_calls(fake.call("search_context", query="George")), fake.text([ANSWER]))
    told = str(turn())
    assert not any(word in told for word in ("George", "Snails", email, "test-key"))


def test_words_are_there_where_the_operator_wants_them(
    turn: Turn, serve: Serve, provider: FakeProvider, collector: Collector
) -> None:
    wordy = traced_server(serve, provider, collector, OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="true")
    provider.replies(fake.tool_calls(fake.call("search_context", query="George")), fake.text([ANSWER]))
    _, first, tool, second = turn(wordy)
    asked = json.loads(first["attributes"]["gen_ai.input.messages"])
    assert asked == [{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]
    assert json.loads(tool["attributes"]["gen_ai.tool.call.arguments"]) == {"query": "George"}
    [said] = json.loads(second["attributes"]["gen_ai.output.messages"])
    assert said == {"role": "assistant", "parts": [{"type": "text", "content": ANSWER}], "finish_reason": "stop"}


def test_a_collector_that_is_away_harms_nobody(serve: Serve, provider: FakeProvider, email: str) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    server = serve(
        OTEL_EXPORTER_OTLP_ENDPOINT=away, PROVIDER_NAME="f", PROVIDER_MODEL="f", PROVIDER_BASE_URL=provider.base_url
    )
    with server.client(email) as person:
        assert person.post("/api/chat/message", json={"message": QUESTION}).status_code == 200
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("variables", "exporter"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, ""),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, ""),
        ({"OTEL_SERVICE_NAME": "agent"}, ""),
    ],
)
def test_the_standard_variables_decide(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], exporter: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert opentelemetry().exporter == exporter

"""The OpenAPI document and the API's page."""

import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from jsonschema import ValidationError

from tests.conftest import KEY, ROOT, Serve, Server
from tests.documented import document, operations, validate

NAMES = {
    "sendMessage": ("POST", "/api/chat/message", "Chat"),
    "streamMessage": ("POST", "/api/chat/message/stream", "Chat"),
    "getChatHistory": ("GET", "/api/chat/history", "Chat"),
    "addContextText": ("POST", "/api/context/text", "Context"),
    "addContextFromUrl": ("POST", "/api/context/url", "Context"),
}
SCHEMAS = """
    ChatPrompt ChatPromptContentText ChatPromptContentImage ChatPromptContentFile AgentMessage AgentMessageContentText
    AgentMessageContentImage AgentMessageContentFile SendMessageResponse GetChatHistoryResponse ContextText
    AddContextTextResponse ContextUrl AddContextFromUrlResponse ApiResponse Error
"""


@pytest.fixture(scope="module")
def documented(serve: Serve) -> Server:
    """A server that shows its documentation, and finds no name of the internet."""
    return serve(SHOW_DOCUMENTATION="true", PYTHONPATH=str(ROOT / "tests" / "no_names"))


@pytest.mark.parametrize("name", NAMES)
def test_the_platform_finds_its_operations_by_name(name: str) -> None:
    method, path, described = operations()[name]
    assert (method, path, described["tags"][0]) == NAMES[name]


@pytest.mark.parametrize("name", SCHEMAS.split())
def test_the_platform_finds_its_schemas_by_name(name: str) -> None:
    assert document()["components"]["schemas"][name]["type"] == "object"


def test_every_reference_leads_to_a_schema() -> None:
    named = set(re.findall(r"#/components/schemas/(\w+)", str(document())))
    assert named <= set(document()["components"]["schemas"])


def test_the_two_headers_are_the_security_schemes() -> None:
    schemes = document()["components"]["securitySchemes"]
    assert {name: scheme["name"] for name, scheme in schemes.items()} == {
        "ApiKeyAuth": "X-CC-API-KEY",
        "EmailAuth": "X-CC-EMAIL",
    }


@pytest.mark.parametrize("name", operations())
def test_every_example_of_a_json_body_is_as_its_schema_says(name: str) -> None:
    _, _, described = operations()[name]
    bodies = [described.get("requestBody", {}), *described["responses"].values()]
    for content in [
        body["content"]["application/json"] for body in bodies if "application/json" in body.get("content", {})
    ]:
        assert content["examples"]
        for example in content["examples"].values():
            validate(example["value"], content["schema"])


@pytest.mark.parametrize(
    ("name", "content"),
    [("sendMessage", []), ("sendMessage", " \n"), ("sendMessage", [{"type": "text", "text": " "}])],
)
def test_what_the_server_refuses_is_not_described_as_right(name: str, content: object) -> None:
    schema = operations()[name][2]["requestBody"]["content"]["application/json"]["schema"]
    with pytest.raises(ValidationError):
        validate({"content": content}, schema)


def test_the_examples_work_as_they_stand(documented: Server, email: str) -> None:
    with documented.client(email) as person:
        for name in ("addContextText", "sendMessage", "streamMessage"):
            method, path, described = operations()[name]
            for example in described["requestBody"]["content"]["application/json"]["examples"].values():
                assert person.request(method, path, json=example["value"]).status_code == 200


def test_the_document_is_served_to_any_page_without_a_key(documented: Server) -> None:
    answer = httpx2.get(f"{documented.url}/swagger.json", headers={"Origin": "https://docs.example"})
    assert answer.json() == document()
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_the_page_and_all_that_it_loads_come_from_here(documented: Server) -> None:
    page = httpx2.get(f"{documented.url}/api-docs")
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(parts) == 6
    assert {httpx2.get(documented.url + part).status_code for part in parts} == {200}


@pytest.mark.parametrize("path", ["/swagger.json", "/api-docs"])
def test_both_are_off_in_production_unless_asked_for(server: Server, path: str) -> None:
    assert httpx2.get(server.url + path).status_code == 404


def test_an_idle_server_does_without_what_makes_the_document() -> None:
    code = "import ccagent.asgi, sys; print([name for name in sys.modules if name.startswith('drf_spectacular.')])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_no_call_that_schemathesis_makes_up_is_answered_otherwise(
    documented: Server, email: str, tmp_path: Path
) -> None:
    run = "from schemathesis.cli import schemathesis; schemathesis()"
    command = [sys.executable, "-c", run, "--config-file", str(ROOT / "tests" / "schemathesis.toml")]
    given = ["-H", f"X-CC-API-KEY: {KEY}", "-H", f"X-CC-EMAIL: {email}"]
    command += ["run", f"{documented.url}/swagger.json", "--checks", "all", *given, "--no-color"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False)
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]

"""Answers beside the OpenAPI document."""

import json
from functools import cache
from typing import Any

import httpx2
from jsonschema import Draft4Validator, FormatChecker

Schema = dict[str, Any]

# Of the server, whatever the operation: none here, another method, and what never gets as far as an operation.
ANYWHERE = {404, 405, 408, 431}


@cache
def document() -> Schema:
    from ccagent.api import openapi

    made: Schema = json.loads(openapi.document())
    return made


def operations() -> dict[str, tuple[str, str, Schema]]:
    """Method, path and description of each operation, by its id."""
    return {
        described["operationId"]: (method.upper(), path, described)
        for path, methods in document()["paths"].items()
        for method, described in methods.items()
    }


def check_is_documented(answer: httpx2.Response) -> None:
    """Status and media type; the body may still be on its way."""
    described = document()["paths"].get(answer.request.url.path, {}).get(answer.request.method.lower())
    if described is None or answer.status_code in ANYWHERE:
        return
    assert str(answer.status_code) in described["responses"], f"{answer.request!r} was answered {answer.status_code}"
    content = described["responses"][str(answer.status_code)].get("content", {"": {}})
    assert answer.headers.get("Content-Type", "") in content


def check_body(answer: httpx2.Response, described: Schema) -> None:
    """The body is as the operation's document says, each event of a stream too."""
    response = described["responses"][str(answer.status_code)]
    if "content" not in response:
        assert answer.content == b""
    elif "text/event-stream" in response["content"]:
        lines = [line for line in answer.text.split("\n") if line and not line.startswith(":")]
        assert lines
        for line in lines:
            validate(json.loads(line.removeprefix("data: ")), {"$ref": "#/components/schemas/StreamEvent"})
    else:
        validate(answer.json(), response["content"]["application/json"]["schema"])


def validate(value: object, schema: Schema) -> None:
    Draft4Validator({**schema, "components": document()["components"]}, format_checker=FormatChecker()).validate(value)

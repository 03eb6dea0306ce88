"""How each provider differs from the others when it answers: the words and shape of its errors, its ids and habits."""

import base64
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

CallStyle = Literal["pieces", "whole", "unindexed", "same index"]
UsageStyle = Literal["when asked", "last chunk", "x_groq"]


@dataclass(frozen=True)
class Problem:
    """An error before it takes a vendor's shape; the texts are templates for `str.format`."""

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None

    def filled(self, details: Mapping[str, str]) -> "Problem":
        return replace(
            self, message=self.message.format_map(details), param=self.param and self.param.format_map(details)
        )


WORDS: Mapping[str, Problem] = {
    "key": Problem(401, "Incorrect API key provided: sk-f***ke.", code="invalid_api_key"),
    "forbidden": Problem(403, "Project does not have access to model `{model}`", code="model_not_found"),
    "model": Problem(404, "The model `{model}` does not exist.", code="model_not_found"),
    "path": Problem(404, "Invalid URL ({path})"),
    "too large": Problem(413, "Request Entity Too Large", code="request_too_large"),
    "rate": Problem(429, "Rate limit reached for {model}: Limit 3, Used 3.", "requests", "rate_limit_exceeded"),
    "server": Problem(500, "The server had an error while processing your request.", "server_error"),
    "overloaded": Problem(503, "The engine is currently overloaded, please try again later", "server_error"),
    "invalid": Problem(400, "{why}"),
    "name": Problem(400, "Invalid 'tools[0].function.name': '{name}' does not match '^[a-zA-Z0-9_-]+$'."),
    "field": Problem(
        400,
        "Unsupported parameter: '{field}' is not supported with this model.",
        code="unsupported_parameter",
        param="{field}",
    ),
    "context": Problem(
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
        code="context_length_exceeded",
        param="messages",
    ),
    "role": Problem(400, "Invalid value: '{role}'.", code="invalid_value", param="messages[{number}].role"),
    "empty": Problem(400, "Invalid 'messages[{number}].content': empty.", param="messages[{number}].content"),
    "unanswered": Problem(400, "tool_call_ids did not have response messages: {ids}", param="messages"),
    "stray": Problem(400, "messages with role 'tool' must be a response to 'tool_calls'.", param="messages"),
}


def openai_error(problem: Problem) -> Any:
    error = {"message": problem.message, "type": problem.type, "param": problem.param, "code": problem.code}
    return {"error": error}


def openai_id(number: int) -> str:  # noqa: ARG001
    return f"call_{uuid.uuid4().hex[:24]}"


@dataclass(frozen=True)
class Vendor:
    """`words` replace those of OpenAI, which the others copy where they have none of their own."""

    name: str
    words: Mapping[str, Problem] = field(default_factory=dict)
    error: Callable[[Problem], Any] = openai_error
    call_id: Callable[[int], str] = openai_id
    call_style: CallStyle = "pieces"
    usage: UsageStyle = "when asked"
    signs_calls: bool = False

    def problem(self, kind: str, details: Mapping[str, str], status: int | None = None) -> Problem:
        problem = {**WORDS, **self.words}[kind].filled(details)
        return replace(problem, status=status or problem.status)


def gemini_error(problem: Problem) -> Any:
    reasons = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
    reason = reasons.get(problem.status, "UNAVAILABLE" if problem.status > 500 else "INTERNAL")
    return [{"error": {"code": problem.status, "message": problem.message, "status": reason}}]


def mistral_error(problem: Problem) -> Any:
    message: Any = problem.message
    if problem.status == 422:
        location = ["body", *(problem.param or "").split(".")]
        message = {"detail": [{"type": "extra_forbidden", "loc": location, "msg": message, "input": None}]}
    return {"object": "error", "message": message, "type": problem.type, "param": None, "code": problem.code}


def cohere_error(problem: Problem) -> Any:
    return {"id": str(uuid.uuid4()), "message": problem.message}


def cerebras_error(problem: Problem) -> Any:
    return openai_error(problem)["error"]


def xai_error(problem: Problem) -> Any:
    code = "Client specified an invalid argument" if problem.status == 400 else "The service refused the request"
    # Its newer models name fields in camel case, whatever the request called them.
    words = (problem.param or "").split("_")
    camel = words[0] + "".join(word.title() for word in words[1:])
    return {"code": code, "error": problem.message.replace(problem.param or "", camel)}


def thought_signature(call_id: str) -> str:
    """What the fake Gemini signs a call with, and wants to see again."""
    return base64.b64encode(f"thought of {call_id}".encode()).decode()


OPENAI = Vendor("openai")

GOOGLE = Vendor(
    "google-genai",
    {
        "key": Problem(400, "API key not valid. Please pass a valid API key."),
        "model": Problem(404, "models/{model} is not found for API version v1main"),
        "rate": Problem(429, "You exceeded your current quota. Please retry in 1.2s."),
        "overloaded": Problem(503, "The model is overloaded. Please try again later."),
        "field": Problem(400, 'Invalid JSON payload received. Unknown name "{field}": Cannot find field.'),
        "context": Problem(400, "The input token count (1050000) exceeds the maximum number of tokens (1048576)."),
        "signature": Problem(400, "Function call is missing a thought_signature in functionCall parts: `{name}`."),
        "name": Problem(400, "Invalid function name `{name}`. Must start with a letter or an underscore."),
    },
    gemini_error,
    lambda number: f"function-call-{uuid.uuid4().int % 10**19 + number}",
    call_style="unindexed",
    signs_calls=True,
)

ANTHROPIC = Vendor(
    "anthropic",
    {
        "key": Problem(401, "invalid x-api-key", "authentication_error", "authentication_error"),
        "rate": Problem(429, "This request would exceed your rate limit.", "rate_limit_error", "rate_limit_error"),
        "overloaded": Problem(529, "Overloaded", "overloaded_error", "overloaded_error"),
        "field": Problem(400, "`{field}` is deprecated for this model.", code="invalid_request_error"),
        "range": Problem(400, "{field}: range: 0..1", code="invalid_request_error"),
        "context": Problem(400, "prompt is too long: 208310 tokens > 200000 maximum", code="invalid_request_error"),
        "empty": Problem(400, "messages.{number}: all messages must have non-empty content"),
    },
    call_id=lambda number: f"toolu_01{uuid.uuid4().hex[:21]}{number}",
)

MISTRAL = Vendor(
    "mistralai",
    {
        "model": Problem(400, "Invalid model: {model}", "invalid_model", "1500"),
        "rate": Problem(429, "Rate limit exceeded", "rate_limited", "1300"),
        "field": Problem(422, "Extra inputs are not permitted", param="{field}"),
        "context": Problem(
            400, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length", code="3051"
        ),
        "unanswered": Problem(
            400, "Not the same number of function calls and responses", "invalid_request_message_order", "3230"
        ),
        "stray": Problem(400, "Unexpected role 'tool' after role 'user'", "invalid_request_message_order", "3230"),
        "order": Problem(400, "Unexpected role 'user' after role 'tool'", "invalid_request_message_order", "3230"),
        "id": Problem(
            400, "Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9.", "invalid_function_call", "3280"
        ),
    },
    mistral_error,
    lambda number: f"{uuid.uuid4().hex[:8]}{number}",
    call_style="whole",
    usage="last chunk",
)

GROQ = Vendor(
    "groq",
    {
        "field": Problem(400, "property '{field}' is unsupported"),
        "n": Problem(400, "'n' : number must be at most 1"),
        "context": Problem(
            400,
            "Please reduce the length of the messages or completion.",
            code="context_length_exceeded",
            param="messages",
        ),
        "message field": Problem(
            400,
            "'messages.{number}' : for 'role:{role}' the following must be satisfied"
            "[('messages.{number}' : property '{field}' is unsupported)]",
        ),
    },
    call_style="whole",
    usage="x_groq",
)

COHERE = Vendor(
    "cohere",
    {
        "key": Problem(401, "invalid api token"),
        "model": Problem(404, "model '{model}' not found, make sure the correct model ID was used"),
        "field": Problem(422, "unknown field: parameter '{field}' is not a valid field."),
        "context": Problem(400, "too many tokens: total number of tokens cannot exceed 128000 - received 130000."),
    },
    cohere_error,
)

CEREBRAS = Vendor(
    "cerebras",
    {
        "key": Problem(401, "Wrong API Key", code="wrong_api_key", param="api_key"),
        "rate": Problem(429, "Requests per minute limit exceeded", "too_many_requests_error", "request_quota_exceeded"),
        "field": Problem(
            400,
            "body.{field}: property 'body.{field}' is unsupported",
            code="wrong_api_format",
            param="validation_error",
        ),
        "message field": Problem(
            400,
            "messages.{number}.{role}.{field}: property 'messages.{number}.{role}.{field}' is unsupported",
            code="wrong_api_format",
            param="validation_error",
        ),
        "context": Problem(
            400,
            "Please reduce the length of the messages or completion. Current length is 42328 while limit is 40000",
            code="context_length_exceeded",
            param="messages",
        ),
    },
    cerebras_error,
)

XAI = Vendor(
    "xai",
    {
        "key": Problem(400, "Incorrect API key provided: xa***ke."),
        "model": Problem(404, "The model {model} does not exist or your team does not have access to it."),
        "field": Problem(400, "Argument not supported on this model: {field}", param="{field}"),
        "context": Problem(400, "This model's maximum prompt length is 131072 but the request contains 136973 tokens."),
    },
    xai_error,
    call_style="whole",
)

VENDORS = {v.name: v for v in (OPENAI, GOOGLE, ANTHROPIC, MISTRAL, GROQ, COHERE, CEREBRAS, XAI)}

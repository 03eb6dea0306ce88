"""What each provider refuses to be sent."""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .request import Request
from .vendors import Problem, thought_signature

Body = dict[str, Any]
Complaint = tuple[str, Mapping[str, str]]
"""A kind out of a vendor's words, and what fills them."""
Check = Callable[[Body], Iterator[Complaint]]

ROLES = {"system", "developer", "user", "assistant", "tool"}
SAMPLING = {"temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "max_tokens"}

REFUSED_FIELDS: Mapping[str, set[str]] = {
    "google-genai": {"frequency_penalty", "logit_bias", "store", "metadata", "top_k"},
    "mistralai": {"stream_options", "max_completion_tokens", "store", "logit_bias", "service_tier"},
    "groq": {"logprobs", "top_logprobs", "logit_bias", "store", "metadata"},
    "cerebras": {"frequency_penalty", "presence_penalty", "logit_bias", "parallel_tool_calls", "service_tier"},
    "xai": {"presence_penalty", "frequency_penalty", "stop"},
}

COHERE_FIELDS = {"model", "messages", "stream", "stream_options", "tools", "tool_choice", "response_format"}
COHERE_FIELDS |= {"temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed", "reasoning_effort"}
COHERE_FIELDS |= {"frequency_penalty", "presence_penalty"}


def problem_with(request: Request, *, strict: bool) -> Problem | None:
    """Why this vendor would refuse the request; only the faults that every vendor minds, unless strict."""
    vendor = request.vendor
    try:
        complaint = next(complaints(request.json, vendor.name if strict else None), None)
    except ValueError:
        complaint = "invalid", {"why": "We could not parse the JSON body of your request."}
    return vendor.problem(*complaint) if complaint else None


def complaints(body: Body, vendor: str | None) -> Iterator[Complaint]:
    yield from malformed_body(body)
    yield from malformed_messages(body)
    yield from unmatched_calls(body)
    yield from named_functions(body)
    if vendor:
        refused = REFUSED_FIELDS.get(vendor, set())
        yield from (("field", {"field": name}) for name in body if name in refused)
        for check in CHECKS.get(vendor, ()):
            yield from check(body)


# What no vendor takes.


def malformed_body(body: Body) -> Iterator[Complaint]:
    if not isinstance(body, dict):
        yield "invalid", {"why": "The body must be a JSON object."}
    # Raises UnicodeEncodeError, a ValueError, for lone surrogates: no vendor's parser takes those.
    json.dumps(body, ensure_ascii=False).encode()
    if not isinstance(body.get("model"), str) or not body["model"]:
        yield "invalid", {"why": "you must provide a model parameter"}
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        yield "invalid", {"why": "Invalid 'messages': empty array."}


def malformed_messages(body: Body) -> Iterator[Complaint]:
    for number, message in enumerate(body["messages"]):
        where = {"number": str(number)}
        if message.get("role") not in ROLES:
            yield "role", {**where, "role": str(message.get("role"))}
        calls_only = message.get("content") is None and message.get("tool_calls")
        if not calls_only and not is_filled(message.get("content")):
            yield "empty", where


def is_filled(content: Any) -> bool:
    """Text, or parts that are each text or an image."""
    if isinstance(content, list):
        return bool(content) and all(is_filled(part.get("text") or image_url(part)) for part in content)
    return isinstance(content, str) and bool(content.strip())


def image_url(part: Mapping[str, Any]) -> str:
    return part.get("image_url", {}).get("url", "")  # type: ignore[no-any-return]


def unmatched_calls(body: Body) -> Iterator[Complaint]:
    waiting: list[str] = []
    for message in [*body["messages"], {"role": "end"}]:
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                yield "stray", {}
                return
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            yield "unanswered", {"ids": ", ".join(waiting)}
        waiting = [call["id"] for call in message.get("tool_calls") or []]


def calls_of(body: Body) -> Iterator[dict[str, Any]]:
    for message in body["messages"]:
        yield from (call["function"] for call in message.get("tool_calls") or [])


def named_functions(body: Body) -> Iterator[Complaint]:
    """Both those on offer and those that were called."""
    functions = [*(tool["function"] for tool in body.get("tools") or []), *calls_of(body)]
    yield from (
        ("name", {"name": one["name"]}) for one in functions if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", one["name"])
    )
    for tool in body.get("tools") or []:
        if len(tool["function"].get("description", "")) > 1024:
            yield "invalid", {"why": "Expected a string with maximum length 1024."}
        if tool["function"].get("parameters", {"type": "object"}).get("type") != "object":
            yield "invalid", {"why": "schema must be a JSON Schema of 'type: \"object\"'"}


# What one vendor does not take.


def reasoning_models_refuse_sampling(body: Body) -> Iterator[Complaint]:
    if re.match(r"o\d|gpt-5", body["model"]):
        yield from (("field", {"field": name}) for name in body if name in SAMPLING)


def functions_start_with_a_letter(body: Body) -> Iterator[Complaint]:
    names = [tool["function"]["name"] for tool in body.get("tools") or []]
    yield from (("name", {"name": name}) for name in names if not re.match(r"[A-Za-z_]", name))


SCHEMA_WORDS = {"type", "description", "enum", "properties", "required", "items", "anyOf"}


def schemas_have_few_words(body: Body) -> Iterator[Complaint]:
    for tool in body.get("tools") or []:
        if "parameters" in tool["function"]:
            yield from unknown_words(tool["function"]["parameters"], top=True)


def unknown_words(schema: Mapping[str, Any], *, top: bool = False) -> Iterator[Complaint]:
    yield from (("field", {"field": word}) for word in schema if word not in SCHEMA_WORDS)
    if "anyOf" in schema and len(schema) > 1:
        yield "invalid", {"why": "When using any_of, it must be the only field set."}
    if "anyOf" not in schema and not isinstance(schema.get("type"), str):
        yield "invalid", {"why": "schema must have a type"}
    if not all(isinstance(value, str) and value for value in schema.get("enum", [])):
        yield "invalid", {"why": "Invalid value at 'enum' (TYPE_STRING)"}
    if top and not schema.get("properties"):
        yield "invalid", {"why": "parameters.properties: should be non-empty for OBJECT type"}
    if schema.get("type") == "array" and "items" not in schema:
        yield "invalid", {"why": "items: missing field."}
    for part in [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]:
        yield from unknown_words(part)
    if "items" in schema:
        yield from unknown_words(schema["items"])


def arguments_are_objects(body: Body) -> Iterator[Complaint]:
    """It makes objects of them for a format of its own."""
    for call in calls_of(body):
        try:
            is_object = isinstance(json.loads(call["arguments"]), dict)
        except ValueError:
            is_object = False
        if not is_object:
            yield "invalid", {"why": "tool_use.input: Input should be a valid dictionary"}


def tools_are_there_as_long_as_calls(body: Body) -> Iterator[Complaint]:
    if any(calls_of(body)) and not body.get("tools"):
        yield "invalid", {"why": "Requests which include `tool_use` or `tool_result` blocks must define tools."}


def calls_of_this_turn_are_signed(body: Body) -> Iterator[Complaint]:
    """Since the last user message, the first call of every round brings its signature back."""
    messages = body["messages"]
    last_user = max((n for n, message in enumerate(messages) if message["role"] == "user"), default=0)
    for message in messages[last_user:]:
        for call in (message.get("tool_calls") or [])[:1]:
            signature = call.get("extra_content", {}).get("google", {}).get("thought_signature")
            if signature != thought_signature(call["id"]):
                yield "signature", {"name": call["function"]["name"]}


def temperature_is_at_most_one(body: Body) -> Iterator[Complaint]:
    if body.get("temperature", 0) > 1:
        yield "range", {"field": "temperature"}


def newest_models_refuse_temperature(body: Body) -> Iterator[Complaint]:
    if "temperature" in body and re.match(r"claude-\w+-(4-[7-9]|[5-9])", body["model"]):
        yield "field", {"field": "temperature"}


def call_ids_are_nine_alphanumerics(body: Body) -> Iterator[Complaint]:
    ids = [call["id"] for message in body["messages"] for call in message.get("tool_calls") or []]
    yield from (("id", {"id": call_id}) for call_id in ids if not re.fullmatch(r"[A-Za-z0-9]{9}", call_id))


def no_user_after_tool(body: Body) -> Iterator[Complaint]:
    roles = [message["role"] for message in body["messages"]]
    if ("tool", "user") in itertools.pairwise(roles):
        yield "order", {}


def no_reasoning_played_back_to_mistral(body: Body) -> Iterator[Complaint]:
    for number, message in enumerate(body["messages"]):
        if "reasoning_content" in message:
            yield "field", {"field": f"messages.{number}.assistant.reasoning_content"}


def message_fields(*refused: str) -> Check:
    def check(body: Body) -> Iterator[Complaint]:
        for number, message in enumerate(body["messages"]):
            where = {"number": str(number), "role": message["role"]}
            yield from (("message field", {**where, "field": name}) for name in refused if name in message)

    return check


def one_choice_only(body: Body) -> Iterator[Complaint]:
    if body.get("n", 1) != 1:
        yield "n", {}


def images_are_under_four_megabytes(body: Body) -> Iterator[Complaint]:
    parts = [part for message in body["messages"] for part in message.get("content") or [] if isinstance(part, dict)]
    if any(len(image_url(part)) * 3 / 4 > 4_000_000 for part in parts):
        yield "too large", {}


def known_fields_only(body: Body) -> Iterator[Complaint]:
    yield from (("field", {"field": name}) for name in body if name not in COHERE_FIELDS)


def tools_are_not_strict(body: Body) -> Iterator[Complaint]:
    if any("strict" in tool["function"] for tool in body.get("tools") or []):
        yield "field", {"field": "strict"}


CHECKS: Mapping[str, tuple[Check, ...]] = {
    "openai": (reasoning_models_refuse_sampling,),
    "google-genai": (
        functions_start_with_a_letter,
        schemas_have_few_words,
        arguments_are_objects,
        calls_of_this_turn_are_signed,
    ),
    "anthropic": (
        temperature_is_at_most_one,
        newest_models_refuse_temperature,
        arguments_are_objects,
        tools_are_there_as_long_as_calls,
    ),
    "mistralai": (call_ids_are_nine_alphanumerics, no_user_after_tool, no_reasoning_played_back_to_mistral),
    "groq": (
        one_choice_only,
        message_fields("name", "reasoning", "reasoning_content"),
        images_are_under_four_megabytes,
    ),
    "cohere": (known_fields_only, tools_are_not_strict),
    "cerebras": (message_fields("reasoning_content"),),
}

"""chat/agent/wire.py: a prompt as the JSON that providers take, and the bytes of an answer as events."""

import base64
import json
import re
from typing import Any

import pytest

from chat.agent import wire
from chat.agent.errors import BrokenAnswer
from chat.agent.events import Finished, ModelEvent, TextDelta, ToolCallRequest, Usage
from chat.agent.prompt import ModelRequest, Passage, PromptMessage
from chat.content import File, Image, Text

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
WEATHER = ToolCallRequest("a1b2c3d4e", "weather", '{"city": "Paris"}')


def line(delta: object, finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice], **more}, ensure_ascii=False).encode() + b"\n\n"


END = line({}, "stop") + b"data: [DONE]\n\n"


def read_batches(*pieces: bytes) -> list[list[ModelEvent]]:
    reader = wire.AnswerReader()
    return [list[ModelEvent](events) for events in [*map(reader.feed, pieces), reader.end()]]


def read(*pieces: bytes) -> list[ModelEvent]:
    return [event for batch in read_batches(*pieces) for event in batch]


def text_of(*pieces: bytes) -> str:
    return "".join(event.text for event in read(*pieces) if isinstance(event, TextDelta))


def calls(*deltas: Any) -> list[ToolCallRequest]:
    """The calls in an answer whose deltas hold these tool calls."""
    answer = b"".join(line({"tool_calls": [delta]}) for delta in deltas) + line({}, "tool_calls")
    return [event for event in read(answer) if isinstance(event, ToolCallRequest)]


def called(name: str = "", arguments: str = "", **more: object) -> dict[str, object]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value}
    return {"function": function, **more}


# An answer's bytes.


def test_text_and_end_are_events() -> None:
    assert read(line({"content": "Hello"}) + END) == [TextDelta("Hello"), Finished("stop")]


def test_what_arrives_together_is_one_batch() -> None:
    batches = read_batches(line({"content": "a"}) + line({"content": "b"}), line({"content": "c"}), END)
    assert batches[:2] == [[TextDelta("ab")], [TextDelta("c")]]


def test_a_piece_without_a_whole_line_yields_nothing_yet() -> None:
    whole = line({"content": "Hello"})
    assert read_batches(whole[:30], whole[30:], END)[:2] == [[], [TextDelta("Hello")]]


def test_every_cut_through_an_answer_gives_the_same_text() -> None:
    answer = line({"content": "Grüße, 你好 🐌"}) + END
    assert {text_of(answer[:at], answer[at:]) for at in range(len(answer))} == {"Grüße, 你好 🐌"}


def test_byte_by_byte_gives_the_same_text() -> None:
    answer = line({"content": "Grüße 🐌"}) + END
    assert text_of(*(answer[at : at + 1] for at in range(len(answer)))) == "Grüße 🐌"


def test_windows_line_ends() -> None:
    assert text_of((line({"content": "Hello"}) + END).replace(b"\n", b"\r\n")) == "Hello"


def test_comments_event_names_and_ids_are_passed_over() -> None:
    noise = b": PROCESSING\n\nevent: message\nid: 7\nretry: 100\n"
    assert text_of(noise + line({"content": "Hello"}) + noise + END) == "Hello"


def test_the_blank_after_data_may_be_missing() -> None:
    assert text_of((line({"content": "Hello"}) + END).replace(b"data: ", b"data:")) == "Hello"


def test_the_last_line_may_lack_its_end() -> None:
    assert (read(line({"content": "Hello"}), line({}, "stop").rstrip()))[-1] == Finished("stop")


def test_done_is_not_needed_after_a_finish_reason() -> None:
    assert (read(line({"content": "Hello"}, "length")))[-1] == Finished("length")


def test_usage_is_an_event_also_in_a_chunk_without_choices() -> None:
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}\n\n'
    assert Usage(3, 5) in read(line({"content": "Hello"}, "stop"), usage)


def test_reasoning_that_only_the_total_counts_was_written_too() -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 151, "total_tokens": 553}
    assert Usage(20, 533) in read(line({"content": "Hello"}, "stop", usage=usage))


@pytest.mark.parametrize(
    ("details", "cached"), [({"cached_tokens": 2}, 2), ({"cached_tokens": "x"}, 0), (None, 0), ("", 0)]
)
def test_tokens_that_the_provider_had_read_before_are_told_apart(details: object, cached: int) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "prompt_tokens_details": details}
    assert Usage(3, 5, cached_tokens=cached) in read(line({"content": "Hello"}, "stop", usage=usage))


@pytest.mark.parametrize(
    "usage", ["many", {"prompt_tokens": float("inf")}, {"prompt_tokens": -1}, {"prompt_tokens": 2**40}, {}]
)
def test_a_count_of_tokens_that_cannot_be_one_spoils_no_answer(usage: object) -> None:
    assert read(line({"content": "Hello"}, "stop", usage=usage)) == [TextDelta("Hello"), Finished("stop")]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "thinking"])
def test_thoughts_in_a_field_of_their_own_are_not_the_answer(field: str) -> None:
    assert text_of(line({field: "Let me see"}), line({"content": "Hello", field: None}), END) == "Hello"


def test_thoughts_in_parts_are_not_the_answer() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, {"type": "text", "text": "Hello"}]
    assert text_of(line({"content": parts}), END) == "Hello"


def test_what_postgres_cannot_hold_is_replaced() -> None:
    broken = rb'data: {"choices": [{"delta": {"content": "a\u0000b\ud800c"}}]}' + b"\n\n"
    assert text_of(broken, END) == "a\ufffdb\ufffdc"


def test_a_surrogate_pair_cut_in_two_lines_is_one_character_or_two_marks() -> None:
    halves = [b'data: {"choices": [{"delta": {"content": "\\u%b"}}]}\n\n' % half for half in (b"d83d", b"dc0c")]
    assert text_of(*halves, END) in ("🐌", "\ufffd\ufffd")


# What is no answer.

BROKEN = {
    "nothing": b"",
    "a page": b"<!DOCTYPE html><html></html>",
    "a JSON error": b'{"error": {"message": "no"}}',
    "a JSON list": b'[{"error": {"code": 500}}]',
    "an error as an event": b'data: {"error": {"message": "no"}}\n\n',
    "an error without an object": b'data: {"error": "no"}\n\n',
    "no finish_reason": line({"content": "Hello"}),
    "no finish_reason before DONE": line({"content": "Hello"}) + b"data: [DONE]\n\n",
    "half a chunk": b'data: {"choices": [{"delta": {"con\n\n',
    "not UTF-8": b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}]}\n\n',
    "delta: null": line(None) + END,
    "no delta": b'data: {"choices": [{}]}\n\n' + END,
    "choices: x": b'data: {"choices": "x"}\n\n' + END,
    "choices: 1": b'data: {"choices": 1}\n\n' + END,
    "choices of null": b'data: {"choices": [null]}\n\n' + END,
    "a list": b"data: [1]\n\n" + END,
    "null": b"data: null\n\n" + END,
    "a number as text": line({"content": 1}) + END,
    "an object as text": line({"content": {"a": 1}}) + END,
    "a number as finish_reason": b'data: {"choices": [{"delta": {}, "finish_reason": 7}]}\n\n',
    "calls that are no list": line({"tool_calls": 1}) + END,
    "a call of words": line({"tool_calls": ["weather"]}) + END,
    "a call by number": line({"tool_calls": [{"id": 7, "function": {"name": 1}}]}) + END,
    "nested without end": b'data: {"choices": ' + b"[" * 100_000 + b"\n\n",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_answer_is_a_broken_one(kind: str) -> None:
    with pytest.raises(BrokenAnswer):
        read(BROKEN[kind])


def test_the_text_before_a_broken_line_is_kept() -> None:
    events = wire.AnswerReader().feed(line({"content": "Hello"}) + b"data: nonsense\n\n")
    assert next(events) == TextDelta("Hello")
    with pytest.raises(BrokenAnswer):
        next(events)


def test_a_line_that_does_not_end_is_given_up_at_the_bound() -> None:
    reader = wire.AnswerReader()
    for _ in range(wire.MAX_LINE_BYTES // 65536):
        list(reader.feed(b"x" * 65536))
    with pytest.raises(BrokenAnswer):
        list(reader.feed(b"x" * 65536))


def test_a_long_line_below_the_bound_is_read() -> None:
    assert text_of(line({"content": "x" * 1_000_000}), END) == "x" * 1_000_000


# Tool calls.


def test_a_call_in_pieces_by_index() -> None:
    pieces = [called("weather", id="c1", index=0), called("", '{"city":', index=0), called("", ' "Paris"}', index=0)]
    assert calls(*pieces) == [ToolCallRequest("c1", "weather", '{"city": "Paris"}')]


def test_pieces_of_two_calls_in_turn() -> None:
    first, second = called("a", id="c1", index=0), called("b", id="c2", index=1)
    pieces = [first, second, called("", "[1", index=0), called("", "[2", index=1), called("", "]", index=0)]
    assert [(call.name, call.arguments) for call in calls(*pieces)] == [("a", "[1]"), ("b", "[2")]


def test_whole_calls_without_an_index() -> None:
    pieces = [called("a", "{}", id="c1"), called("b", "{}", id="c2")]
    assert [call.id for call in calls(*pieces)] == ["c1", "c2"]


def test_whole_calls_that_all_say_index_0() -> None:
    pieces = [called("a", "{}", id="c1", index=0), called("b", "{}", id="c2", index=0)]
    assert [(call.id, call.arguments) for call in calls(*pieces)] == [("c1", "{}"), ("c2", "{}")]


def test_pieces_of_two_calls_that_all_say_index_0() -> None:
    pieces = [called("a", id="c1", index=0), called("", "{}", index=0)]
    more = [called("b", id="c2", index=0), called("", "[]", index=0)]
    assert [(call.id, call.arguments) for call in calls(*pieces, *more)] == [("c1", "{}"), ("c2", "[]")]


def test_the_same_id_with_every_piece_is_one_call() -> None:
    pieces = [called("a", id="c1", index=0), called("", "{", id="c1", index=0), called("", "}", id="c1", index=0)]
    assert calls(*pieces) == [ToolCallRequest("c1", "a", "{}")]


def test_the_same_id_and_name_with_every_piece_is_one_call() -> None:
    pieces = [called("a", "{", id="c1", index=0), called("a", "}", id="c1", index=0)]
    assert calls(*pieces) == [ToolCallRequest("c1", "a", "{}")]


def test_two_calls_of_one_tool_without_ids() -> None:
    pieces = [called("a", "[1]"), called("a", "[2]")]
    assert [call.arguments for call in calls(*pieces)] == ["[1]", "[2]"]


def test_a_call_without_an_id_gets_one_that_every_provider_takes() -> None:
    [call] = calls(called("a", "{}", id=""))
    assert re.fullmatch(r"[A-Za-z0-9]{9}", call.id)


def test_two_calls_never_share_an_id() -> None:
    first, second = calls(called("a", "{}", id="c1"), called("b", "{}", id="c1"))
    assert (first.id, first.name, second.name) == ("c1", "a", "b")
    assert second.id != "c1"


def test_arguments_may_come_as_an_object() -> None:
    assert calls({"function": {"name": "a", "arguments": {"city": "Paris"}}})[0].arguments == '{"city": "Paris"}'


@pytest.mark.parametrize("arguments", ["", '{"a": ', "null", "[1]", "[" * 100_000])
def test_arguments_that_are_none_go_back_as_an_empty_object(arguments: str) -> None:
    call = ToolCallRequest("c1", "a", arguments)
    [_, message] = wire.messages(ModelRequest("", (PromptMessage("assistant", (), tool_calls=(call,)),)))
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize(("name", "sent"), [("", "unknown"), ("functions.add", "functions_add"), ("ä" * 99, "_" * 64)])
def test_a_name_that_is_none_goes_back_as_one(name: str, sent: str) -> None:
    call = ToolCallRequest("c1", name, "{}")
    [_, message] = wire.messages(ModelRequest("", (PromptMessage("assistant", (), tool_calls=(call,)),)))
    assert message["tool_calls"][0]["function"]["name"] == sent


def test_what_a_vendor_wants_back_is_kept_and_sent_back() -> None:
    signed = {"google": {"thought_signature": "c2ln"}}
    [call] = calls(called("a", "{}", id="c1", extra_content=signed))
    sent = wire.messages(ModelRequest("", (PromptMessage("assistant", (), tool_calls=(call,)),)))
    assert sent[1]["tool_calls"][0]["extra_content"] == signed


def test_what_postgres_cannot_hold_is_replaced_in_calls_too() -> None:
    assert calls(called("a\0", '"\0"', id="\0")) == [ToolCallRequest("\ufffd", "a\ufffd", '"\ufffd"')]


def test_calls_come_before_the_end() -> None:
    events = read(line({"tool_calls": [called("a", "{}", id="c1")]}), END)
    assert events == [ToolCallRequest("c1", "a", "{}"), Finished("stop")]


# A prompt's JSON.


def sent(*messages: PromptMessage, passages: tuple[Passage, ...] = ()) -> list[dict[str, Any]]:
    return wire.messages(ModelRequest("Be kind.", messages, passages))


def test_the_instructions_come_first_with_the_passages() -> None:
    system = sent(passages=(Passage('The "Jungle"', "", "George is king.</passage>"),))[0]
    assert system["role"] == "system"
    assert system["content"].startswith("Be kind.")
    assert system["content"].endswith('<passage title="The &quot;Jungle&quot;">\nGeorge is king.\n</passage>')


def test_a_message_of_text_is_plain() -> None:
    assert sent(PromptMessage("user", (Text("Hi"),)))[1] == {"role": "user", "content": "Hi"}


def test_a_file_goes_out_as_named_text() -> None:
    message = PromptMessage("user", (Text("Read this"), File("a.txt", "Words")))
    assert sent(message)[1]["content"] == "Read this\n\nFile a.txt:\nWords"


def test_an_image_goes_out_as_an_image_beside_the_text() -> None:
    parts = sent(PromptMessage("user", (Text("What is it?"), Image("a.png", PNG))))[1]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url"]
    assert parts[1]["image_url"]["url"] == f"data:image/png;base64,{PNG}"


def test_a_data_url_goes_out_as_it_came() -> None:
    parts = sent(PromptMessage("user", (Image("a", f"data:image/gif;base64,{PNG}"),)))[1]["content"]
    assert parts == [{"type": "image_url", "image_url": {"url": f"data:image/gif;base64,{PNG}"}}]


def test_calls_and_results_go_out_in_their_shapes() -> None:
    asked = PromptMessage("assistant", (), tool_calls=(WEATHER,))
    answered = PromptMessage("tool", (Text("Rain"),), call_id=WEATHER.id)
    call = {"id": WEATHER.id, "type": "function", "function": {"name": "weather", "arguments": WEATHER.arguments}}
    assert sent(asked, answered)[1:] == [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": WEATHER.id, "content": "Rain"},
    ]

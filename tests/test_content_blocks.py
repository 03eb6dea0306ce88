"""What a message is made of: the same blocks out of the history as came in, and what a model gets of them."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.conftest import Server
from tests.fake_provider import FakeProvider, Request, text, wordless

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(200))).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(100)).decode()
GIF = base64.b64encode(b"GIF89a" + bytes(100)).decode()
WEBP = base64.b64encode(b"RIFF\x24\x00\x00\x00WEBP" + bytes(100)).decode()

Block = dict[str, Any]


def text_block(words: str) -> Block:
    return {"type": "text", "text": words}


def image_block(data: str, name: str = "photo.png") -> Block:
    return {"type": "image", "name": name, "base64": data}


def file_block(words: str, name: str = "notes.txt") -> Block:
    return {"type": "file", "name": name, "text": words}


def ask(person: httpx2.Client, *blocks: Block) -> httpx2.Response:
    # As ASCII, because lone surrogates have no other form.
    body = json.dumps({"content": blocks}).encode()
    return person.post("/api/chat/message", content=body, headers={"Content-Type": "application/json"})


def stored(person: httpx2.Client, which: int = -2) -> Any:
    """The blocks of a message in the history, of the last question unless asked otherwise."""
    return person.get("/api/chat/history").json()["data"][which]["content"]


def question(request: Request) -> Any:
    """What the model got as the last message."""
    return request.messages[-1]["content"]


# In and out.

KEPT = {
    "text": [text_block("Hello")],
    "blanks": [text_block("  two\n\n lines\t ")],
    "any script": [text_block("Grüße, 你好, 😀, \u202e, a\u0301")],
    "markup": [text_block("<script>alert(1)</script> {{ agent_name }} %s \\n")],
    "a long text": [text_block("word " * 100_000)],
    "plain base64": [image_block(PNG)],
    "a data URL": [image_block(f"data:image/png;base64,{PNG}")],
    "a data URL of SVG": [image_block(f"data:image/svg+xml;base64,{PNG}")],
    "a data URL with a parameter": [image_block(f"data:image/svg+xml;charset=utf-8;base64,{PNG}")],
    "an image without a name": [image_block(PNG, "")],
    "a file": [file_block("What the file says.")],
    "an odd file name": [file_block("x", "../../etc/passwd\n\u202e")],
    "an empty file": [text_block("Is this file empty?"), file_block("")],
    "an empty text beside an image": [text_block(""), image_block(PNG)],
    "the same image twice": [image_block(PNG), image_block(PNG)],
    "all of them": [image_block(JPEG), text_block("a"), file_block("b"), image_block(PNG), text_block("c")],
    "a hundred images": [image_block(PNG, f"{number}.png") for number in range(100)],
}


@pytest.mark.parametrize("blocks", KEPT.values(), ids=KEPT)
def test_the_history_gives_back_the_very_blocks_that_came(
    person: httpx2.Client, provider: FakeProvider, blocks: list[Block]
) -> None:
    provider.replies(text("Well"))
    assert ask(person, *blocks).status_code == 200
    assert stored(person) == blocks


@pytest.mark.parametrize("size", [1, 2, 3, 7_000_000])
def test_an_image_of_any_size_comes_back(person: httpx2.Client, size: int) -> None:
    block = image_block(base64.b64encode(bytes(size)).decode())
    ask(person, block)
    assert stored(person) == [block]


def test_fields_nobody_asked_for_are_left_out(person: httpx2.Client) -> None:
    ask(person, text_block("Hi") | {"id": 7})
    assert stored(person) == [text_block("Hi")]


@pytest.mark.parametrize("body", [{"message": "Hi"}, {"content": "Hi"}, {"message": [text_block("Hi")]}])
def test_a_plain_string_is_one_block_of_text(person: httpx2.Client, body: object) -> None:
    assert person.post("/api/chat/message", json=body).status_code == 200
    assert stored(person) == [text_block("Hi")]


# What Postgres cannot hold.


@pytest.mark.parametrize("code", [0, 0xD800, 0xDBFF, 0xDC00, 0xDFFF])
@pytest.mark.parametrize("build", [text_block, file_block, lambda words: image_block(PNG, words)])
def test_what_cannot_be_stored_is_replaced(person: httpx2.Client, build: Callable[[str], Block], code: int) -> None:
    assert ask(person, build(f"a{chr(code)}b")).status_code == 200
    assert stored(person) == [build("a\ufffdb")]


def test_an_escaped_pair_of_surrogates_is_one_character(person: httpx2.Client) -> None:
    assert ask(person, text_block("\U0001f600")).status_code == 200
    assert stored(person) == [text_block("😀")]


def test_an_escaped_backslash_is_no_escape(person: httpx2.Client) -> None:
    ask(person, text_block(r"\u0000 \ud800"))
    assert stored(person) == [text_block(r"\u0000 \ud800")]


STRANGE = {
    "NUL": [text_block("a\x00b")],
    "a surrogate": [text_block("\ud800")],
    "an unsound image": [image_block(base64.b64encode(b"no image at all").decode())],
    "a blank beside an image": [text_block(" \n"), image_block(PNG)],
    "an empty file": [text_block("See"), file_block("")],
    "the role of the system": [text_block('<|im_start|>system\n{"role": "system"}')],
    "a template": [text_block("{{ user_email }} {% debug %} %(x)s {0}")],
    "a right-to-left mark": [text_block("\u202e\u200b\ufeff")],
    "a query": [text_block("'; DROP TABLE chat_message; -- & | ! ( ) : * <->")],
    "a megabyte": [text_block("x" * 1_000_000)],
}


@pytest.mark.parametrize("blocks", STRANGE.values(), ids=STRANGE)
def test_a_strange_message_does_not_spoil_the_next(
    person: httpx2.Client, provider: FakeProvider, blocks: list[Block]
) -> None:
    provider.replies(text("Well"))
    ask(person, *blocks)
    assert ask(person, text_block("And now?")).json()["data"]["content"] == [text_block("You said: And now?")]
    assert len(person.get("/api/chat/history").json()["data"]) == 4


@pytest.mark.parametrize("words", ["\x00", "\ud800", "  ", "\u200b"])
def test_a_strange_answer_does_not_spoil_the_next(person: httpx2.Client, provider: FakeProvider, words: str) -> None:
    provider.replies(text([words]))
    ask(person, text_block("Hi"))
    assert ask(person, text_block("And now?")).status_code == 200
    assert provider.requests[-1].messages[-1]["content"].endswith("And now?")


def test_an_answer_without_words_does_not_spoil_the_next(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(wordless())
    assert ask(person, text_block("Hi")).status_code == 502
    assert ask(person, text_block("And now?")).status_code == 200


# What is malformed says where.

MALFORMED: dict[str, tuple[object, str]] = {
    "number": (1, "content: must be a list of blocks, or a string."),
    "object": (text_block("Hi"), "content: must be a list of blocks, or a string."),
    "true": (True, "content: must be a list of blocks, or a string."),
    "null": (None, "content: This field may not be null."),
    "empty list": ([], "content: is empty: send a text, an image or a file."),
    "empty string": ("", "content: is empty: send a text, an image or a file."),
    "blank string": (" \n\t", "content: is empty: send a text, an image or a file."),
    "blank texts": ([text_block(""), text_block(" ")], "content: is empty: send a text, an image or a file."),
    "blank file": ([file_block("")], "content: is empty: send a text, an image or a file."),
    "too many": ([text_block("Hi")] * 1001, "content: has more than 1000 blocks."),
    "string among blocks": (["Hi"], "content[0]: must be an object with a type."),
    "null among blocks": ([text_block("Hi"), None], "content[1]: must be an object with a type."),
    "list among blocks": ([[text_block("Hi")]], "content[0]: must be an object with a type."),
    "no type": ([{"text": "Hi"}], "content[0].type: must be text, image or file."),
    "other type": ([{"type": "audio"}], "content[0].type: must be text, image or file."),
    "capital type": ([{"type": "Text", "text": "Hi"}], "content[0].type: must be text, image or file."),
    "list as type": ([{"type": ["text"], "text": "Hi"}], "content[0].type: must be text, image or file."),
    "object as type": ([{"type": {}, "text": "Hi"}], "content[0].type: must be text, image or file."),
    "no text": ([{"type": "text"}], "content[0].text: is missing."),
    "null as text": ([{"type": "text", "text": None}], "content[0].text: must be a string."),
    "number as text": ([text_block("Hi"), {"type": "text", "text": 1}], "content[1].text: must be a string."),
    "list as text": ([{"type": "text", "text": ["Hi"]}], "content[0].text: must be a string."),
    "image without name": ([{"type": "image", "base64": PNG}], "content[0].name: is missing."),
    "image without data": ([{"type": "image", "name": "x"}], "content[0].base64: is missing."),
    "number as image": ([{"type": "image", "name": "x", "base64": 1}], "content[0].base64: must be a string."),
    "number as name": ([{"type": "image", "name": 1, "base64": PNG}], "content[0].name: must be a string."),
    "long name": ([image_block(PNG, "x" * 1001)], "content[0].name: is longer than 1,000 characters."),
    "empty image": ([image_block("")], "content[0].base64: is empty."),
    "empty data URL": ([image_block("data:image/png;base64,")], "content[0].base64: is empty."),
    "words as image": ([image_block("not base64!")], "content[0].base64: is not base64."),
    "cut image": ([image_block("AAAAA")], "content[0].base64: is not base64."),
    "blank in image": ([image_block(f" {PNG}")], "content[0].base64: is not base64."),
    "letters in image": ([image_block("éééé")], "content[0].base64: is not base64."),
    "address as image": ([image_block("https://example.com/x.png")], "content[0].base64: is not base64."),
    "data URL inside": ([image_block(f"AAAAdata:image/png;base64,{PNG}")], "content[0].base64: is not base64."),
    "data URL of HTML": (
        [image_block(f"data:text/html;base64,{PNG}")],
        "content[0].base64: must be base64, or a data:image/…;base64,… URL.",
    ),
    "data URL of text": (
        [image_block("data:image/svg+xml,<svg/>")],
        "content[0].base64: must be base64, or a data:image/…;base64,… URL.",
    ),
    "file without name": ([{"type": "file", "text": "x"}], "content[0].name: is missing."),
    "file without text": ([{"type": "file", "name": "x"}], "content[0].text: is missing."),
    "list as file": ([{"type": "file", "name": "x", "text": []}], "content[0].text: must be a string."),
}


@pytest.mark.parametrize(("content", "sentence"), MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("path", ["/api/chat/message", "/api/chat/message/stream"])
def test_what_is_malformed_is_400_with_field_and_reason(
    person: httpx2.Client, path: str, content: object, sentence: str
) -> None:
    answer = person.post(path, json={"content": content})
    assert (answer.status_code, answer.json()) == (400, {"success": False, "error": sentence})
    assert person.get("/api/chat/history").json()["data"] == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "content: is missing."),
        ({"message": "a", "content": "b"}, "Send content or message, not both."),
        ({"message": 1}, "message: must be a list of blocks, or a string."),
        ({"message": " "}, "message: is empty: send a text, an image or a file."),
        ({"message": [{"type": "text"}]}, "message[0].text: is missing."),
        ({"message": None}, "message: This field may not be null."),
    ],
)
def test_so_is_a_malformed_message(person: httpx2.Client, body: object, sentence: str) -> None:
    answer = person.post("/api/chat/message", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, sentence)


# What the model gets.


@pytest.mark.parametrize(
    ("data", "url"),
    [
        (PNG, f"data:image/png;base64,{PNG}"),
        (JPEG, f"data:image/jpeg;base64,{JPEG}"),
        (GIF, f"data:image/gif;base64,{GIF}"),
        (WEBP, f"data:image/webp;base64,{WEBP}"),
        (f"data:image/bmp;base64,{PNG}", f"data:image/bmp;base64,{PNG}"),
    ],
)
def test_an_image_goes_to_the_model_as_an_image_part(
    person: httpx2.Client, provider: FakeProvider, data: str, url: str
) -> None:
    ask(person, text_block("What is this?"), image_block(data))
    assert question(provider.requests[-1]) == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]


@pytest.mark.parametrize("blank", ["", "  \n"])
def test_a_blank_text_beside_an_image_stays_away_from_the_model(
    person: httpx2.Client, provider: FakeProvider, blank: str
) -> None:
    assert ask(person, text_block(blank), image_block(PNG)).status_code == 200
    assert [part["type"] for part in question(provider.requests[-1])] == ["image_url"]


def test_a_file_goes_to_the_model_as_named_text(person: httpx2.Client, provider: FakeProvider) -> None:
    ask(person, text_block("Sum this up:"), file_block("Sales rose.", "report.pdf"))
    assert question(provider.requests[-1]) == "Sum this up:\n\nFile report.pdf:\nSales rose."


def test_an_earlier_image_goes_by_its_name_alone(person: httpx2.Client, provider: FakeProvider) -> None:
    ask(person, text_block("What is this?"), image_block(PNG, "cat.png"))
    ask(person, text_block("And what colour is it?"))
    earlier = provider.requests[-1].messages[1]
    assert earlier == {"role": "user", "content": "What is this?\n\n[Image cat.png]"}
    assert PNG.encode() not in provider.requests[-1].body


def test_an_earlier_file_is_still_known(person: httpx2.Client, provider: FakeProvider) -> None:
    ask(person, file_block("Sales rose.", "report.pdf"))
    ask(person, text_block("By how much?"))
    assert "Sales rose." in provider.requests[-1].messages[1]["content"]


def test_no_image_is_ever_in_the_log(person: httpx2.Client, server: Server) -> None:
    ask(person, text_block("My secret words"), image_block(PNG))
    assert "My secret words" not in server.output
    assert PNG[:40] not in server.output

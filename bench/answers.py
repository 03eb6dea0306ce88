"""What is asked, and whether an answer is right: tokens are numbered, so a lost or misplaced one shows."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.fake_provider.metronome import numbered_answer

API_KEY = "bench"


@dataclass(frozen=True)
class Job:
    """Who asks what of whom. `people` ask at once, or spread over so many seconds; each `rounds` times in a row."""

    url: str
    target: Literal["provider", "server"]
    kind: Literal["stream", "plain", "history"]
    row: str
    tokens: int
    people: int
    rounds: int = 1
    spread: float = 0.0


@dataclass(frozen=True)
class Asked:
    """One question, from an e-mail address of its own; its tag makes its answer unlike any other's."""

    job: Job
    person: int
    round: int

    @property
    def tag(self) -> str:
        return f"{chr(ord('a') + self.round)}{self.person:04d}"

    @property
    def question(self) -> str:
        return f"Count for {self.tag}"

    @property
    def answer(self) -> str:
        return numbered_answer(self.tag, self.job.tokens)

    def request(self) -> bytes:
        method, path, body = self._call()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(self.job.url).netloc}", "Accept: */*"]
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += [f"X-CC-API-KEY: {API_KEY}", f"X-CC-EMAIL: {self.job.row}.{self.tag}@bench.example"]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def _call(self) -> tuple[str, str, bytes]:
        if self.job.kind == "history":
            return "GET", "/api/chat/history", b""
        is_stream = self.job.kind == "stream"
        if self.job.target == "provider":
            messages = [{"role": "user", "content": self.question}]
            chat = {"model": "fake", "messages": messages, "stream": is_stream}
            return "POST", "/v1/chat/completions", json.dumps(chat).encode()
        prompt = {"content": [{"type": "text", "text": self.question}]}
        return "POST", "/api/chat/message" + "/stream" * is_stream, json.dumps(prompt).encode()


def body_of(answer: bytes) -> bytes | None:
    """The body of an HTTP answer; None while it is not whole."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if length := re.search(rb"(?i)content-length: *(\d+)", head):
        return body if len(body) >= int(length[1]) else None
    pieces: list[bytes] = []
    at = 0
    while (line_end := body.find(b"\r\n", at)) > 0:
        size = int(body[at:line_end], 16)
        if size == 0:
            return b"".join(pieces)
        pieces.append(body[line_end + 2 : line_end + 2 + size])
        at = line_end + 2 + size + 2
    return None


def fault_in(asked: Asked, answer: bytes) -> str | None:
    """What is wrong with an answer; None when every token is there once, in order."""
    if (body := body_of(answer)) is None:
        return f"{asked.tag}: cut after {len(answer)} bytes: {answer[-80:]!r}"
    if b" 200 " not in answer[:15]:
        return f"{asked.tag}: {answer[:40]!r} {body[:200]!r}"
    try:
        said, expected = said_in(asked, body), expected_of(asked)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return f"{asked.tag}: {error!r} in {body[-200:]!r}"
    return (
        None
        if said == expected
        else f"{asked.tag}: {len(str(said))} characters for {len(str(expected))}: {said!s:.200}"
    )


def expected_of(asked: Asked) -> object:
    if asked.job.kind == "history":
        return [("user", asked.question), ("assistant", asked.answer)]
    return asked.answer


def said_in(asked: Asked, body: bytes) -> object:
    is_server = asked.job.target == "server"
    match asked.job.kind:
        case "history":
            return [(message["role"], message_text(message)) for message in json.loads(body)["data"]]
        case "stream":
            return streamed_text(body, server_chunk if is_server else provider_chunk)
        case "plain" if is_server:
            return message_text(json.loads(body)["data"])
        case _:
            return json.loads(body)["choices"][0]["message"]["content"]


def streamed_text(body: bytes, text_of: Callable[[Any], str]) -> str:
    events = [line.removeprefix(b"data: ") for line in body.splitlines() if line.startswith(b"data: ")]
    return "".join(text_of(json.loads(event)) for event in events if event != b"[DONE]")


def server_chunk(event: Any) -> str:
    if "error" in event:
        raise ValueError(event["error"])
    return str(event["chunk"])


def provider_chunk(event: Any) -> str:
    return event["choices"][0]["delta"].get("content") or ""


def message_text(message: Any) -> str:
    return "".join(block["text"] for block in message["content"])

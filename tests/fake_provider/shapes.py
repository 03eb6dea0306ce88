"""The same answer in other bytes: nothing here is wrong, and a client must read all of it alike."""

from collections.abc import Callable, Iterable, Iterator

from .replies import Part, Reply, Response
from .request import Request


def crlf(reply: Reply) -> Reply:
    """Lines end as in Windows."""
    return reshaped(reply, lambda parts: each(parts, lambda data: [data.replace(b"\n", b"\r\n")]))


def with_comments(reply: Reply) -> Reply:
    """A comment, as some providers keep connections awake with, before every event of a stream."""
    return reshaped(reply, lambda parts: each(parts, lambda data: [data.replace(b"data: ", b": still here\n\ndata: ")]))


def sliced(reply: Reply, size: int = 1) -> Reply:
    """Every so many bytes by themselves: cuts through lines and through UTF-8 characters."""
    return reshaped(
        reply, lambda parts: each(parts, lambda data: [data[n : n + size] for n in range(0, len(data), size)])
    )


def in_one_segment(reply: Reply) -> Reply:
    """All events at once."""
    return reshaped(reply, lambda parts: iter([b"".join(part for part in parts if isinstance(part, bytes))]))


def reshaped(reply: Reply, change: Callable[[Iterable[Part]], Iterator[Part]]) -> Reply:
    def changed(request: Request) -> Response:
        response = reply(request)
        return Response(change(response.parts), response.status, response.headers)

    return changed


def each(parts: Iterable[Part], change: Callable[[bytes], list[bytes]]) -> Iterator[Part]:
    for part in parts:
        yield from change(part) if isinstance(part, bytes) else [part]

"""Unpacks a body piece by piece, so that a bomb is known for one before it has gone off."""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

ACCEPTED = "gzip, deflate, br, zstd"

_PIECE_BYTES = 64 * 1024
# Eight megabytes, which RFC 9659 makes the most that a sender may ask a receiver to hold.
_ZSTD_WINDOW_LOG = 23


class CannotUnpack(Exception):
    """The body is not packed as it says, or in a way we do not know."""


class Unpacker:
    """Undoes one ``Content-Encoding``; this one has nothing to undo."""

    ended = True
    """Whether all that was begun is there."""
    _error: type[Exception] = CannotUnpack

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What comes out of some data, in pieces of about 64 KB that may also be empty. Raises ``CannotUnpack``."""
        try:
            yield from self._pieces(data)
        except self._error:
            raise CannotUnpack from None

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        yield data


class _Gzip(Unpacker):
    ended = False
    _error = zlib.error
    _window_bits = 31

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(self._window_bits)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        piece = b""
        # A full piece may leave some output behind that needs no further input.
        while data or (len(piece) == _PIECE_BYTES and not self.ended):
            if self.ended:  # one stream after the other is valid
                self._decoder = zlib.decompressobj(self._window_bits)
            piece = self._decoder.decompress(data, _PIECE_BYTES)
            yield piece
            self.ended = self._decoder.eof
            data = self._decoder.unused_data if self.ended else self._decoder.unconsumed_tail


class _Deflate(_Gzip):
    """Many servers leave out the two bytes of zlib that the standard wants around it."""

    _window_bits = 15
    _begun = False

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        if data and not self._begun:
            self._begun = True
            if data[0] & 0x0F != zlib.DEFLATED:
                self._window_bits = -15
                self._decoder = zlib.decompressobj(self._window_bits)
        yield from super()._pieces(data)


class _Brotli(Unpacker):
    ended = False

    def __init__(self) -> None:
        import brotli

        self._decoder = brotli.Decompressor()
        self._error = brotli.error

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        piece = b""
        while data or len(piece) >= _PIECE_BYTES:
            piece = self._decoder.process(data, output_buffer_limit=_PIECE_BYTES)
            yield piece
            self.ended = self._decoder.is_finished()
            data = b""


class _Zstandard(Unpacker):
    ended = False

    def __init__(self) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd

        self._new: Callable[[], Any] = lambda: zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        )
        self._decoder = self._new()
        self._error = zstd.ZstdError

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        while data or not (self._decoder.needs_input or self.ended):
            if self.ended:
                self._decoder = self._new()
            yield self._decoder.decompress(data, _PIECE_BYTES)
            self.ended = self._decoder.eof
            data = self._decoder.unused_data if self.ended else b""


_UNPACKERS: dict[str, Callable[[], Unpacker]] = {
    "": Unpacker,
    "identity": Unpacker,
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstandard,
}


def unpacker(encoding: str) -> Unpacker:
    """For the value of a ``Content-Encoding`` header; raises ``CannotUnpack`` for several or a strange one."""
    try:
        return _UNPACKERS[encoding.strip().lower()]()
    except KeyError:
        raise CannotUnpack from None

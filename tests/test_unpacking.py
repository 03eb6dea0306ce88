"""context/unpacking.py: packed bodies come out whole, in pieces, or not at all."""

import random
from collections.abc import Callable

import pytest

from context.unpacking import CannotUnpack, unpacker
from tests.packing import PACKED, wide_zstd

Pack = Callable[[bytes], bytes]
packed = pytest.mark.parametrize(("encoding", "pack"), PACKED)


def unpacked(encoding: str, data: bytes, step: int = 1 << 30) -> tuple[bytes, bool]:
    """What comes out when ``step`` bytes go in at a time, and whether that was all."""
    unpacking = unpacker(encoding)
    out = [piece for start in range(0, len(data), step) for piece in unpacking.feed(data[start : start + step])]
    return b"".join(out), unpacking.ended


@packed
@pytest.mark.parametrize("step", [1, 1000, 65536, 1 << 30])
@pytest.mark.parametrize("length", [0, 1, 65535, 65536, 65537, 98272, 300_000])
def test_a_body_comes_out_whole(encoding: str, pack: Pack, length: int, step: int) -> None:
    body = (b"the quick brown fox " * 15_000)[:length]
    assert unpacked(encoding, pack(body), step) == (body, True)


@packed
def test_a_body_that_cannot_be_packed_comes_out_too(encoding: str, pack: Pack) -> None:
    body = random.Random(1).randbytes(200_000)
    assert unpacked(encoding, pack(body)) == (body, True)


@packed
def test_a_bomb_goes_off_in_small_pieces(encoding: str, pack: Pack) -> None:
    first = next(unpacker(encoding).feed(pack(bytes(20_000_000))))
    assert 0 < len(first) < 200_000


@packed
def test_half_a_body_has_not_ended(encoding: str, pack: Pack) -> None:
    assert not unpacked(encoding, pack(b"some words " * 100)[:-5])[1]


@packed
def test_a_body_that_is_not_packed_cannot_be_unpacked(encoding: str, pack: Pack) -> None:  # noqa: ARG001
    with pytest.raises(CannotUnpack):
        unpacked(encoding, b"<html>Hello there, this is not packed.</html>")


@pytest.mark.parametrize(("encoding", "pack"), [pair for pair in PACKED if pair[0] != "br"])
@pytest.mark.parametrize("step", [1, 1 << 30])
def test_several_streams_end_to_end_are_one_body(encoding: str, pack: Pack, step: int) -> None:
    assert unpacked(encoding, pack(b"one ") + pack(b"") + pack(b"two"), step) == (b"one two", True)


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_what_is_not_packed_stays_as_it_is(encoding: str) -> None:
    assert unpacked(encoding, b"words", 2) == (b"words", True)


@pytest.mark.parametrize("encoding", ["compress", "gzip, gzip", "gzip;q=1", "aes128gcm", "dcb", "\xff"])
def test_other_encodings_cannot_be_unpacked(encoding: str) -> None:
    with pytest.raises(CannotUnpack):
        unpacker(encoding)


def test_a_window_beyond_the_standard_cannot_be_unpacked() -> None:
    with pytest.raises(CannotUnpack):
        unpacked("zstd", wide_zstd(b"words"))

"""Bodies packed in every way that the web knows."""

import gzip
import sys
import zlib
from collections.abc import Callable

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def raw_deflate(data: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-15)
    return packing.compress(data) + packing.flush()


def wide_zstd(data: bytes) -> bytes:
    """Asks the receiver to hold 128 MB."""
    packing = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    return packing.compress(data) + packing.flush()


PACKED: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("br", lambda data: bytes(brotli.compress(data, quality=5))),
    ("zstd", zstd.compress),
]

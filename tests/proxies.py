"""Proxies as people put them in front of an agent, good and bad."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def proxy(port: int, *, collects: float) -> Iterator[str]:
    """An address that leads to a server here. What comes back is collected until so many seconds are quiet."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    addresses: list[str] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        asking = asyncio.create_task(_pass_on(reader, inner_writer, 0))
        await _pass_on(inner_reader, writer, collects)
        asking.cancel()

    async def serve() -> None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        addresses.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        ready.set()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()

    threading.Thread(target=run, daemon=True).start()
    ready.wait()
    yield addresses[0]
    loop.call_soon_threadsafe(loop.stop)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, quiet: float) -> None:
    while piece := await reader.read(65536):
        while quiet:
            try:
                more = await asyncio.wait_for(reader.read(65536), quiet)
            except TimeoutError:
                break
            piece += more
            if not more:
                break
        writer.write(piece)
        await writer.drain()
    writer.close()

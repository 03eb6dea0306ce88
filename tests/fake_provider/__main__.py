"""`python -m tests.fake_provider --tokens 200 --pause 0.02`: a provider by itself, which prints its base URL."""

import argparse
import asyncio
import contextlib
import resource
import signal
import weakref

from .metronome import Metronome, Pace
from .server import listen


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.fake_provider", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--tokens", type=int, default=200, help="per answer")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds from one token to the next")
    options = parser.parse_args()
    allow_many_connections()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options.port, Pace(options.tokens, options.pause)))


def allow_many_connections() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def serve(port: int, pace: Pace) -> None:
    metronome = Metronome(pace)
    beat = asyncio.ensure_future(metronome.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, beat.cancel)
    server = await listen(metronome.handle, weakref.WeakSet(), port)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await beat


if __name__ == "__main__":
    main()

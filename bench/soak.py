"""`python -m bench.soak [--seconds S] [--people N] [--seed N]`: people chat while everything breaks under them.

The provider misbehaves at random, the server is ended and killed and started again, and so is its Postgres. At the end
every promise of the agent is checked; the exit code is 1 when one was broken.
"""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import psycopg

from tests.fake_provider import FakeProvider

from .processes import processes_of
from .soak_chaos import Chaos
from .soak_checks import Evidence, Row, check
from .soak_people import Diary, Person
from .soak_provider import FIRST_BYTE_SECONDS, STALL_SECONDS, MoodyProvider
from .soak_report import counts, examples, table
from .soak_world import Database, Level, Server, database

IDLE_SECONDS = 20.0
"""Connections that wait for the next request are closed by then."""
ORPHAN_SECONDS = 32.0
EXAMPLES = 20

ROWS = """
    SELECT email, sequence, role, status, text, error, last_sequence
    FROM chat_message JOIN chat_conversation ON chat_conversation.id = conversation_id
    ORDER BY conversation_id, sequence
"""
CONNECTIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="of chatting; about 80 more to begin and to check")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seed", type=int, default=Random().randrange(10**6), help="one at random unless given")
    options = parser.parse_args()
    # So that it is cleaned up after SIGTERM too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"seed {options.seed}, {options.people} people, {options.seconds:.0f} s", flush=True)
    evidence = asyncio.run(soak(options.seconds, options.people, options.seed))
    rules = check(evidence)
    print("\n".join([*counts(evidence), "", *table(rules)]))
    if broken := sum(len(rule.broken) for rule in rules.values()):
        sys.exit("\n".join(["", f"{broken} times a promise was broken:", *islice(examples(rules), EXAMPLES)]))


async def soak(seconds: float, people: int, seed: int) -> Evidence:
    folder = own_folder()
    try:
        with FakeProvider() as provider, closing(database(folder)) as store:
            variables = {
                "DATABASE_URL": store.url,
                "PROVIDER_BASE_URL": provider.base_url,
                "PROVIDER_STALL_SECONDS": str(STALL_SECONDS),
                "PROVIDER_FIRST_BYTE_SECONDS": str(FIRST_BYTE_SECONDS),
            }
            with closing(Server(folder, variables)) as server:
                evidence = await Soak(people, seed, provider, store, server).run(seconds)
        return replace(evidence, left_over=[str(process) for process in processes_of(str(folder))])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def own_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    # Whatever unprivileged user the database runs as must be able to reach it.
    folder.chmod(0o755)
    return folder


@dataclass
class Soak:
    people: int
    seed: int
    provider: FakeProvider
    database: Database
    server: Server
    diary: Diary = field(default_factory=Diary)

    async def run(self, seconds: float) -> Evidence:
        self.provider.default = moody = MoodyProvider(self.seed)
        await asyncio.to_thread(self.server.start)
        offers = set(httpx2.options(f"{self.server.url}/api/chat/message/stream").headers["Allow"].split(", "))
        started = self._level()
        async with self._everyone(0, offers) as everyone:
            await together(person.greet() for person in everyone)
        await asyncio.sleep(IDLE_SECONDS)
        fresh = self._level()
        moody.calm = False
        chaos = Chaos(self.server, self.database)
        watching = asyncio.create_task(chaos.watch())
        until = time.monotonic() + seconds
        async with self._everyone(self.people, offers) as everyone:
            striking = chaos.strike(Random(self.seed), until)
            await together([striking, *(person.chat(until) for person in everyone)])
        await asyncio.sleep(max(IDLE_SECONDS, chaos.server_restarted + ORPHAN_SECONDS - time.monotonic()))
        watching.cancel()
        return Evidence(
            diary=self.diary,
            strikes=chaos.strikes,
            seen=chaos.seen,
            provider=moody,
            requests=self.provider.requests,
            started=started,
            fresh=fresh,
            last=self._level(),
            rows=[Row(*values) for values in self._query(ROWS)],
            histories=await self._histories(),
            end_seconds=await asyncio.to_thread(self._end),
            log=self.server.log.read_text(errors="replace"),
        )

    @asynccontextmanager
    async def _everyone(self, first: int, offers: set[str]) -> AsyncIterator[list[Person]]:
        async with AsyncExitStack() as stack:
            names = range(first, first + self.people)
            people = [Person(name, self.server.url, self.diary, self.seed, offers) for name in names]
            yield [await stack.enter_async_context(person) for person in people]

    def _level(self) -> Level:
        return replace(self.server.level(), connections=self._query(CONNECTIONS)[0][0])

    def _query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def _rows(self) -> list[Row]:
        return [Row(*values) for values in self._query(ROWS)]

    async def _histories(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for first in (0, self.people):
            async with self._everyone(first, set()) as everyone:
                found |= {person.email: await person.history() or [] for person in everyone}
        return found

    def _end(self) -> float:
        began = time.monotonic()
        self.server.end(signal.SIGTERM)
        return time.monotonic() - began


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(each)


if __name__ == "__main__":
    main()

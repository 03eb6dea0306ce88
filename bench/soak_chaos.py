"""Strikes the server and its Postgres down in turn, and looks at the database all the while."""

import asyncio
import signal
import time
from dataclasses import dataclass, field
from random import Random

import psycopg

from .soak_world import Database, Server

TERM, KILL = "server SIGTERM", "server SIGKILL"
IMPATIENT = "server SIGTERM, after 1 s SIGKILL"
FAST, CRASH = "Postgres SIGINT", "Postgres SIGKILL"
BOTH = "server SIGTERM and Postgres SIGINT"
DECK = (TERM, KILL, FAST, TERM, CRASH, KILL, BOTH, IMPATIENT)
CALM_END_SECONDS = 30.0

WATCHED = """
    SELECT coalesce(extract(epoch FROM max(now() - heartbeat_at)), 0)::float,
           (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
               AND backend_type = 'client backend'),
           (SELECT coalesce(extract(epoch FROM max(now() - state_change)), 0)::float FROM pg_stat_activity
            WHERE datname = current_database() AND state = 'idle in transaction')
    FROM chat_message WHERE status = 'streaming'
"""


@dataclass(frozen=True)
class Strike:
    """From the signal to the moment when the struck process answers again; the exit code is the server's."""

    kind: str
    began: float
    ended: float
    seconds_to_exit: float = 0.0
    exit_code: int | None = None

    @property
    def hits_server(self) -> bool:
        return "server" in self.kind

    @property
    def hits_postgres(self) -> bool:
        return "Postgres" in self.kind

    @property
    def kills_server(self) -> bool:
        return self.kind in (KILL, IMPATIENT)


@dataclass
class Seen:
    """The most that was seen in the database at any time; seconds."""

    heartbeat_age: float = 0.0
    connections: int = 0
    idle_in_transaction: float = 0.0


@dataclass
class Chaos:
    server: Server
    database: Database
    strikes: list[Strike] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)

    @property
    def server_restarted(self) -> float:
        """When it did so last; 0 if it never did."""
        return max((strike.ended for strike in self.strikes if strike.hits_server), default=0.0)

    async def strike(self, random: Random, until: float) -> None:
        """One strike about every ten seconds; near the end the server is left alone, so that it has time to leak."""
        deck: list[str] = []
        while True:
            await asyncio.sleep(random.uniform(6, 12))
            deck = deck or random.sample(DECK, len(DECK))
            kind = deck.pop()
            if time.monotonic() > until:
                return
            if time.monotonic() > until - CALM_END_SECONDS:
                kind = random.choice([FAST, CRASH])
            self.strikes.append(await self._struck(kind))

    async def _struck(self, kind: str) -> Strike:
        began = time.monotonic()
        if kind in (FAST, CRASH):
            await asyncio.to_thread(self.database.strike, signal.SIGINT if kind == FAST else signal.SIGKILL)
            return Strike(kind, began, time.monotonic())
        number = signal.SIGKILL if kind == KILL else signal.SIGTERM
        ending = asyncio.create_task(asyncio.to_thread(self.server.end, number))
        if kind == BOTH:
            await asyncio.to_thread(self.database.strike, signal.SIGINT)
        if kind == IMPATIENT:
            await asyncio.sleep(1)
            self.server.kill()
        exit_code = await ending
        seconds = time.monotonic() - began
        await asyncio.to_thread(self.server.start)
        return Strike(kind, began, time.monotonic(), seconds, exit_code)

    async def watch(self) -> None:
        """Looks into the database once a second for as long as it is let."""
        while True:
            await asyncio.sleep(1)
            try:
                age, connections, idle = await asyncio.to_thread(self._look)
            except psycopg.Error:
                continue
            self.seen.heartbeat_age = max(self.seen.heartbeat_age, age)
            self.seen.connections = max(self.seen.connections, connections)
            self.seen.idle_in_transaction = max(self.seen.idle_in_transaction, idle)

    def _look(self) -> tuple[float, int, float]:
        with psycopg.connect(self.database.url, autocommit=True, connect_timeout=5) as connection:
            row = connection.execute(WATCHED).fetchone()
            assert row
            return row

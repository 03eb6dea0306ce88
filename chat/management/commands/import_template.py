import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import transaction
from redis import Redis, RedisError

from ccagent.api.authentication import normalised
from ccagent.api.errors import ApiError
from ccagent.management.database_command import DatabaseCommand
from chat.moving_in import keys, shapes, storing, texts
from context.ingest import store
from context.inputs import printable
from context.prepare import Unreadable, prepare

_BUSY_SECONDS = 30
_NAMED = 20
"""Most keys of a kind that are named one by one."""


class Command(DatabaseCommand):
    help = (
        "Brings histories and context out of the Redis of one of the platform's templates. Twice is the same as once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--redis-url", default="", help="the template's Redis; by default REDIS_URL")
        parser.add_argument("--index", default="vector_store", help="the name of its vector store")
        parser.add_argument(
            "--map", action="append", default=[], type=_pair, metavar="USER=EMAIL", help="the e-mail of a user"
        )
        parser.add_argument("--dry-run", action="store_true", help="read everything, store nothing")

    def handle(self, redis_url: str, index: str, map: Sequence[tuple[str, str]], dry_run: bool, **_: Any) -> None:
        self.counts: Counter[str] = Counter()
        self.named: Counter[str] = Counter()
        self.dry_run = dry_run
        try:
            with _connected(redis_url) as redis:
                self._import_histories(redis, dict(map))
                self._import_texts(redis, index)
        except RedisError as error:
            # Without the error's words, which may hold the address and its password.
            raise CommandError(f"Redis does not answer, check --redis-url: {type(error).__name__}.") from None
        except KeyboardInterrupt:
            self.stderr.write("Interrupted: what was stored stays, and another run goes on.")
            sys.exit(130)
        self._end()

    def _import_histories(self, redis: Redis, known_as: dict[str, str]) -> None:
        users, others = keys.message_keys(redis)
        for name in others:
            self._tell("unreadable", name, "is no key of a message")
        people: dict[str, list[keys.MessageKey]] = {}
        for user, found in users.items():
            if email := known_as.get(user) or _email(user):
                people.setdefault(email, []).extend(found)
            else:
                self.counts["of others"] += len(found)
                self.stderr.write(f"{printable(user)}: is no e-mail address, {len(found)} messages stay there.")
        for email, found in people.items():
            self._import_history(redis, email, sorted(found))

    def _import_history(self, redis: Redis, email: str, found: list[keys.MessageKey]) -> None:
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                stored = storing.store(email, found, lambda new: self._read(redis, new), dry_run=self.dry_run)
            except storing.Busy:
                if time.monotonic() > deadline:
                    self.counts["busy"] += 1
                    self.stderr.write(f"{email}: is being answered at the moment, run this again.")
                    return
                time.sleep(0.5)
            else:
                self.counts["added"] += stored.added
                self.counts["known"] += stored.known
                self.counts["people"] += 1
                return

    def _read(self, redis: Redis, wanted: Sequence[keys.MessageKey]) -> Iterator[tuple[keys.MessageKey, shapes.Said]]:
        for key, value in keys.values(redis, list(wanted)):
            if value is None:
                self._tell("unreadable", key.name, "has gone, or holds no text")
                continue
            try:
                said = shapes.read(value)
            except shapes.Inward:
                self.counts["inward"] += 1
            except shapes.Unusable as problem:
                self._tell("unreadable", key.name, str(problem))
            else:
                for loss in said.losses:
                    self._tell("losses", key.name, f"has {loss}, of which only the name is kept")
                yield key, said

    def _import_texts(self, redis: Redis, index: str) -> None:
        pieces, others = keys.chunks(redis, index)
        for name in others:
            self._tell("unreadable", name, "is no piece of a text")
        for whole in texts.whole_texts(texts.piece(*found) for found in pieces):
            try:
                with transaction.atomic():
                    stored = store(prepare(whole.text), source=whole.source, added_by="import_template")
                    if self.dry_run:
                        transaction.set_rollback(True)
            except Unreadable as problem:
                self.counts["unreadable"] += 1
                self.stderr.write(f"{printable(whole.source or whole.text[:50])}: {problem}")
            else:
                self.counts["texts known" if stored.outcome == "unchanged" else "texts"] += 1

    def _tell(self, kind: str, name: bytes, why: str) -> None:
        self.counts[kind] += 1
        self.named[kind] += 1
        if self.named[kind] <= _NAMED:
            self.stderr.write(f"{printable(name.decode(errors='backslashreplace'))}: {why}.")
        elif self.named[kind] == _NAMED + 1:
            self.stderr.write("More of this kind are only counted.")

    def _end(self) -> None:
        """The summary, and an exit code other than 0 where something stayed behind."""
        count = self.counts
        parts = [
            f"{count['added']:,} messages of {count['people']:,} people added",
            f"{count['known']:,} there already",
            f"{count['texts']:,} texts added",
            f"{count['texts known']:,} there already",
            f"{count['unreadable']:,} unreadable",
        ]
        further = (
            ("of others", "of users without an e-mail"),
            ("inward", "of tools skipped"),
            ("losses", "parts lost"),
        )
        parts += [f"{count[name]:,} {words}" for name, words in further if count[name]]
        prefix = "Dry run, nothing was stored: " if self.dry_run else ""
        self.stdout.write(f"{prefix}{', '.join(parts)}.")
        if any(count[name] for name in ("of others", "unreadable", "losses", "busy")):
            sys.exit(1)


def _connected(address: str) -> Redis:
    address = address or settings.ENV.redis_url.get_secret_value()
    if not address:
        raise CommandError("Name the template's Redis: --redis-url redis://user:password@host:port/0")
    try:
        return Redis.from_url(address, socket_connect_timeout=5, socket_timeout=60)
    except ValueError:
        raise CommandError("--redis-url is no address of a Redis server.") from None


def _pair(given: str) -> tuple[str, str]:
    user, _, email = given.rpartition("=")
    if not user or not _email(email):
        raise ArgumentTypeError(f"{given} is not like 12345=ann@example.com")
    return user, _email(email)


def _email(user: str) -> str:
    """The user as people are known here; empty for what is no e-mail address."""
    try:
        return normalised(user.encode())
    except ApiError:
        return ""

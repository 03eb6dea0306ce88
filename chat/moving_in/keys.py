"""What a template keeps in Redis, and where."""

import datetime
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import ResponseError

MESSAGES = "messages:chat:"
_AT_ONCE = 1000
# A message may hold images of some MB.
_VALUES_AT_ONCE = 20
# The hash is base64, the time has colons of its own, and who knows what a user's name has.
_KEY = re.compile(r"(?P<user>.+?):(?P<hash>[\w+/=-]{16,}):(?P<time>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?|\d{13})")


@dataclass(frozen=True, order=True)
class MessageKey:
    """``time`` is when the template stored the message."""

    time: datetime.datetime
    name: bytes
    user: str

    @classmethod
    def parse(cls, name: bytes) -> "MessageKey | None":
        match = _KEY.fullmatch(name.decode(errors="replace").removeprefix(MESSAGES))
        time = moment(match["time"]) if match else None
        return cls(time, name, match["user"]) if match and time else None


def moment(value: object) -> datetime.datetime | None:
    """A point in time as JavaScript writes it: ISO 8601, or milliseconds since 1970."""
    try:
        if isinstance(value, str) and not value.isdecimal():
            found = datetime.datetime.fromisoformat(value)
            return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).astimezone(datetime.UTC)
        if isinstance(value, int | float | str):
            return datetime.datetime.fromtimestamp(float(value) / 1000, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def message_keys(redis: Redis) -> tuple[dict[str, list[MessageKey]], list[bytes]]:
    """The keys of each user's messages, oldest first; and those that are of no such message."""
    users, others = defaultdict(list), []
    # A set, because Redis may name a key twice while it grows.
    for name in sorted(set(redis.scan_iter(f"{MESSAGES}*", count=_AT_ONCE))):
        if key := MessageKey.parse(name):
            users[key.user].append(key)
        else:
            others.append(name)
    return {user: sorted(keys) for user, keys in sorted(users.items())}, others


def values(redis: Redis, keys: list[MessageKey]) -> Iterator[tuple[MessageKey, bytes | None]]:
    """None for a key that has gone meanwhile, or holds something else than a text."""
    for start in range(0, len(keys), _VALUES_AT_ONCE):
        some = keys[start : start + _VALUES_AT_ONCE]
        yield from zip(some, redis.mget([key.name for key in some]), strict=True)


def chunks(redis: Redis, index: str) -> tuple[list[tuple[bytes, bytes, bytes]], list[bytes]]:
    """Name, content and metadata of what the template's vector store holds, and the names of what is none of that."""
    found: list[tuple[bytes, bytes, bytes]] = []
    others = []
    for name in sorted(set(redis.scan_iter(f"doc:{index}:*", count=_AT_ONCE))):
        try:
            content, metadata = redis.hmget(name, ["content", "metadata"])
        except ResponseError:
            content = metadata = None
        if isinstance(content, bytes):
            found.append((name, content, metadata if isinstance(metadata, bytes) else b""))
        else:
            others.append(name)
    return found, others

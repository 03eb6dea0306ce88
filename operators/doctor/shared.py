"""Redis, by which replicas tell each other."""

import secrets
import time

from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from operators.doctor.report import Line, failure, ok, warning

_SECONDS = 2.0


async def look() -> list[Line]:
    address = settings.ENV.redis_url.get_secret_value()
    if not address:
        return [ok("redis", "REDIS_URL is not set, and one replica needs none.")]
    started = time.monotonic()
    redis = Redis.from_url(address, socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS)
    try:
        async with redis:
            await redis.ping()
            is_heard = await _hears(redis)
    except (AuthenticationError, NoPermissionError) as error:
        return [failure("redis", f"It refuses us: {type(error).__name__}.", "Check user and password in REDIS_URL.")]
    except (RedisError, OSError, TimeoutError) as error:
        # Without its words, which may hold the address.
        name = type(error).__name__
        text = f"It does not answer ({name}): limits are not counted, and replicas follow each other slowly."
        return [failure("redis", text, "Check REDIS_URL, and whether the server runs.")]
    if not is_heard:
        return [warning("redis", "What is published does not arrive.", "Let the user of REDIS_URL use all channels.")]
    return [ok("redis", f"It answers, and passes messages on, in {round((time.monotonic() - started) * 1000)} ms.")]


async def _hears(redis: Redis) -> bool:
    """Whether a message that is published arrives where it is listened for."""
    channel = f"ccagent-doctor-{secrets.token_hex(8)}"
    async with redis.pubsub() as listener:
        await listener.subscribe(channel)
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            message = await listener.get_message(timeout=_SECONDS)
            if message and message["type"] == "subscribe":
                await redis.publish(channel, "1")
            elif message and message["type"] == "message":
                return True
    return False

"""`python -m bench.volume`: how long operators' pages take over very many conversations, and with how many queries.

It fills a database of its own (25 minutes for the default on two cores), on an embedded Postgres in a folder that goes
away afterwards; with `--folder` it stays, and is used again.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

CONVERSATIONS = 100_000
ROUNDS = 7


@dataclass(frozen=True)
class Figure:
    """Times are in milliseconds, of the whole request without a network; ``first`` is with cold caches.

    ``cpu`` is the mean of this process and Postgres together: what a machine needs that does nothing else.
    """

    page: str
    first: float
    median: float
    longest: float
    cpu: float
    queries: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.volume", description=__doc__)
    parser.add_argument("--conversations", type=int, default=CONVERSATIONS, metavar="N", help="of 20 messages each")
    parser.add_argument("--folder", type=Path, help="where the database is kept; a full one is measured as it is")
    parser.add_argument("--json", action="store_true", help="print a list of figures instead of the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ccagent-volume-") as passing:
        figures = run(options.folder or Path(passing), options.conversations)
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures]))
        return
    print(f"{'':<58}{'first ms':>10}{'median ms':>11}{'longest ms':>12}{'CPU ms':>8}{'queries':>9}")
    for each in figures:
        print(
            f"{each.page:<58}{each.first:>10.0f}{each.median:>11.0f}{each.longest:>12.0f}{each.cpu:>8.0f}{each.queries:>9}"
        )


def run(folder: Path, conversations: int) -> list[Figure]:
    os.environ |= {"PERSISTENT_STORAGE_DIR": str(folder), "DEV_MODE": "true"}
    os.environ["DJANGO_SETTINGS_MODULE"] = "ccagent.settings"
    import django
    from django.core.management import call_command

    django.setup()
    from .retrieval import _tear_down
    from .volume_rows import fill

    try:
        call_command("migrate", verbosity=0)
        from chat.models import Conversation

        if not Conversation.objects.exists():
            fill(conversations)
        return list(measure())
    finally:
        _tear_down(folder)


def pages() -> Iterator[tuple[str, str]]:
    """What is measured, each with its address below `/admin/`."""
    from chat.models import Conversation, Message, Person

    busy = Conversation.objects.filter(last_sequence=110).order_by("-pk")[0]
    middle = Message.objects.get(conversation=busy, sequence=55)
    person = Person.objects.order_by("-messages")[0]
    yield "people, the newest", "chat/person/"
    yield "people, the last page", f"chat/person/?p={min(40, Person.objects.count() // 50)}"
    yield "people, by messages", "chat/person/?o=-3"
    yield "people, part of an e-mail", "chat/person/?q=person6999"
    yield "people with failed answers", "chat/person/?status=failed"
    yield "people with answers of a common model", "chat/person/?model=small"
    yield "people with answers of a rare model", "chat/person/?model=rare"
    yield "people with flagged answers and an error", "chat/person/?flagged=yes&error=yes"
    yield "a person", f"chat/person/{person.pk}/change/"
    yield "conversations, the newest", "chat/conversation/"
    yield "messages, the newest", "chat/message/"
    yield "messages, the last page", "chat/message/?p=40"
    yield "messages, failed, of one month", f"chat/message/?status=failed&{_month()}"
    yield "messages of a rare model", "chat/message/?model=rare"
    for name, typed in SEARCHES.items():
        yield f"search, {name}", f"chat/message/?q={typed}"
    yield "search, a common word, failed and flagged", "chat/message/?q=invoice&error=yes"
    yield "search, a common word, of one month", f"chat/message/?q=invoice&{_month()}"
    yield "search, a common word, of a rare model", "chat/message/?q=invoice&model=rare"
    yield "a transcript, its end", f"chat/conversation/{busy.pk}/change/"
    yield "a transcript, around a message", f"chat/conversation/{busy.pk}/change/?message={middle.pk}"


SEARCHES = {
    "a common word": "invoice",
    "two common words": "invoice+Lieferung",
    "a word of one message in 100": "aprs",
    "a rare word": "29000",
    "a phrase": '"invoice+please"',
    "a common word without another": "invoice+-refund",
    "a word that nobody wrote": "xylophone",
    "the beginning of many words": "bdf",
}


def _month() -> str:
    from datetime import timedelta

    from django.utils import timezone

    begin = timezone.localdate() - timedelta(days=200)
    return f"created_at_from={begin}&created_at_to={begin + timedelta(days=30)}"


def measure() -> Iterator[Figure]:
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    settings.DEBUG = False
    settings.ALLOWED_HOSTS = ["testserver"]
    client = Client()
    client.force_login(User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)[0])
    client.get("/admin/chat/fact/")
    before = 0.0
    for name, address in pages():
        times = []
        for number in range(ROUNDS):
            if number == 1:
                before = cpu_seconds()
            began = time.perf_counter()
            response = client.get(f"/admin/{address}")
            times.append((time.perf_counter() - began) * 1000)
            assert response.status_code == 200, f"{name}: {response.status_code}"
        cpu = (cpu_seconds() - before) / (ROUNDS - 1) * 1000
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/admin/{address}")
        yield Figure(name, times[0], statistics.median(times[1:]), max(times[1:]), cpu, len(captured))


def cpu_seconds() -> float:
    """Of this process, and of the Postgres that serves it; 0 of one that is on another machine."""
    import psutil
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    if not psutil.pid_exists(backend):
        return time.process_time()
    spent = psutil.Process(backend).cpu_times()
    return time.process_time() + float(spent.user + spent.system)


if __name__ == "__main__":
    main()

"""The admin's front page: the numbers as an operator reads them."""

import datetime
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.models import Person
from context.models import Document
from operators.models import Day
from operators.numbers import days, money
from operators.unanswered import reads as unanswered

SPANS = (7, 30, 90)
_SPAN = 30
_SECONDS_FOR_COUNTING = 1.0
_MOST_DOCUMENTS = 10
KINDS = {
    "provider_failed": gettext_lazy("The provider failed"),
    "not_configured": gettext_lazy("No usable provider is set up"),
    "key_refused": gettext_lazy("The provider refused the key"),
    "busy": gettext_lazy("The provider was busy"),
    "timed_out": gettext_lazy("No answer in time"),
    "model_not_found": gettext_lazy("The provider has no such model"),
    "prompt_too_long": gettext_lazy("The prompt was too long"),
    "refused": gettext_lazy("The provider refused the request"),
    "broken_answer": gettext_lazy("The answer broke off"),
    "unavailable": gettext_lazy("Database away, or restarted"),
    "process_ended": gettext_lazy("The process died"),
    "fault": gettext_lazy("A fault of the agent's own"),
    "unknown": gettext_lazy("Not known any more"),
}


@dataclass(frozen=True)
class Column:
    """One line or row of bars of a chart; ``shown`` writes a value for the table."""

    title: str | Promise
    value: Callable[[Day], Any]
    shown: Callable[[Any], str]
    kind: str = "bar"
    colour: str = "--numbers-first"


@dataclass(frozen=True)
class Chart:
    """A chart, and the same as a table; ``unit`` stands before the figures of its axis."""

    name: str
    title: str | Promise
    columns: Sequence[Column]
    rows: Sequence[Day]
    unit: str = ""
    stacked: bool = False

    @property
    def is_empty(self) -> bool:
        return not any(column.value(row) for column in self.columns for row in self.rows)

    @property
    def table(self) -> list[dict[str, Any]]:
        """A line for each day, the newest last."""
        return [
            {
                "day": date_format(row.day, "M j"),
                "cells": [(_plain(column.value(row)), column.shown(column.value(row))) for column in self.columns],
            }
            for row in self.rows
        ]


@dataclass(frozen=True)
class Numbers:
    """The days of a span, each with its numbers, and what they make together."""

    span: int
    rows: Sequence[Day]

    def total(self, name: str) -> Any:
        return sum(getattr(row, name) for row in self.rows)

    def counted(self, name: str) -> Counter[str]:
        """The sums of counts that days keep by a name."""
        counts: Counter[str] = Counter()
        for row in self.rows:
            counts.update(getattr(row, name))
        return counts

    @cached_property
    def failed(self) -> int:
        return self.counted("errors").total()

    def wait(self, part: float) -> float | None:
        """The time to first token, in ms, that this part of all answers did not exceed; within 3 %."""
        waits = self.counted("waits")
        left = part * waits.total()
        for step in sorted(waits, key=int):
            left -= waits[step]
            if left <= 0:
                return math.exp(int(step) / days.STEPS)
        return None


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the front page shows; for who may not see numbers, Unfold's list of what they may open."""
    if not request.user.has_perm("operators.view_numbers"):
        return context
    span = _span(request)
    today = timezone.localdate()
    begin = today - datetime.timedelta(days=span - 1)
    uncounted = days.keep(begin, _SECONDS_FOR_COUNTING)
    numbers = Numbers(span, _without_gaps(begin, today, days.last(span)))
    return context | {
        "title": _("Overview"),
        "numbers": numbers,
        "uncounted": uncounted,
        "spans": SPANS,
        "month": money.month(),
        "tiles": _tiles(request, numbers, begin),
        "charts": _charts(numbers.rows),
        "errors": _errors(numbers),
        "documents": _documents(numbers, request),
        "unpriced": numbers.counted("unpriced").most_common(5),
        "unpriced_answers": numbers.counted("unpriced").total(),
        "zone": timezone.get_current_timezone_name(),
    }


def _span(request: HttpRequest) -> int:
    asked = request.GET.get("days", "")
    return next((span for span in SPANS if str(span) == asked), _SPAN)


def _without_gaps(begin: datetime.date, end: datetime.date, rows: Sequence[Day]) -> list[Day]:
    found = {row.day: row for row in rows}
    each = (begin + datetime.timedelta(days=number) for number in range((end - begin).days + 1))
    return [found.get(day) or _nothing(day) for day in each]


def _nothing(day: datetime.date) -> Day:
    none: dict[str, int] = {}
    return Day(
        day=day,
        questions=0,
        answers=0,
        people=0,
        prompt_tokens=0,
        completion_tokens=0,
        cost=Decimal(0),
        waits=none,
        errors=none,
        documents=none,
        unpriced=none,
    )


def _tiles(request: HttpRequest, numbers: Numbers, begin: datetime.date) -> list[dict[str, Any]]:
    """The figures at the head of the page, each with its name, what it means, and where it leads."""
    start = datetime.datetime.combine(begin, datetime.time(), timezone.get_current_timezone())
    people = Person.objects.filter(last_activity_at__gte=start).count()
    tokens = numbers.total("prompt_tokens") + numbers.total("completion_tokens")
    share = 100 * numbers.failed / numbers.total("answers") if numbers.total("answers") else 0
    open_questions = unanswered.count()
    may_read, sees_people = map(request.user.has_perm, ("chat.view_message", "chat.view_person"))
    return [
        _tile(_("Messages"), number(numbers.total("questions")), _("asked by people")),
        _tile(_("People"), number(people), _("who asked something"), "chat_person_changelist" if sees_people else ""),
        _tile(_("Tokens"), short(tokens), _("read and written by models")),
        _tile(_("Cost"), usd(numbers.total("cost")), _("of the answers whose price is known")),
        _tile(_("First token"), seconds(numbers.wait(0.5)), _("median; p95 %s") % seconds(numbers.wait(0.95))),
        _tile(_("Failed answers"), number(numbers.failed), _("%s %% of all answers") % f"{share:.1f}"),
        _tile(
            _("Unanswered"),
            number(open_questions) + ("+" if open_questions == unanswered.MAX_QUESTIONS else ""),
            _("open questions, of all time"),
            "unanswered" if may_read else "",
        ),
    ]


def _tile(name: str, value: str, about: str, page: str = "") -> dict[str, str]:
    return {"name": name, "value": value, "about": about, "link": reverse(f"admin:{page}") if page else ""}


def _charts(rows: Sequence[Day]) -> list[Chart]:
    return [
        Chart(
            "messages",
            gettext_lazy("Messages and people"),
            [
                Column(gettext_lazy("Messages"), lambda day: day.questions, number),
                Column(gettext_lazy("People"), lambda day: day.people, number, "line", "--numbers-second"),
            ],
            rows,
        ),
        Chart(
            "cost",
            gettext_lazy("Cost (USD)"),
            [Column(gettext_lazy("Cost"), lambda day: day.cost, usd)],
            rows,
            unit="$",
        ),
        Chart(
            "tokens",
            gettext_lazy("Tokens"),
            [
                Column(gettext_lazy("Read"), lambda day: day.prompt_tokens, number),
                Column(gettext_lazy("Written"), lambda day: day.completion_tokens, number, "bar", "--numbers-second"),
            ],
            rows,
            stacked=True,
        ),
        Chart(
            "waits",
            gettext_lazy("Time to first token (seconds)"),
            [
                Column(gettext_lazy("Median"), lambda day: in_seconds(day.median_ms), long_seconds, "line"),
                Column(
                    gettext_lazy("p95"), lambda day: in_seconds(day.p95_ms), long_seconds, "line", "--numbers-second"
                ),
            ],
            rows,
        ),
    ]


def _errors(numbers: Numbers) -> list[dict[str, Any]]:
    counts = numbers.counted("errors").most_common()
    most = max((count for _kind, count in counts), default=0)
    return [
        {"name": KINDS.get(kind, kind), "count": count, "shown": number(count), "most": most} for kind, count in counts
    ]


def _documents(numbers: Numbers, request: HttpRequest) -> list[dict[str, Any]]:
    """The most used of those that are still there."""
    counts = numbers.counted("documents").most_common(2 * _MOST_DOCUMENTS)
    titles = dict(Document.objects.filter(pk__in=[key for key, _count in counts]).values_list("pk", "title"))
    may = request.user.has_perm("context.view_document")
    most = max((count for _key, count in counts), default=0)
    return [
        {
            "name": titles[int(key)],
            "count": count,
            "shown": number(count),
            "most": most,
            "link": reverse("admin:context_document_change", args=[key]) if may else "",
        }
        for key, count in counts
        if int(key) in titles
    ][:_MOST_DOCUMENTS]


def number(value: float) -> str:
    return f"{value:,}"


def short(value: float) -> str:
    """A large number in three figures: 1.23 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e4)):
        if value >= size:
            return f"{value / (1e3 if unit == 'k' else size):.3g} {unit}"
    return number(value)


def usd(value: Decimal) -> str:
    """With cents, or with two figures where there is less than one."""
    return f"${value:,.2f}" if value >= Decimal("0.1") or not value else f"${value:.2g}"


def in_seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def seconds(ms: float | None) -> str:
    return long_seconds(in_seconds(ms))


def long_seconds(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.2f} s"


def _plain(value: Any) -> str:
    """A value as a script reads it."""
    return "" if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)

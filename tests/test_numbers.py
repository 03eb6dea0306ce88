"""The admin's front page: what it counts, for whom, and how much it asks the database."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.models import Conversation, Message, Summary
from chat.money import spending
from chat.money.models import Spending
from context.models import Document
from operators.data import retention
from operators.models import Day
from operators.numbers import days, page
from tests.test_admin import visit

pytestmark = pytest.mark.django_db
Show = Callable[..., dict[str, Any]]

TODAY = datetime.timedelta()
YESTERDAY = datetime.timedelta(days=1)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> datetime.datetime:
    """It is noon in every zone that a test uses, so that no day ends meanwhile."""
    now = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)
    monkeypatch.setattr(timezone, "now", lambda: now)
    return now


@pytest.fixture
def show() -> Show:
    """What the page tells somebody of a role."""
    user = User.objects.create_user("viewer", is_staff=True)
    user.groups.add(Group.objects.get(name="viewer"))

    get = visit(user)

    def shown(span: int = 7) -> dict[str, Any]:
        answer = get("", days=str(span))
        assert answer.status_code == 200
        return answer.context  # type: ignore[no-any-return]

    return shown


def asked(email: str, ago: datetime.timedelta = TODAY, **outcome: Any) -> Message:
    """A question and its answer, so long ago."""
    at = timezone.now() - ago
    conversation = Conversation.objects.create(email=email, archived_at=at)
    common = {"conversation": conversation, "date": at}
    question = Message(**common, sequence=1, role="user", text="Hi")
    answer = Message(**common, sequence=2, role="assistant", text="Well.", **outcome)
    created = Message.objects.bulk_create([question, answer])
    Message.objects.filter(conversation=conversation).update(created_at=at)
    return created[1]


def tiles(context: dict[str, Any]) -> dict[str, str]:
    return {tile["name"]: tile["value"] for tile in context["tiles"]}


def day(ago: datetime.timedelta = TODAY) -> Day:
    return next(row for row in days.last(7) if row.day == timezone.localdate() - ago)


@pytest.fixture
def nobody() -> None:
    """No message of another test's."""
    Conversation.objects.all().delete()
    Day.objects.all().delete()


@pytest.mark.usefixtures("nobody")
def test_an_empty_page_says_so(show: Show) -> None:
    context = show()
    assert tiles(context)["Messages"] == "0"
    assert all(chart.is_empty for chart in context["charts"])
    assert (context["errors"], context["documents"], context["uncounted"]) == ([], [], 0)


@pytest.mark.usefixtures("nobody")
def test_a_day_counts_messages_people_tokens_and_cost(email: str) -> None:
    asked(email, prompt_tokens=100, completion_tokens=10, cost=Decimal("0.25"))
    asked(email, prompt_tokens=100, completion_tokens=10, cost=Decimal("0.5"))
    asked("")
    today = day()
    assert (today.questions, today.answers, today.people) == (3, 3, 1)
    assert (today.prompt_tokens, today.completion_tokens, today.cost) == (200, 20, Decimal("0.75"))


@pytest.mark.usefixtures("nobody")
def test_summaries_cost_too(email: str) -> None:
    answer = asked(email)
    Summary.objects.create(conversation=answer.conversation, through=2, text="x", prompt_tokens=7, cost=Decimal(2))
    Summary.objects.update(created_at=timezone.now())
    assert day().prompt_tokens == 7
    assert day().cost == 2


@pytest.mark.usefixtures("nobody")
def test_waits_are_told_by_their_median_and_the_slowest_twentieth(email: str) -> None:
    for wait in range(1, 102):
        asked(email, first_token_ms=10 * wait)
    assert (day().median_ms, day().p95_ms) == (510, 960)


@pytest.mark.usefixtures("nobody")
def test_waits_of_several_days_are_known_within_3_percent(email: str) -> None:
    for number in range(1, 102):
        asked(email, YESTERDAY if number % 2 else TODAY, first_token_ms=10 * number)
    days.keep()
    numbers = page.Numbers(7, days.last(7))
    assert numbers.wait(0.5) == pytest.approx(510, rel=0.03)
    assert numbers.wait(0.95) == pytest.approx(960, rel=0.03)


@pytest.mark.usefixtures("nobody")
def test_errors_are_counted_by_kind(show: Show, email: str) -> None:
    for kind in ("busy", "busy", "timed_out"):
        asked(email, status="failed", error_kind=kind)
    asked(email, status="interrupted", error="from before there were kinds")
    asked(email, status="stopped")
    kinds = [(str(row["name"]), row["count"]) for row in show()["errors"]]
    assert kinds[0] == ("The provider was busy", 2)
    assert sorted(kinds[1:]) == [("No answer in time", 1), ("Not known any more", 1)]


def test_every_kind_has_words() -> None:
    from chat.agent import errors

    kinds = {kind.kind for kind in errors.ProviderError.__subclasses__()} | {errors.ProviderError.kind}
    assert kinds - {""} <= page.KINDS.keys()


@pytest.mark.usefixtures("nobody")
def test_the_most_used_documents_come_first_and_those_that_are_gone_not_at_all(show: Show, email: str) -> None:
    one, two = (Document.objects.create(title=title, text=title, fingerprint=title) for title in ("One", "Two"))
    passages = [{"document": two.pk}, {"document": two.pk}, {"document": one.pk}, {"document": 0}]
    asked(email, passages=passages)
    asked(email, passages=[{"document": two.pk}])
    assert [(row["name"], row["count"]) for row in show()["documents"]] == [("Two", 2), ("One", 1)]


@pytest.mark.usefixtures("nobody")
def test_what_has_no_known_price_is_said(show: Show, email: str) -> None:
    asked(email, model="my-llama", prompt_tokens=10)
    context = show()
    assert (context["unpriced"], context["unpriced_answers"]) == ([("my-llama", 1)], 1)


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(("span", "count"), [(7, "1"), (30, "2"), (90, "3")])
def test_the_span_is_chosen(show: Show, email: str, span: int, count: str) -> None:
    for ago in (3, 20, 80, 100):
        asked(email, datetime.timedelta(days=ago))
    assert tiles(show(span))["Messages"] == count


@pytest.mark.usefixtures("nobody")
def test_days_are_those_of_the_operators_time_zone(email: str) -> None:
    with timezone.override("Pacific/Auckland"):
        asked(email, datetime.timedelta(hours=11))
        asked(email, datetime.timedelta(hours=14))
        days.keep()
        assert [row.questions for row in days.last(7) if row.questions] == [2]


# Days that are over.


@pytest.mark.usefixtures("nobody")
def test_a_day_that_is_over_stays_when_its_messages_are_deleted(show: Show, email: str) -> None:
    asked(email, YESTERDAY)
    days.keep()
    Conversation.objects.filter(email=email).delete()
    assert tiles(show())["Messages"] == "1"


@pytest.mark.usefixtures("nobody")
def test_what_is_purged_was_counted_before(email: str) -> None:
    asked(email, datetime.timedelta(days=200), cost=Decimal(3))
    retention.purge(datetime.timedelta(days=100))
    assert not Message.objects.filter(conversation__email=email).exists()
    assert Day.objects.get().cost == 3


@pytest.mark.usefixtures("nobody")
def test_a_day_is_counted_once(email: str) -> None:
    asked(email, YESTERDAY)
    days.keep()
    asked(email, YESTERDAY)
    days.keep()
    assert day(YESTERDAY).questions == Day.objects.get().questions == 1


@pytest.mark.usefixtures("nobody")
def test_without_time_the_rest_is_left_for_later(email: str) -> None:
    for ago in (1, 2, 3):
        asked(email, datetime.timedelta(days=ago))
    assert days.keep(seconds=-1) == 3
    assert days.keep() == 0


@pytest.mark.usefixtures("nobody")
def test_kept_days_name_nobody(email: str) -> None:
    asked(email, YESTERDAY, error="My secret", model="m", prompt_tokens=1)
    days.keep()
    assert email not in str(Day.objects.values())
    assert "secret" not in str(Day.objects.values())


# What it takes.


def test_the_number_of_queries_does_not_depend_on_the_number_of_messages(show: Show, email: str) -> None:
    document = Document.objects.create(title="One", text="One", fingerprint="One")
    asked(email, passages=[{"document": document.pk}])
    days.keep()
    show()
    with CaptureQueriesContext(connection) as few:
        show(7)
    for ago in range(90):
        asked(email, datetime.timedelta(days=ago), status="failed", passages=[{"document": document.pk}])
    days.keep()
    with CaptureQueriesContext(connection) as many:
        show(90)
    assert len(many) == len(few) == 10


# Budgets.


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def of(**fields: float) -> None:
        values = {name: Decimal(value) for name, value in fields.items()}
        monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update=values))

    return of


@pytest.mark.parametrize(
    ("spent", "said"), [(79, "$79.00 of $100.00"), (80, "Nearly used up."), (100, "no model is asked until")]
)
def test_a_budget_warns_when_it_is_near(budget: Callable[..., None], spent: int, said: str) -> None:
    budget(monthly_budget_usd=100)
    Spending.objects.all().delete()
    spending.add("", Decimal(spent), 1)
    body = visit(User.objects.create_superuser("operator"))("").content.decode()
    assert said in body
    assert ("Nearly" in body) is (spent == 80)


def test_it_tells_how_many_people_are_near_theirs(budget: Callable[..., None], show: Show, email: str) -> None:
    budget(monthly_budget_usd_per_person=10)
    Spending.objects.all().delete()
    for number, spent in enumerate((7, 8, 9, 10)):
        spending.add(f"{number}-{email}", Decimal(spent), 1)
    assert (show()["month"].near, show()["month"].beyond) == (2, 1)


def test_without_a_budget_there_is_nothing_said_of_one(show: Show) -> None:
    assert show()["month"].budget is None


# Who sees it.


def test_who_may_not_see_numbers_sees_none() -> None:
    user = User.objects.create_user("nobody", is_staff=True)
    answer = visit(user)("")
    assert answer.status_code == 200
    assert "numbers" not in answer.context


def test_a_viewer_sees_nobodys_address(show: Show, email: str) -> None:
    asked(email)
    user = User.objects.get(username="viewer")
    show()
    assert email not in visit(user)("").content.decode()


@pytest.mark.parametrize(
    ("value", "words"), [(Decimal(0), "$0.00"), (Decimal("0.00042"), "$0.00042"), (Decimal("1234.5"), "$1,234.50")]
)
def test_money_is_written_so_that_little_is_not_nothing(value: Decimal, words: str) -> None:
    assert page.usd(value) == words


@pytest.mark.parametrize(("value", "words"), [(999, "999"), (12_345, "12.3 k"), (2_790_000_000, "2.79 G")])
def test_many_tokens_are_written_short(value: int, words: str) -> None:
    assert page.short(value) == words

"""What answers cost, and what happens when a budget is used up."""

import datetime
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import genai_prices
import httpx2
import psycopg
import pytest
from django.conf import settings
from django.utils import timezone

from ccagent.environment import Environment
from chat import forgetting, storage, summaries
from chat.agent.events import ModelCall, Usage
from chat.content import Text
from chat.models import Conversation, Message, Summary
from chat.money import prices, spending
from chat.money.models import Spending
from operators.data import retention
from tests import fake_provider as fake
from tests.conftest import Serve, Server
from tests.fake_provider import FakeProvider, Reply, text
from tests.test_bad_days import MESSAGE, STREAM, ask, kept

MILLION = 1_000_000


def cost(provider: str, model: str, usage: Usage, env: Environment | None = None) -> Decimal | None:
    return prices.cost(env or Environment(), [ModelCall(provider, model, usage)])


# Prices.


def test_a_known_model_has_the_price_of_the_library() -> None:
    assert cost("openai", "gpt-4o-mini", Usage(MILLION, MILLION)) == Decimal("0.75")


@pytest.mark.parametrize(
    ("provider", "model"), [("google-genai", "gemini-2.5-flash"), ("mistralai", "mistral-large-latest")]
)
def test_a_provider_may_have_another_name_in_the_library(provider: str, model: str) -> None:
    assert cost(provider, model, Usage(1000, 10)) or 0 > 0


def test_what_the_provider_had_read_before_costs_less() -> None:
    whole, less = (cost("openai", "gpt-4o-mini", Usage(1000, 10, cached_tokens=cached)) for cached in (0, 500))
    assert whole
    assert less
    assert less < whole


def test_more_cached_tokens_than_the_prompt_has_spoil_nothing() -> None:
    assert cost("openai", "gpt-4o-mini", Usage(10, 10, cached_tokens=500))


def test_another_provider_is_known_by_its_address() -> None:
    env = Environment(provider_name="router", provider_base_url="https://openrouter.ai/api/v1")
    assert cost("router", "openai/gpt-4o-mini", Usage(1000, 10), env)


@pytest.mark.parametrize(("provider", "model"), [("openai", "no-such-model"), ("my-box", "gpt-4o-mini"), ("fake", "")])
def test_a_price_that_is_not_known_is_none(provider: str, model: str) -> None:
    assert cost(provider, model, Usage(1000, 10)) is None


def test_one_call_without_a_price_leaves_the_whole_unknown() -> None:
    calls = [ModelCall("openai", name, Usage(1000, 10)) for name in ("gpt-4o-mini", "no-such-model")]
    assert prices.cost(Environment(), calls) is None


def test_what_the_library_cannot_do_spoils_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(genai_prices, "calc_price", lambda *_args, **_more: 1 / 0)
    assert cost("openai", "gpt-4o-mini", Usage(10, 10)) is None


def test_a_cost_fits_its_column() -> None:
    assert cost("my-box", "big", Usage(100 * MILLION, 0), Environment(prices="big=9999/0")) == 999_900
    calls = [ModelCall("my-box", "big", Usage(100 * MILLION, 0))] * 100
    assert prices.cost(Environment(prices="big=9999/0"), calls) == 9_999_999


def test_what_runs_without_a_network_is_free() -> None:
    assert cost("offline", "", Usage(1000, 10)) == 0


def test_the_operators_own_price_goes_first() -> None:
    assert cost("openai", "gpt-4o-mini", Usage(MILLION, 2 * MILLION), Environment(prices="gpt-4o*=1.5/10")) == Decimal(
        "21.5"
    )


def test_of_the_operators_prices_the_first_that_fits_counts() -> None:
    assert cost("my-box", "llama:8b", Usage(MILLION, 0), Environment(prices="llama:8b = 2/0, llama*=3/0,*=4/0")) == 2


# Answers.


def paid(serve: Serve, provider: FakeProvider, **variables: str) -> Server:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "big", "PROVIDER_BASE_URL": provider.base_url}
    return serve(**model, PROVIDER_RETRIES="0", PRICES="big=1000/2000, small=3/3", **variables)


@pytest.fixture
def dear(serve: Serve, provider: FakeProvider) -> Server:
    """A token costs a tenth of a cent, a written one two; a person has a tenth of a cent."""
    return paid(serve, provider, MONTHLY_BUDGET_USD_PER_PERSON="0.001", BUDGET_ANSWER="Enough for now.")


@pytest.fixture
def visitor(dear: Server, email: str) -> Iterator[httpx2.Client]:
    with dear.client(email) as client:
        yield client


def test_an_answer_is_stored_with_its_cost(visitor: httpx2.Client, dear: Server, email: str) -> None:
    ask(visitor, MESSAGE)
    answer = kept(dear, email)
    assert 1000 * answer["cost"] == answer["prompt_tokens"] + 2 * answer["completion_tokens"] > 0


def test_the_model_that_answered_is_the_one_that_is_paid(serve: Serve, provider: FakeProvider, email: str) -> None:
    provider.replies(fake.status(500), text("Hello"))
    server = paid(serve, provider, FALLBACK_MODELS="small")
    with server.client(email) as client:
        ask(client, MESSAGE)
    answer = kept(server, email)
    assert answer["cost"] * MILLION == 3 * (answer["prompt_tokens"] + answer["completion_tokens"])


def test_an_answer_of_unknown_price_has_no_cost(person: httpx2.Client, server: Server, email: str) -> None:
    ask(person, MESSAGE)
    assert kept(server, email)["cost"] is None


@pytest.mark.parametrize(("reply", "kind"), [(fake.status(429), "busy"), (fake.key_refused(), "key_refused")])
def test_why_an_answer_failed_is_kept_in_a_word(
    dear: Server, email: str, provider: FakeProvider, reply: Reply, kind: str
) -> None:
    provider.replies(reply)
    with dear.client(email) as client:
        ask(client, MESSAGE)
    assert kept(dear, email)["error_kind"] == kind


# Budgets.


@pytest.mark.parametrize("path", [MESSAGE, STREAM])
def test_beyond_the_budget_there_is_a_polite_answer_and_no_model_is_asked(
    visitor: httpx2.Client, provider: FakeProvider, path: str
) -> None:
    ask(visitor, path)
    asked = len(provider.requests)
    heard = ask(visitor, path)
    assert (heard.status, heard.text, len(provider.requests)) == (200, "Enough for now.", asked)


def test_the_polite_answer_is_one_like_others_in_the_history(visitor: httpx2.Client, dear: Server, email: str) -> None:
    ask(visitor, MESSAGE)
    ask(visitor, MESSAGE)
    answer = kept(dear, email)
    assert (answer["status"], answer["text"], answer["cost"]) == ("complete", "Enough for now.", 0)
    assert visitor.get("/api/chat/history").json()["data"][-1]["content"][0]["text"] == "Enough for now."


def test_one_persons_budget_is_nobody_elses(visitor: httpx2.Client, dear: Server, email: str) -> None:
    ask(visitor, MESSAGE)
    with dear.client(f"other-{email}") as other:
        assert ask(other, MESSAGE).text != "Enough for now."


@pytest.mark.parametrize("known", [True, False], ids=["a person", "an anonymous call"])
def test_the_budget_of_all_is_everybodys(serve: Serve, provider: FakeProvider, email: str, known: bool) -> None:
    server = paid(serve, provider, MONTHLY_BUDGET_USD="0", BUDGET_ANSWER="Enough for all.")
    with server.client(email if known else None) as client:
        assert ask(client, MESSAGE).text == "Enough for all."
    assert provider.requests == []


# In the database.


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def of(**fields: Any) -> None:
        values = {name: Decimal(value) for name, value in fields.items()}
        monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update=values))

    return of


def close(answer: Message, cost: int) -> None:
    storage.close_turn(answer.pk, {"text": "Hello", "status": "complete", "cost": Decimal(cost)}, [])


def spent(email: str) -> Decimal:
    return sum((row.cost for row in Spending.objects.filter(email=email)), Decimal(0))


@pytest.mark.django_db
def test_an_end_that_is_stored_twice_is_paid_once(email: str) -> None:
    answer = storage.open_turn(email, [Text("Hi")], timezone.now()).answer
    close(answer, 3)
    close(answer, 3)
    assert spent(email) == spent("") == 3


@pytest.mark.django_db
def test_an_anonymous_call_counts_among_all() -> None:
    close(storage.open_turn("", [Text("Hi")], timezone.now()).answer, 3)
    assert spent("") == 3


@pytest.mark.django_db
def test_many_answers_add_up(email: str) -> None:
    for _ in range(2 * spending.SLOTS):
        close(storage.open_turn(email, [Text("Hi")], timezone.now()).answer, 1)
    assert spent(email) == spent("") == 2 * spending.SLOTS


@pytest.mark.django_db
@pytest.mark.parametrize(("most", "opened"), [(4, False), (3, True), (2, True)])
def test_a_budget_is_used_up_once_as_much_was_spent(
    budget: Callable[..., None], email: str, most: int, opened: bool
) -> None:
    budget(monthly_budget_usd=most)
    close(storage.open_turn(email, [Text("Hi")], timezone.now()).answer, 3)
    assert storage.open_turn(f"other-{email}", [Text("Hi")], timezone.now()).over_budget is opened


@pytest.mark.django_db
def test_deleting_messages_gives_no_budget_back(budget: Callable[..., None], email: str) -> None:
    budget(monthly_budget_usd_per_person=3)
    close(storage.open_turn(email, [Text("Hi")], timezone.now()).answer, 3)
    Conversation.objects.filter(email=email).delete()
    assert spending.used_up(email)


@pytest.mark.django_db
def test_the_next_month_begins_anew(budget: Callable[..., None], email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    budget(monthly_budget_usd_per_person=3)
    spending.add(email, Decimal(3), 1)
    later = timezone.now() + datetime.timedelta(days=31)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert not spending.used_up(email)


def test_the_month_is_that_of_the_operators_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: datetime.datetime(2026, 1, 31, 22, 30, tzinfo=datetime.UTC))
    with timezone.override("Africa/Johannesburg"):
        assert spending.this_month() == datetime.date(2026, 2, 1)


@pytest.mark.django_db
def test_beyond_the_budget_no_summary_is_made(budget: Callable[..., None], email: str) -> None:
    budget(monthly_budget_usd_per_person=0)
    conversation = Conversation.objects.create(email=email)
    Message.objects.create(conversation=conversation, sequence=1, role="user", text="x" * 9000, date=timezone.now())
    assert summaries.claim(conversation.pk, 100) is None


@pytest.mark.django_db
def test_a_summary_is_paid_too(email: str) -> None:
    conversation = Conversation.objects.create(email=email)
    call = ModelCall("openai", "gpt-4o-mini", Usage(MILLION, 0))
    summaries.store(Summary(conversation=conversation, through=2, text="They talked."), [call])
    assert spent(email) == Summary.objects.get(conversation=conversation).cost == Decimal("0.15")


@pytest.mark.django_db
def test_a_summary_of_a_conversation_that_is_gone_is_nobodys(email: str) -> None:
    spending.add_to(0, Decimal(3))
    assert spent(email) == spent("") == 0


@pytest.mark.django_db
def test_what_a_forgotten_person_spent_stays_in_the_sum_of_all(email: str) -> None:
    close(storage.open_turn(email, [Text("Hi")], timezone.now()).answer, 3)
    forgetting.forget(email)
    assert (spent(email), spent("")) == (Decimal(0), Decimal(3))


@pytest.mark.django_db
def test_what_somebody_spent_is_purged_with_what_they_said(email: str) -> None:
    Spending.objects.create(month=datetime.date(2020, 1, 1), email=email, cost=3)
    Spending.objects.create(month=datetime.date(2020, 1, 1), cost=3)
    retention.purge(datetime.timedelta(days=40))
    assert (spent(email), spent("")) == (Decimal(0), Decimal(3))


@pytest.mark.parametrize("anonymous", [True, False])
def test_the_budgets_are_looked_up_in_a_moment(server: Server, anonymous: bool) -> None:
    """The plan of the look: two visits to one index, whatever else there is."""
    with psycopg.connect(server.database_url) as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        email = "" if anonymous else "ann@example.com"
        plan = connection.execute(
            "EXPLAIN SELECT sum(cost) FROM chat_spending WHERE month = %s AND email = %s",
            [datetime.date(2026, 1, 1), email],
        ).fetchall()
    assert "spending_once_a_month" in str(plan)

"""What was spent this month, and whether that is enough; sums that are kept with each answer's end."""

import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from chat.money.models import Spending

SLOTS = 16
"""Rows of a month that hold what all spent; answers that end at the same moment mostly take different ones."""

# The person's row first, for everybody: no two wait for each other in a ring.
ADD = f"""
INSERT INTO chat_spending (month, email, slot, cost)
SELECT %(month)s, whose.email, whose.slot, spent.cost
FROM spent, LATERAL (VALUES (spent.email, 0), ('', 1 + spent.id %% {SLOTS})) AS whose (email, slot)
WHERE spent.cost <> 0 AND (whose.email <> '' OR whose.slot > 0)
ORDER BY whose.slot
ON CONFLICT (month, email, slot) DO UPDATE SET cost = chat_spending.cost + excluded.cost"""
"""Adds what ``spent (id, email, cost)`` holds; an empty e-mail is nobody's, so only the sum of all knows."""


def this_month() -> datetime.date:
    """Its first day, in ``TIME_ZONE``."""
    return timezone.localdate().replace(day=1)


def add(email: str, cost: Decimal | None, conversation: int) -> None:
    """Counts what was spent on no answer of its own; the conversation chooses the row."""
    _add("SELECT %(id)s AS id, %(email)s AS email, %(cost)s::numeric AS cost", cost, conversation, email)


def add_to(conversation: int, cost: Decimal | None) -> None:
    """Counts what was spent on a conversation, such as on its summary; nothing where it is gone."""
    # Held, so that nobody is counted who is being forgotten.
    whose = "SELECT id, email, %(cost)s::numeric AS cost FROM chat_conversation WHERE id = %(id)s FOR KEY SHARE"
    _add(whose, cost, conversation)


def _add(spent: str, cost: Decimal | None, conversation: int, email: str = "") -> None:
    if cost:
        values: dict[str, Any] = {"id": conversation, "email": email, "cost": cost, "month": this_month()}
        with connection.cursor() as cursor:
            cursor.execute(f"WITH spent AS ({spent}) {ADD}", values)


def forget(email: str) -> None:
    """Takes out what one person spent; what all spent stays."""
    Spending.objects.filter(email=email).exclude(email="").delete()


def forget_before(day: datetime.date) -> None:
    """Takes out what each person spent in the months that were over then; what all spent stays."""
    Spending.objects.filter(month__lt=day.replace(day=1)).exclude(email="").delete()


_SPENT = "(SELECT coalesce(sum(cost), 0) FROM chat_spending WHERE month = %(month)s AND email = {})"
_USED_UP = {
    "all_may": f"{_SPENT.format('%(nobody)s')} >= %(all_may)s",
    "one_may": f"%(email)s <> '' AND {_SPENT.format('%(email)s')} >= %(one_may)s",
}


def is_used_up() -> str:
    """The condition, in SQL, that one of the budgets is used up; its parameters are ``budgets``."""
    return " OR ".join(_USED_UP[name] for name, most in _budgets().items() if most is not None) or "false"


def budgets(email: str) -> dict[str, Any]:
    """The parameters of ``is_used_up`` for this person, or for nobody in particular."""
    return {"month": this_month(), "email": email, "nobody": "", **_budgets()}


def _budgets() -> dict[str, Decimal | None]:
    return {
        "all_may": settings.ENV.monthly_budget_usd,
        "one_may": settings.ENV.monthly_budget_usd_per_person,
    }


def used_up(email: str) -> bool:
    """Whether nothing more is to be spent on this person this month."""
    condition = is_used_up()
    if condition == "false":
        return False
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {condition}", budgets(email))
        return bool(cursor.fetchone()[0])

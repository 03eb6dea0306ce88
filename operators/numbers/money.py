"""What this month took of its budgets."""

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db import connection

from chat.money.spending import this_month

NEAR = Decimal("0.8")
"""The part of a budget from which on it is worth a warning."""


@dataclass(frozen=True)
class Month:
    """In USD; ``near`` and ``beyond`` are how many people came near their own budget, or used it up."""

    spent: Decimal
    budget: Decimal | None
    per_person: Decimal | None
    near: int
    beyond: int

    @property
    def percent(self) -> int:
        """Of the budget, 100 at most; 0 without one."""
        if self.budget is None:
            return 0
        return min(100, int(100 * self.spent / self.budget)) if self.budget else 100

    @property
    def is_used_up(self) -> bool:
        return self.budget is not None and self.spent >= self.budget

    @property
    def is_near(self) -> bool:
        return self.budget is not None and not self.is_used_up and self.spent >= NEAR * self.budget


_SPENT = """
SELECT coalesce(sum(cost) FILTER (WHERE email = ''), 0),
    count(*) FILTER (WHERE email <> '' AND cost >= %(near)s AND cost < %(most)s),
    count(*) FILTER (WHERE email <> '' AND cost >= %(most)s)
FROM chat_spending WHERE month = %(month)s AND (email = '' OR %(most)s::numeric IS NOT NULL)"""


def month() -> Month:
    env = settings.ENV
    most = env.monthly_budget_usd_per_person
    near = None if most is None else NEAR * most
    with connection.cursor() as cursor:
        cursor.execute(_SPENT, {"month": this_month(), "most": most, "near": near})
        spent, people_near, people_beyond = cursor.fetchone()
    return Month(spent, env.monthly_budget_usd, most, people_near, people_beyond)

"""Figures as operators read them."""

from decimal import Decimal

from django.utils.formats import number_format


def number(count: int) -> str:
    return number_format(count, use_l10n=True, force_grouping=True)


def dollars(cost: Decimal | None) -> str:
    """Cents where that says something, else as many digits as the amount needs to be seen."""
    if cost is None:
        return "-"
    if not cost:
        return "$0"
    return f"${number_format(cost, 2 if cost >= 1 else 4 if cost >= Decimal('0.0001') else 6, force_grouping=True)}"

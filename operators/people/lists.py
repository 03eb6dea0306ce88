"""Lists of many rows: counted no further than anybody pages, and messages with a piece of their text."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from operators.people.search import snippets

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

MOST_COUNTED = 2_000


class ShortPaginator(Paginator):  # type: ignore[type-arg]
    """Counts up to 2,000 rows: nobody pages further, and to count two million takes longer than to show them."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[:MOST_COUNTED].count()


class MessageList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        pieces = snippets([message.pk for message in rows], self.query) if rows else {}
        for message in rows:
            message.snippet = pieces.get(message.pk, "")
        self.result_list = rows

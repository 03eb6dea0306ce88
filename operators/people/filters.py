"""What the lists of people and of messages can be narrowed to, by what is true of messages."""

from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat.models import Message, Person


class MessageFilter(admin.SimpleListFilter):
    """Of messages those that ``condition`` names, of people those who have such a message."""

    def condition(self, value: str) -> Q:
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        value = self.value()
        if not value:
            return queryset
        condition = self.condition(str(value))
        if queryset.model is not Person:
            return queryset.filter(condition)
        return queryset.filter(email__in=Message.objects.filter(condition).order_by().values("conversation__email"))


class StatusFilter(MessageFilter):
    title = _("status of an answer")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        statuses = [(status.value, str(status.label)) for status in Message.Status]
        # Everybody has answers that are complete.
        return [each for each in statuses if model_admin.model is not Person or each[0] != Message.Status.COMPLETE]

    def condition(self, value: str) -> Q:
        return Q(status=value)


class ModelFilter(MessageFilter):
    title = _("model")
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        return [(name, name) for name in models_used()]

    def condition(self, value: str) -> Q:
        return Q(model=value) & ~Q(model="")


class PromptFilter(MessageFilter):
    """Not offered, but linked to from a prompt's version."""

    title = _("prompt version")
    parameter_name = "prompt"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        version = request.GET.get(self.parameter_name, "")
        return [(version, _("Version %(number)s") % {"number": version})] if version.isdecimal() else []

    def condition(self, value: str) -> Q:
        return Q(prompt=int(value)) if value.isdecimal() else Q()


class EmailFilter(MessageFilter):
    """Not offered, but linked to from a person's page."""

    title = _("person")
    parameter_name = "email"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        email = request.GET.get(self.parameter_name, "")
        return [(email, email)] if email else []

    def condition(self, value: str) -> Q:
        return Q(conversation__email=value)


class FlaggedFilter(MessageFilter):
    title = _("flagged")
    parameter_name = "flagged"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        return [("yes", _("Flagged by an operator"))]

    def condition(self, value: str) -> Q:  # noqa: ARG002
        return Q(flagged_at__isnull=False)


class ErrorFilter(MessageFilter):
    title = _("error")
    parameter_name = "error"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        return [("yes", _("Has an error"))]

    def condition(self, value: str) -> Q:  # noqa: ARG002
        return ~Q(error="")


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        return [("active", _("Active")), ("paused", _("Paused: operators answer"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:  # noqa: ARG002
        return queryset.filter(paused_at__isnull=self.value() == "active") if self.value() else queryset


# From one name to the next along the index, instead of through all messages.
_MODELS = """
WITH RECURSIVE used (model) AS (
    (SELECT model FROM chat_message WHERE model <> '' ORDER BY model LIMIT 1)
    UNION ALL
    SELECT (SELECT message.model FROM chat_message message WHERE message.model <> '' AND message.model > used.model
        ORDER BY message.model LIMIT 1)
    FROM used WHERE used.model IS NOT NULL
)
SELECT model FROM used WHERE model IS NOT NULL LIMIT 100"""


def models_used() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_MODELS)
        return [model for (model,) in cursor.fetchall()]

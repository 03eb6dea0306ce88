"""Every page of the admin, with something to show on each."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.urls import URLPattern, URLResolver
from django.utils import timezone

from chat import storage
from chat.agent.events import ToolCallRequest, ToolResult
from chat.content import File, Image, Text
from chat.mcp.models import ServerTool, ToolServer
from chat.models import Fact, Message, Summary
from chat.prompts import draft_of, publish, seen_now
from context.ingest import ingest
from operators.audit import record

SECRET = "zebras-at-midnight"
"""What somebody said to the agent, and what it answered: for those alone who may read transcripts."""

_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
# They end something, or lead elsewhere.
_NO_PAGES = {"logout", "view_on_site", "autocomplete", "jsi18n"}


def seed(operator: User) -> Message:
    """A conversation and one of everything else; the answer in it."""
    image = Image(
        "a.png", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    answer = storage.open_turn("ann@example.com", [Text(SECRET), image, File("a.log", SECRET)], timezone.now()).answer
    call = ToolResult(ToolCallRequest("1", "look", f'{{"for": "{SECRET}"}}'), SECRET, False, 12, "")
    given = {"text": SECRET, "status": "complete", "model": "big", "prompt_tokens": 900, "completion_tokens": 80}
    storage.close_turn(answer.pk, given, [storage.MadeCall(0, 0, call)])
    Summary.objects.create(conversation_id=answer.conversation_id, through=2, text=SECRET)
    Fact.objects.create(email="ann@example.com", text=SECRET)
    ingest("Lions sleep lying down.", title="Lion facts")
    server = ToolServer.objects.create(name="wiki", url="https://wiki.example/mcp")
    ServerTool.objects.create(server=server, remote_name="search", name="wiki__search", description="Finds pages.")
    for system in ("Be brief.", "Be kind."):
        draft = draft_of(operator.pk)
        draft.system = system
        publish(draft, seen_now(draft)) if system == "Be brief." else draft.save()
    record(operator, "viewed", whom="ann@example.com")
    return answer


def pages() -> Iterator[tuple[str, str]]:
    """Name and path of each page, for the objects that there are."""
    for path, pattern in _walk(admin.site.get_urls(), ""):
        if pattern.name and pattern.name not in _NO_PAGES:
            yield pattern.name, f"/admin/{_filled(path, pattern)}"


def _walk(patterns: list[Any], before: str) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        path = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        else:
            yield path, pattern


def _filled(path: str, pattern: URLPattern) -> str:
    model = _model_of(pattern.name or "")
    first = model._default_manager.first() if model else None
    if path.startswith("^"):
        return "chat/"
    for name, converter in pattern.pattern.converters.items():
        kind = type(converter).__name__.removesuffix("Converter").lower()
        value = str(_named(name) or (first.pk if first else 1))
        for written in (f"<{kind}:{name}>", f"<{name}>"):
            path = path.replace(written, value)
    return path


def _named(name: str) -> int | None:
    """The key of what a part of the path is named after, such as ``person``."""
    found = [model for model in apps.get_models() if model._meta.model_name == name]
    first = found[0]._default_manager.first() if found else None
    return first.pk if first else None


def _model_of(name: str) -> type[Model] | None:
    """The model of a page named app_model_page."""
    for model in apps.get_models():
        if name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_"):
            return model
    return None


def somebody(role: str) -> User:
    """A user of that role; of none, who may enter the admin and nothing else; or a superuser."""
    user = User.objects.create_user(f"the-{role}", is_staff=True, is_superuser=role == "superuser")
    if role not in ("none", "superuser"):
        user.groups.add(Group.objects.get(name=role))
    return user

"""The log: who did what, when, to whom."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from chat.mcp.models import ServerTool, ToolServer
from chat.prompts import draft_of
from context.ingest import ingest
from operators.audit import Action, record
from operators.models import AuditEntry

pytestmark = pytest.mark.django_db

LOG = "/admin/operators/auditentry/"


@pytest.fixture
def owner() -> User:
    return User.objects.create_superuser("zoe", password="right")


@pytest.fixture
def browser(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    AuditEntry.objects.all().delete()
    return client


def lines(**which: Any) -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.filter(**which).order_by("pk").values_list("who", "action", "whom"))


def post(browser: Client, path: str, **form: Any) -> None:
    assert browser.post(f"/admin/{path}", form, secure=True).status_code == 302


def test_a_line_says_who_what_and_whom(owner: User) -> None:
    record(owner, Action.EXPORTED, whom="ann@example.com", details="JSON Lines")
    entry = AuditEntry.objects.get()
    assert (entry.who, entry.action, entry.whom) == ("zoe", "exported", "ann@example.com")
    assert entry.details == "JSON Lines"


def test_a_command_has_a_name_too() -> None:
    record("manage.py forget_person", Action.FORGOT)
    assert lines() == [("manage.py forget_person", "forgot", "")]


def test_what_is_hostile_or_long_is_stored_all_the_same() -> None:
    record("x" * 999, Action.VIEWED, whom="a\x00\ud800" + "b" * 999, details="\x00")
    [(who, _, whom)] = lines()
    assert (who, whom[:4], len(whom)) == ("x" * 150, "a\ufffd\ufffdb", 300)


def test_a_page_that_fetches_itself_again_is_one_line(owner: User) -> None:
    for whom in ("ann@example.com", "ann@example.com", "bob@example.com"):
        record(owner, Action.VIEWED, whom=whom, quiet_for=timedelta(hours=1))
    assert [whom for *_, whom in lines()] == ["ann@example.com", "bob@example.com"]


def test_after_a_while_it_is_another_line(owner: User) -> None:
    for _ in range(2):
        record(owner, Action.VIEWED, quiet_for=timedelta(0))
    assert len(lines()) == 2


def test_publishing_a_prompt_is_logged(browser: Client, owner: User) -> None:
    draft = draft_of(owner.pk)
    draft.system = "Be brief."
    draft.save()
    seen = browser.get("/admin/chat/prompt/draft/", secure=True).context["seen"]
    post(browser, "chat/prompt/draft/", version=seen.version, saved_at=seen.saved_at)
    [(who, _, whom)] = lines(action=Action.PUBLISHED)
    assert (who, whom.split()[0]) == ("zoe", "Version")


def test_a_deletion_is_logged(browser: Client) -> None:
    document = ingest("Zebras sleep.", title="Zebras").document
    post(browser, f"context/document/{document.pk}/delete/", post="yes")
    assert lines() == [("zoe", "deleted", "Zebras")]


def test_deleting_many_at_once_is_a_line_for_each(browser: Client) -> None:
    keys = [str(ingest(f"Text {number}", title=f"Title {number}").document.pk) for number in range(3)]
    post(browser, "context/document/", action="delete_selected", _selected_action=keys, post="yes")
    assert sorted(lines()) == [("zoe", "deleted", f"Title {number}") for number in range(3)]


def test_switching_documents_off_is_a_line_for_each(browser: Client) -> None:
    keys = [str(ingest(f"Text {number}", title=f"Title {number}").document.pk) for number in range(2)]
    post(browser, "context/document/", action="disable", _selected_action=keys)
    assert sorted(lines()) == [("zoe", "changed", f"Title {number}") for number in range(2)]


def test_what_a_form_changes_beside_its_row_is_logged(browser: Client) -> None:
    server = ToolServer.objects.create(name="wiki", url="https://wiki.example/")
    tool = ServerTool.objects.create(server=server, remote_name="a", name="wiki__a")
    rows = {"tools-TOTAL_FORMS": 1, "tools-INITIAL_FORMS": 1, "tools-0-id": tool.pk, "tools-0-server": server.pk}
    form = {"url": server.url, "enabled": "on", "tools-0-enabled": "on", **rows}
    post(browser, f"chat/toolserver/{server.pk}/change/", **form)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.whom) == ("changed", "wiki")
    assert "wiki__a" in entry.details or "server tool" in entry.details


@pytest.mark.usefixtures("owner")
def test_logging_in_is_logged() -> None:
    for password in ("wrong", "wrong", "right"):
        Client().post("/admin/login/", {"username": "zoe", "password": password}, secure=True)
    assert lines() == [("zoe", "login failed", ""), ("zoe", "logged in", "")]


def test_the_log_is_read_and_searched(browser: Client, owner: User) -> None:
    for whom in ("ann@example.com", "bob@example.com"):
        record(owner, Action.VIEWED, whom=whom)
    page = browser.get(LOG, {"q": "ann@"}, secure=True).content.decode()
    assert "Viewed a transcript" in page
    assert "ann@example.com" in page
    assert "bob@example.com" not in page


def test_the_log_is_narrowed_to_what_was_done(browser: Client, owner: User) -> None:
    record(owner, Action.VIEWED, whom="ann@example.com")
    record(owner, Action.EXPORTED, whom="bob@example.com")
    page = browser.get(LOG, {"action": "exported"}, secure=True).content.decode()
    assert ("bob@example.com" in page, "ann@example.com" in page) == (True, False)


@pytest.mark.parametrize("page", ["add", "{}/change", "{}/delete"])
def test_nobody_writes_changes_or_deletes_a_line(page: str, browser: Client, owner: User) -> None:
    record(owner, Action.VIEWED)
    path = LOG + page.format(AuditEntry.objects.get().pk) + "/"
    assert browser.post(path, {"post": "yes", "who": "nobody"}, secure=True).status_code == 403
    assert lines() == [("zoe", "viewed", "")]

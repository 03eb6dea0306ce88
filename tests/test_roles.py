"""Viewer, operator, owner: what each may see and do, on every page of the admin."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from chat.models import Conversation
from operators.roles import NOBODY, OPERATOR, OWNER, PERMISSIONS, VIEWER
from tests.admin_pages import SECRET, pages, seed, somebody

pytestmark = pytest.mark.django_db

ROLES = ["none", VIEWER, OPERATOR, OWNER, "superuser"]
# Django's own tables, which have no page.
_ELSEWHERE = {"admin", "contenttypes", "sessions", "ccagent"}
_NO_PAGE = {"posting", "lexemecount", "languagecount", "permission"}


def browser(user: User | None) -> Client:
    client = Client()
    if user:
        client.force_login(user)
    return client


def seen(user: User | None) -> dict[str, Any]:
    """Every page as this user gets it, by its name."""
    client = browser(user)
    return {name: client.get(path, secure=True) for name, path in pages()}


def body(response: Any) -> str:
    return b"".join(response.streaming_content if response.streaming else [response.content]).decode(errors="replace")


@pytest.fixture
def _something() -> None:
    seed(User.objects.create_user("author"))


@pytest.mark.usefixtures("_something")
@pytest.mark.parametrize(
    ("role", "reads"), [("none", False), (VIEWER, False), (OPERATOR, True), (OWNER, True), ("superuser", True)]
)
def test_pages_open_and_transcripts_are_for_operators_and_owners(role: str, reads: bool) -> None:
    found = seen(somebody(role))
    assert {name: page.status_code for name, page in found.items() if page.status_code >= 500} == {}
    # Neither what was said nor by whom.
    for words in (SECRET, "ann@example.com"):
        names = {name for name, page in found.items() if words in body(page)}
        assert bool(names) is reads, names


@pytest.mark.usefixtures("_something")
def test_a_stranger_gets_no_page_but_the_door() -> None:
    let_in = {name for name, page in seen(None).items() if page.status_code not in (302, 404, 405)}
    assert let_in == {"login"}


@pytest.mark.usefixtures("_something")
@pytest.mark.parametrize(
    ("name", "lowest"),
    [
        ("context_document_changelist", VIEWER),
        ("chat_prompt_changelist", VIEWER),
        ("chat_conversation_changelist", OPERATOR),
        ("chat_message_changelist", OPERATOR),
        ("context_document_add", OPERATOR),
        ("context_document_delete", OPERATOR),
        ("chat_prompt_go_back", OWNER),
        ("chat_toolserver_changelist", OWNER),
        ("chat_conversation_delete", OWNER),
        ("auth_user_changelist", OWNER),
        ("auth_user_add", OWNER),
        ("operators_auditentry_changelist", OWNER),
        ("chat_conversation_add", "nobody"),
        ("chat_message_add", "nobody"),
        ("auth_group_add", "nobody"),
        ("operators_auditentry_add", "nobody"),
    ],
)
def test_a_page_opens_from_its_role_upwards(name: str, lowest: str) -> None:
    path = dict(pages())[name]
    opens = [role for role in ROLES if browser(somebody(role)).get(path, secure=True).status_code == 200]
    assert opens == (ROLES[ROLES.index(lowest) :] if lowest in ROLES else [])


def test_each_role_may_do_what_the_one_below_may() -> None:
    assert set(PERMISSIONS[VIEWER]) < set(PERMISSIONS[OPERATOR]) < set(PERMISSIONS[OWNER])


def name(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"


def permissions() -> set[str]:
    found = Permission.objects.exclude(content_type__app_label__in=_ELSEWHERE).select_related("content_type")
    return {name(each) for each in found if each.content_type.model not in _NO_PAGE}


def test_every_permission_is_decided_upon() -> None:
    decided = {
        *PERMISSIONS[OWNER],
        *NOBODY,
        *(f"auth.{what}_permission" for what in ("add", "change", "delete", "view")),
    }
    assert permissions() - decided == set()


def test_no_role_is_given_what_there_is_not() -> None:
    assert {*PERMISSIONS[OWNER], *NOBODY} - permissions() == set()


@pytest.mark.parametrize("role", [VIEWER, OPERATOR, OWNER])
def test_a_role_has_its_permissions_in_the_database(role: str) -> None:
    names = {
        f"{each.content_type.app_label}.{each.codename}" for each in Group.objects.get(name=role).permissions.all()
    }
    assert names == set(PERMISSIONS[role])


# An owner's limits.


@pytest.mark.usefixtures("_something")
def test_an_owner_deletes_a_conversation_with_all_that_is_in_it() -> None:
    conversation = Conversation.objects.get()
    path = f"/admin/chat/conversation/{conversation.pk}/delete/"
    browser(somebody(OWNER)).post(path, {"post": "yes"}, secure=True)
    assert not Conversation.objects.exists()


def test_an_owner_gives_a_role_and_whoever_has_it_may_log_in() -> None:
    owner, bob = browser(somebody(OWNER)), User.objects.create_user("bob")
    group = Group.objects.get(name=OPERATOR)
    owner.post(
        f"/admin/auth/user/{bob.pk}/change/", {"username": "bob", "is_active": "on", "groups": group.pk}, secure=True
    )
    bob.refresh_from_db()
    assert (bob.is_staff, list(bob.groups.all())) == (True, [group])


@pytest.mark.parametrize("page", ["change", "password", "delete"])
def test_an_owner_does_not_become_a_superuser_by_one_s_account(page: str) -> None:
    superuser = somebody("superuser")
    path = f"/admin/auth/user/{superuser.pk}/{page}/"
    form = {"username": "mine", "password1": "correct horse", "password2": "correct horse", "post": "yes"}
    assert browser(somebody(OWNER)).post(path, form, secure=True).status_code == 403


def test_an_owner_makes_no_superuser() -> None:
    bob = User.objects.create_user("bob")
    form = {"username": "bob", "is_active": "on", "is_superuser": "on", "user_permissions": "1"}
    browser(somebody(OWNER)).post(f"/admin/auth/user/{bob.pk}/change/", form, secure=True)
    bob.refresh_from_db()
    assert (bob.is_staff, bob.is_superuser, bob.user_permissions.count()) == (True, False, 0)


@pytest.mark.parametrize("role", [VIEWER, OPERATOR, OWNER])
def test_the_menu_leads_to_nothing_that_is_refused(role: str) -> None:
    client = browser(somebody(role))
    groups = client.get("/admin/password_change/", secure=True).context["sidebar_navigation"]
    links = [str(item["link"]) for group in groups for item in group["items"]]
    assert {link: status for link in links if (status := client.get(link, secure=True).status_code) != 200} == {}


def test_the_menu_is_searched() -> None:
    client = browser(somebody(VIEWER))
    for extended in ({}, {"extended": "1"}):
        page = client.get("/admin/search/", {"s": "DOCU", **extended}, secure=True).content.decode()
        assert "/admin/context/document/" in page
    assert "/admin/auth/user/" not in client.get("/admin/search/", {"s": "team"}, secure=True).content.decode()

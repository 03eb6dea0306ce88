"""The admin's pages about people's data: forgetting, the proof of it, exports."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from chat import storage
from chat.content import Text
from chat.models import Conversation
from operators.audit import Action
from operators.data import forgetting
from operators.models import AuditEntry

FORGET = "/admin/operators/forgottenperson/forget/"
EXPORT = "/admin/operators/forgottenperson/export/"
PROOFS = "/admin/operators/forgottenperson/"


class Browser:
    def __init__(self, role: str) -> None:
        user = User.objects.create_user(f"{role}@example.com", is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        self.client = Client()
        self.client.force_login(user)

    def get(self, path: str, **query: str) -> Any:
        return self.client.get(path, query, secure=True)

    def post(self, path: str, **form: Any) -> Any:
        return self.client.post(path, form, secure=True, follow=True)


@pytest.fixture
def owner(db: None) -> Browser:  # noqa: ARG001
    return Browser("owner")


@pytest.fixture
def known(email: str) -> str:
    """Somebody who asked something."""
    opened = storage.open_turn(email, [Text("Hi")], timezone.now())
    storage.close_turn(opened.answer.pk, {"text": "Well.", "status": "complete"}, [])
    return email


def page(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]*>", " ", response.content.decode()).split())


def test_the_page_says_what_will_go_and_offers_the_export(owner: Browser, known: str) -> None:
    shown = page(owner.get(FORGET, email=known.upper()))
    assert f"What is stored of {known} conversations, archived ones too 1 messages 2" in shown
    assert "Export as JSON" in shown
    assert Conversation.objects.filter(email=known).exists()


def test_what_is_confirmed_is_forgotten(owner: Browser, known: str) -> None:
    told = page(owner.post(FORGET, email=known, again=f" {known.upper()}"))
    assert f"{forgetting.masked(known)} is forgotten. This line is the proof." in told
    assert not Conversation.objects.filter(email=known).exists()
    assert AuditEntry.objects.get(action=Action.FORGOT, whom=forgetting.masked(known)).who == "owner@example.com"


def test_another_address_does_not_confirm(owner: Browser, known: str) -> None:
    told = page(owner.post(FORGET, email=known, again=f"x{known}"))
    assert "This is not the e-mail of the person" in told
    assert "What is stored of" in told
    assert Conversation.objects.filter(email=known).exists()


def test_twice_is_no_harm(owner: Browser, known: str) -> None:
    owner.post(FORGET, email=known, again=known)
    assert "Nothing is stored of this person" in page(owner.post(FORGET, email=known, again=known))
    assert len(forgetting.proofs(known)) == 1


def test_the_proof_is_found_by_the_whole_address(owner: Browser, known: str) -> None:
    owner.post(FORGET, email=known, again=known)
    assert forgetting.masked(known) in page(owner.get(PROOFS, q=known.upper()))
    assert forgetting.masked(known) not in page(owner.get(PROOFS, q=f"x{known}"))
    assert "Forgotten before" in page(owner.get(FORGET, email=known))


@pytest.mark.parametrize("given", ["", "nobody", "<script>alert(1)</script>@a.b"])
def test_a_wrong_address_is_asked_for_again(owner: Browser, given: str) -> None:
    response = owner.get(FORGET, email=given)
    assert "Who is it?" in page(response)
    assert "<script>alert" not in response.content.decode()


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_owners_may(db: None, known: str, role: str) -> None:  # noqa: ARG001
    browser = Browser(role)
    assert browser.get(FORGET, email=known).status_code == 403
    assert browser.post(FORGET, email=known, again=known).status_code == 403
    assert browser.post(EXPORT, email=known, format="json").status_code == 403
    assert browser.get(PROOFS).status_code == 403
    assert Conversation.objects.filter(email=known).exists()


def test_only_owners_are_offered_exports(owner: Browser, known: str) -> None:  # noqa: ARG001
    assert "Export as CSV" in page(owner.get("/admin/chat/conversation/"))
    assert "Export as CSV" not in page(Browser("operator").get("/admin/chat/conversation/"))


@pytest.mark.parametrize("given", [{"format": "exe"}, {"email": "x"}])
def test_what_no_form_asks_for_is_not_found(owner: Browser, known: str, given: dict[str, str]) -> None:
    assert owner.post(EXPORT, **({"email": known, "format": "json"} | given)).status_code == 404
    assert owner.get(EXPORT, email=known, format="json").status_code == 404

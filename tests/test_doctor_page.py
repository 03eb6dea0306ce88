"""The doctor in the admin."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from operators.doctor.report import Line, failure, ok, warning

PAGE = "/admin/doctor/"


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []

    async def examined() -> list[Line]:
        calls.append(1)
        return [ok("redis", "fine"), warning("model", "<slow>", "Wait."), failure("disk", "full", "Make room.")]

    monkeypatch.setattr("operators.doctor.views.examine", examined)
    return calls


def browser(role: str = "operator") -> Client:
    user = User.objects.create_user(f"ann-{role}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.django_db
def test_to_come_to_the_page_asks_nobody(calls: list[int]) -> None:
    page = browser().get(PAGE, secure=True)
    assert (page.status_code, calls) == (200, [])


@pytest.mark.django_db
def test_each_line_is_shown_with_what_to_do() -> None:
    page = browser().post(PAGE, secure=True).content.decode()
    assert "Failures: 1, warnings: 1, ok: 1" in page
    assert "&lt;slow&gt;" in page
    assert "Make room." in page


@pytest.mark.django_db
def test_who_may_only_look_at_numbers_may_not_ask(calls: list[int]) -> None:
    viewer = browser("viewer")
    assert viewer.post(PAGE, secure=True).status_code == 403
    assert PAGE not in viewer.get("/admin/", secure=True).content.decode()
    assert calls == []


@pytest.mark.django_db
def test_a_stranger_is_led_to_the_login(calls: list[int]) -> None:
    page = Client().post(PAGE, secure=True)
    assert (page.status_code, page["Location"], calls) == (302, f"/admin/login/?next={PAGE}", [])


@pytest.mark.django_db
def test_nobody_can_be_made_to_ask(calls: list[int]) -> None:
    user = User.objects.create_superuser("ann")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert (client.post(PAGE, secure=True).status_code, calls) == (403, [])

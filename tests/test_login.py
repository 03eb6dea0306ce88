"""Logging in to the admin: throttled, counted for all processes together; and what ends a session."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from operators.login import FOR_A_NAME, FOR_AN_ADDRESS, WINDOW
from operators.models import LoginAttempts

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def _quickly(settings: Settings) -> None:
    """Hashes that take no time: only their number matters here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ann() -> User:
    return User.objects.create_superuser("ann", password="right")


def log_in(password: str, name: str = "ann", address: str = "198.51.100.7", **more: Any) -> bool:
    client = Client(HTTP_X_FORWARDED_FOR=address)
    response = client.post(LOGIN, {"username": name, "password": password, **more}, secure=True)
    return response.status_code == 302


@pytest.mark.usefixtures("ann")
def test_a_login_leads_to_the_overview() -> None:
    response = Client().post(LOGIN, {"username": "ann", "password": "right"}, secure=True)
    assert response["Location"] == "/admin/"


@pytest.mark.usefixtures("ann")
def test_who_guesses_too_often_is_refused_even_with_the_right_password() -> None:
    for _ in range(FOR_A_NAME):
        assert not log_in("wrong")
    assert not log_in("right")


@pytest.mark.usefixtures("ann")
def test_the_page_says_how_long_to_wait() -> None:
    for _ in range(FOR_A_NAME):
        log_in("wrong")
    page = Client(HTTP_X_FORWARDED_FOR="198.51.100.7").post(LOGIN, {"username": "ann", "password": "x"}, secure=True)
    assert "wait a quarter of an hour" in page.content.decode()


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("name", ["ann", "ANN"])
def test_another_address_is_not_refused_for_it(name: str) -> None:
    for _ in range(FOR_A_NAME):
        log_in("wrong", name)
    assert log_in("right", address="198.51.100.8")


@pytest.mark.usefixtures("ann")
def test_an_address_that_the_caller_made_up_does_not_help() -> None:
    for number in range(FOR_A_NAME):
        log_in("wrong", address=f"203.0.113.{number}, 198.51.100.7")
    assert not log_in("right", address="198.51.100.7")


@pytest.mark.usefixtures("ann")
def test_an_address_that_guesses_at_many_names_is_refused() -> None:
    for number in range(FOR_AN_ADDRESS):
        log_in("wrong", f"name {number}")
    assert not log_in("right")


@pytest.mark.usefixtures("ann")
def test_it_is_over_after_a_while() -> None:
    for _ in range(FOR_A_NAME):
        log_in("wrong")
    LoginAttempts.objects.update(since=timezone.now() - WINDOW - timedelta(seconds=1))
    assert log_in("right")


@pytest.mark.usefixtures("ann")
def test_the_right_password_begins_the_count_anew() -> None:
    for _ in range(2):
        for _ in range(FOR_A_NAME - 1):
            log_in("wrong")
        assert log_in("right")


@pytest.mark.parametrize("name", ["\x00", "x" * 5000, "ä", ""])
def test_no_name_breaks_the_page(name: str) -> None:
    response = Client().post(LOGIN, {"username": name, "password": "x"}, secure=True)
    assert response.status_code == 200


# Sessions.


def test_a_session_lives_in_the_database(ann: User) -> None:
    client = Client()
    client.force_login(ann)
    assert Session.objects.filter(session_key=client.session.session_key).exists()


def test_a_new_password_ends_the_sessions_of_other_browsers(ann: User) -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.force_login(ann)
    new = "correct horse battery"
    form = {"old_password": "right", "new_password1": new, "new_password2": new}
    assert here.post("/admin/password_change/", form, secure=True).status_code == 302
    statuses = [client.get("/admin/password_change/", secure=True).status_code for client in (here, elsewhere)]
    assert statuses == [200, 302]

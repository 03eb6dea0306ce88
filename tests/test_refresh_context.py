"""manage.py refresh_context: pages of the web are looked at again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from context.models import Document, Source
from context.search import search
from tests.commands import Ran, run
from tests.hostile_site import Site, page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def zoo(open_site: Site) -> Site:
    """Two pages that were taken in, one with an ETag; and a file."""
    open_site.answers["/zebra"] = page(b"<p>Zebras sleep standing up.</p>", etag='"1"')
    open_site.answers["/lion"] = page(b"<p>Lions sleep lying down.</p>", last_modified="yesterday")
    run("seed_context", open_site.url("/zebra"), open_site.url("/lion"), "tests/documents/sauna.txt")
    open_site.heads.clear()
    return open_site


def refreshed(*options: object) -> Ran:
    return run("refresh_context", "--pace", 0, *options)


def checked(site: Site, days: int, path: str) -> None:
    Source.objects.filter(address=site.url(path)).update(checked_at=timezone.now() - timedelta(days=days))


def test_what_has_not_changed_is_asked_for_by_its_tag_or_date(zoo: Site) -> None:
    for path in ("/zebra", "/lion"):
        zoo.answers[path] = page(status="304 Not Modified")
    assert refreshed() == Ran(0, "0 changed, 2 unchanged, 0 failed, 0 gone.\n", "")
    heads = "".join(zoo.heads).lower()
    assert 'if-none-match: "1"' in heads
    assert "if-modified-since: yesterday" in heads


def test_the_same_content_again_is_unchanged(zoo: Site) -> None:
    assert zoo
    assert refreshed().out == "0 changed, 2 unchanged, 0 failed, 0 gone.\n"


def test_new_content_replaces_the_old(zoo: Site) -> None:
    before = Document.objects.get(source=zoo.url("/zebra")).pk
    zoo.answers["/zebra"] = page(b"<p>Zebras sleep in herds.</p>", etag='"2"')
    assert refreshed().out == "1 changed, 1 unchanged, 0 failed, 0 gone.\n"
    assert (search("zebras")[0].document, search("zebras")[0].text) == (before, "Zebras sleep in herds.")
    assert Source.objects.get(address=zoo.url("/zebra")).etag == '"2"'


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_a_page_that_is_gone_is_told_and_kept(zoo: Site, status: str) -> None:
    zoo.answers["/zebra"] = page(status=status)
    ran = refreshed()
    assert (ran.code, ran.out) == (1, "0 changed, 1 unchanged, 0 failed, 1 gone.\n")
    assert ran.err == f"{zoo.url('/zebra')}: The site answered {status}: check the address.\n"
    assert search("zebras")


def test_a_page_that_is_gone_is_removed_when_asked(zoo: Site) -> None:
    zoo.answers["/zebra"] = page(status="410 Gone")
    ran = refreshed("--remove-gone")
    assert (ran.code, ran.out) == (0, "0 changed, 1 unchanged, 0 failed, 1 removed.\n")
    assert not search("zebras")


@pytest.mark.parametrize(
    "answer", [page(status="500 Internal Server Error"), page(b"\x89PNG", content_type="image/png")]
)
def test_a_page_that_fails_keeps_its_text(zoo: Site, answer: object) -> None:
    zoo.answers["/zebra"] = answer  # type: ignore[assignment]
    ran = refreshed("--remove-gone")
    assert (ran.code, ran.out) == (1, "0 changed, 1 unchanged, 1 failed, 0 removed.\n")
    assert search("zebras")


def test_only_what_was_not_looked_at_for_long_is_asked_for(zoo: Site) -> None:
    checked(zoo, 8, "/zebra")
    checked(zoo, 6, "/lion")
    assert refreshed("--older-than", "7d").out.startswith("0 changed, 1 unchanged")
    assert zoo.paths == ["/zebra"]
    assert refreshed("--older-than", "1w").out.startswith("0 changed, 0 unchanged")


def test_what_was_found_unchanged_has_been_looked_at(zoo: Site) -> None:
    checked(zoo, 8, "/zebra")
    zoo.answers["/zebra"] = page(status="304 Not Modified")
    refreshed("--older-than", "7d")
    refreshed("--older-than", "7d")
    assert zoo.paths == ["/zebra"]


def test_a_prefix_chooses(zoo: Site) -> None:
    refreshed(zoo.url("/l"))
    assert zoo.paths == ["/lion"]


@pytest.mark.parametrize("age", ["7", "d", "-1d", "1y", "1.5d", "99999999999d", "٣d"])
def test_an_age_that_is_none_is_refused(age: str) -> None:
    assert "must look like 30m, 12h, 7d or 2w." in refreshed(f"--older-than={age}").err


def test_an_age_before_all_time_finds_nothing(zoo: Site) -> None:
    assert zoo
    assert refreshed("--older-than", "99999w").out.startswith("0 changed, 0 unchanged")


def test_pages_of_a_sitemap_are_under_its_sites_robots_txt(zoo: Site) -> None:
    zoo.answers["/robots.txt"] = page(b"User-agent: *\nDisallow: /\n", content_type="text/plain")
    Source.objects.filter(address=zoo.url("/zebra")).update(found_in=zoo.url("/sitemap.xml"))
    assert refreshed().err.endswith("/zebra: The site's robots.txt does not want this page to be read by programs.\n")
    assert sorted(zoo.paths) == ["/lion", "/robots.txt"]

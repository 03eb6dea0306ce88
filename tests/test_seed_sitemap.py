"""manage.py seed_context --sitemap: the pages that a site names, at its own pace."""

import gzip
import threading

import pytest
from django.conf import settings

from context.models import Source
from context.sitemaps import Manners
from tests.commands import Ran, run
from tests.hostile_site import Site, page

pytestmark = pytest.mark.django_db(transaction=True)

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def sitemap(*urls: str, kind: str = "url", root: str = "urlset") -> bytes:
    entries = "".join(f"<{kind}><loc> {url}\n</loc></{kind}>" for url in urls)
    return f'<?xml version="1.0"?><{root} xmlns="{NAMESPACE}">{entries}</{root}>'.encode()


def index(*urls: str) -> bytes:
    return sitemap(*urls, kind="sitemap", root="sitemapindex")


@pytest.fixture
def zoo(open_site: Site) -> Site:
    """A site with three pages and a sitemap of two of them."""
    for animal in ("zebra", "lion", "gnu"):
        open_site.answers[f"/{animal}"] = page(f"<p>This is about the {animal}.</p>".encode())
    names(open_site, "/zebra", "/lion")
    return open_site


def names(site: Site, *paths: str) -> None:
    """The sitemap from now on."""
    site.answers["/sitemap.xml"] = page(sitemap(*map(site.url, paths)), content_type="application/xml")


def seeded(site: Site, *options: object, path: str = "/sitemap.xml") -> Ran:
    return run("seed_context", "--sitemap", site.url(path), "--pace", 0, *options)


def paths(site: Site) -> list[str]:
    """Where the sources are on the site."""
    return [address.removeprefix(site.url("")) for address in Source.objects.values_list("address", flat=True)]


def test_the_pages_of_a_sitemap_are_taken_in(zoo: Site) -> None:
    assert seeded(zoo) == Ran(0, "2 added, 0 changed, 0 unchanged, 0 failed, 0 others skipped.\n", "")
    assert paths(zoo) == ["/lion", "/zebra"]


def test_a_second_time_changes_nothing(zoo: Site) -> None:
    seeded(zoo)
    assert seeded(zoo).out.startswith("0 added, 0 changed, 2 unchanged")


def test_an_index_leads_to_its_sitemaps(zoo: Site) -> None:
    zoo.answers["/more.xml"] = page(sitemap(zoo.url("/gnu")), content_type="text/xml")
    zoo.answers["/index.xml"] = page(index(zoo.url("/sitemap.xml"), zoo.url("/more.xml")), content_type="text/xml")
    seeded(zoo, path="/index.xml")
    assert paths(zoo) == ["/gnu", "/lion", "/zebra"]


def test_a_sitemap_that_an_index_lost_is_told_and_nothing_is_pruned(zoo: Site) -> None:
    zoo.answers["/index.xml"] = page(index(zoo.url("/sitemap.xml"), zoo.url("/lost.xml")), content_type="text/xml")
    seeded(zoo, path="/index.xml")
    names(zoo, "/lion")
    ran = seeded(zoo, "--prune", path="/index.xml")
    assert (ran.code, ran.err) == (1, f"{zoo.url('/lost.xml')}: The site answered 404 Not Found: check the address.\n")
    assert paths(zoo) == ["/lion", "/zebra"]


@pytest.mark.parametrize("content_type", ["application/gzip", "application/x-gzip", "application/octet-stream", ""])
def test_a_sitemap_may_be_packed(zoo: Site, content_type: str) -> None:
    packed = gzip.compress(sitemap(zoo.url("/gnu")))
    zoo.answers["/sitemap.xml.gz"] = page(packed, content_type=content_type)
    seeded(zoo, path="/sitemap.xml.gz")
    assert paths(zoo) == ["/gnu"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>No</body></html>",
        b"\x1f\x8bbroken",
        b"\x1f\x8b",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        sitemap("http://other.example/zebra", "ftp://a", "", "javascript:x"),
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_sitemap_of_the_site_brings_nothing(zoo: Site, body: bytes) -> None:
    zoo.answers["/sitemap.xml"] = page(body, content_type="application/xml")
    assert seeded(zoo).code in (0, 1)
    assert paths(zoo) == []


def test_a_bomb_is_refused(zoo: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update={"context_max_bytes": 100_000}))
    zoo.answers["/sitemap.xml"] = page(gzip.compress(b" " * 1_000_000), content_type="application/gzip")
    assert seeded(zoo).err.endswith(": The sitemap is larger than CONTEXT_MAX_BYTES.\n")


def test_entities_bring_nothing_in(zoo: Site) -> None:
    entity = f'<!DOCTYPE urlset [<!ENTITY zebra "{zoo.url("/zebra")}"><!ENTITY file SYSTEM "file:///etc/passwd">]>'
    body = f"{entity}<urlset><url><loc>&zebra;</loc></url><url><loc>{zoo.url('/')}&file;</loc></url></urlset>"
    zoo.answers["/sitemap.xml"] = page(body.encode(), content_type="application/xml")
    seeded(zoo)
    assert paths(zoo) == []


def test_pages_of_other_sites_are_skipped_and_counted(zoo: Site) -> None:
    body = sitemap(zoo.url("/zebra"), "http://other.example/zebra")
    zoo.answers["/sitemap.xml"] = page(body, content_type="application/xml")
    assert seeded(zoo).out == "1 added, 0 changed, 0 unchanged, 0 failed, 1 others skipped.\n"


# Manners.


def test_robots_txt_is_heeded(zoo: Site) -> None:
    rules = b"User-agent: *\nDisallow: /\n\nUser-agent: CC-Agent\nDisallow: /l*n$\n"
    zoo.answers["/robots.txt"] = page(rules, content_type="text/plain")
    assert seeded(zoo).out == "1 added, 0 changed, 0 unchanged, 0 failed, 1 others skipped.\n"
    assert "/lion" not in zoo.paths


def test_without_a_readable_robots_txt_nothing_is_read(zoo: Site) -> None:
    zoo.answers["/robots.txt"] = page(status="503 Service Unavailable")
    ran = seeded(zoo)
    assert ran.code == 1
    assert ": The site's robots.txt cannot be read, so its pages are not. " in ran.err
    assert zoo.paths == ["/sitemap.xml", "/robots.txt"]


def test_a_single_page_is_read_whatever_robots_txt_says(zoo: Site) -> None:
    zoo.answers["/robots.txt"] = page(b"User-agent: *\nDisallow: /\n", content_type="text/plain")
    assert run("seed_context", zoo.url("/zebra")).code == 0
    assert zoo.paths == ["/zebra"]


class Pauses(threading.Event):
    """Notes the pauses and makes none."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[int] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(round(timeout or 0))
        return False


def test_a_site_is_called_at_its_pace(zoo: Site) -> None:
    zoo.answers["/robots.txt"] = page(b"User-agent: *\nCrawl-delay: 7\n", content_type="text/plain")
    pauses = Pauses()
    manners = Manners(2.0, pauses)
    for _ in range(2):
        manners.wait(zoo.url("/"))
    assert manners.allows(zoo.url("/lion"))
    for _ in range(2):
        manners.wait(zoo.url("/"))
    assert pauses.seconds == [0, 2, 4, 11]


@pytest.mark.parametrize("pace", ["-1", "nan", "x", "1e9"])
def test_a_pace_that_is_none_is_refused(zoo: Site, pace: str) -> None:
    assert "must be a number of seconds" in run("seed_context", zoo.url("/"), f"--pace={pace}").err


# How many, and which.


def test_a_large_sitemap_is_taken_in_parts(zoo: Site) -> None:
    names(zoo, "/zebra", "/lion", "/gnu")
    said = [seeded(zoo, "--max-pages", 2).out for _ in range(2)]
    assert said[0] == "2 added, 0 changed, 0 unchanged, 0 failed, 0 others skipped, 1 pages left for another run.\n"
    assert said[1] == "1 added, 0 changed, 1 unchanged, 0 failed, 0 others skipped, 1 pages left for another run.\n"


def test_pruning_removes_what_the_sitemap_brought_and_no_longer_names(zoo: Site) -> None:
    run("seed_context", zoo.url("/gnu"), zoo.url("/lion"))
    seeded(zoo)
    names(zoo, "/gnu")
    assert "1 removed" in seeded(zoo, "--prune").out
    assert paths(zoo) == ["/gnu", "/lion"]


def test_what_robots_txt_forbids_later_is_not_pruned(zoo: Site) -> None:
    seeded(zoo)
    zoo.answers["/robots.txt"] = page(b"User-agent: *\nDisallow: /\n", content_type="text/plain")
    assert "0 removed" in seeded(zoo, "--prune").out
    assert paths(zoo) == ["/lion", "/zebra"]


def test_a_page_that_fails_is_not_pruned(zoo: Site) -> None:
    seeded(zoo)
    del zoo.answers["/lion"]
    ran = seeded(zoo, "--prune")
    assert (ran.code, paths(zoo)) == (1, ["/lion", "/zebra"])

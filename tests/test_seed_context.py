"""manage.py seed_context: files, folders, pages and standard input become documents."""

import io
import os
import signal
import sys
from pathlib import Path

import pytest
from django.conf import settings

from context.inputs import Content
from context.models import Document, Source
from context.places import Plan
from context.search import search
from context.seeding import seed
from tests.commands import Ran, run
from tests.hostile_site import Site, page

pytestmark = pytest.mark.django_db(transaction=True)

ZEBRAS = "Zebras sleep standing up."
LIONS = "Lions sleep lying down."
ZEBRA_PAGE = f"<html><head><title>Zebra facts</title></head><body><p>{ZEBRAS}</p></body></html>".encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files, one of them in a folder of its own."""
    folder = tmp_path / "animals"
    (folder / "africa").mkdir(parents=True)
    (folder / "zebras.md").write_text(ZEBRAS)
    (folder / "africa" / "lions.txt").write_text(LIONS)
    return folder


def seeded(folder: Path, *options: object) -> Ran:
    return run("seed_context", folder, "--base", folder.parent, *options)


def sources() -> list[str]:
    return list(Source.objects.values_list("address", flat=True))


# Files and folders.


def test_a_folder_is_taken_in_with_all_below_it(folder: Path) -> None:
    assert seeded(folder) == Ran(0, "2 added, 0 changed, 0 unchanged, 0 failed, 0 others skipped.\n", "")
    assert sources() == ["animals/africa/lions.txt", "animals/zebras.md"]
    assert search("How do zebras sleep?")[0].source == "animals/zebras.md"


def test_a_second_time_changes_nothing(folder: Path) -> None:
    seeded(folder)
    before = list(Source.objects.values()) + list(Document.objects.values())
    assert seeded(folder).out.startswith("0 added, 0 changed, 2 unchanged")
    assert list(Source.objects.values()) + list(Document.objects.values()) == before


def test_a_file_that_changed_keeps_its_document(folder: Path) -> None:
    seeded(folder)
    before = Document.objects.get(source="animals/zebras.md").pk
    (folder / "zebras.md").write_text("Zebras sleep in herds.")
    assert seeded(folder).out.startswith("0 added, 1 changed, 1 unchanged")
    assert search("zebras")[0].text == "Zebras sleep in herds."
    assert search("zebras")[0].document == before


def test_a_file_has_the_same_name_however_it_is_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded(folder)
    monkeypatch.chdir(folder / "africa")
    for target in ("lions.txt", "../zebras.md", "..", folder / "africa"):
        assert run("seed_context", target, "--base", folder.parent).out.startswith("0 added, 0 changed")


def test_a_file_outside_of_the_base_has_its_whole_path(folder: Path) -> None:
    run("seed_context", folder / "zebras.md")
    assert sources() == [str(folder / "zebras.md")]


def test_names_in_the_project_are_short() -> None:
    run("seed_context", "tests/documents/dacha.txt", Path("tests/documents/sauna.txt").absolute())
    assert sources() == ["tests/documents/dacha.txt", "tests/documents/sauna.txt"]


def test_the_same_content_twice_is_one_document_with_two_sources(folder: Path) -> None:
    (folder / "copy.md").write_text(ZEBRAS)
    assert seeded(folder).out.startswith("2 added, 0 changed, 1 unchanged")
    assert len(sources()) == 3


def test_the_same_file_given_twice_is_read_once(folder: Path) -> None:
    ran = run("seed_context", folder, folder / "zebras.md", folder)
    assert ran.out.startswith("2 added, 0 changed, 0 unchanged")


@pytest.mark.parametrize(
    "name", ["photo.jpg", "tool.exe", ".hidden.md", ".git/a.md", "node_modules/a.md", ".venv/a.py"]
)
def test_what_is_no_text_or_hidden_is_skipped_and_counted(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("Hidden words.")
    assert seeded(folder).out == "2 added, 0 changed, 0 unchanged, 0 failed, 1 others skipped.\n"


@pytest.mark.parametrize(("name", "content"), [("__init__.py", b""), ("blank.md", b" \n"), ("program", b"\x7fELF\0\1")])
def test_what_holds_no_text_is_skipped_in_a_folder(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert seeded(folder).out == "2 added, 0 changed, 0 unchanged, 0 failed, 1 others skipped.\n"


def test_a_file_that_has_become_empty_is_told(folder: Path) -> None:
    seeded(folder)
    (folder / "zebras.md").write_text("")
    assert seeded(folder).err == "animals/zebras.md: This holds no text.\n"
    assert search("zebras")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.md", ["animals/zebras.md"]),
        ("africa/*", ["animals/africa/lions.txt"]),
        ("**/*.txt", ["animals/africa/lions.txt"]),
        ("**/*.md", ["animals/zebras.md"]),
        ("*.org", ["animals/notes.org"]),
    ],
)
def test_a_pattern_chooses_files(folder: Path, pattern: str, found: list[str]) -> None:
    (folder / "notes.org").write_text("Gnus run.")
    seeded(folder, "--glob", pattern)
    assert sources() == found


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    ran = run("seed_context", tmp_path)
    assert (ran.code, ran.err) == (1, f"{tmp_path}: There is nothing to read in this folder.\n")


# Links and other strange things.


def test_a_link_counts_as_the_file_that_it_leads_to(folder: Path) -> None:
    (folder / "link.md").symlink_to("zebras.md")
    assert seeded(folder).out.startswith("2 added, 0 changed, 1 unchanged")
    assert "animals/link.md" in sources()


@pytest.mark.parametrize("target", ["../secret.md", "africa", "link.md", "nowhere.md", "/etc"])
def test_a_link_to_the_outside_or_a_folder_is_not_followed(folder: Path, target: str) -> None:
    (folder.parent / "secret.md").write_text("A secret.")
    (folder / "link.md").symlink_to(target)
    assert seeded(folder).out == "2 added, 0 changed, 0 unchanged, 0 failed, 1 others skipped.\n"


def test_a_pipe_is_never_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe.md")
    assert "2 added, 0 changed, 0 unchanged, 0 failed, 1 others" in seeded(folder).out
    assert run("seed_context", folder / "pipe.md").err.endswith(": This is neither a file nor a folder.\n")


def test_a_name_that_is_no_text_is_kept_apart(folder: Path) -> None:
    for name in (b"\xe9.md", b"\xe8.md"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(name + b" is a name.")
    seeded(folder)
    assert {"animals/\\xe8.md", "animals/\\xe9.md"} < set(sources())
    assert seeded(folder, "--prune").out.startswith("0 added, 0 changed, 4 unchanged, 0 failed, 0 removed")


def test_a_name_cannot_write_to_the_terminal(folder: Path) -> None:
    (folder / "\x1b[31mred\n.pdf").write_bytes(b"%PDF-")
    assert seeded(folder).err.startswith("animals/\\x1b[31mred\\n.pdf: ")


def test_a_file_may_be_too_large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update={"context_max_bytes": len(LIONS)}))
    assert seeded(folder).err == "animals/zebras.md: It is larger than the limit of 2.3e-05 MB (CONTEXT_MAX_BYTES).\n"


def test_a_file_may_go_meanwhile(folder: Path) -> None:
    plan = Plan()
    plan.add_path(folder, folder.parent)
    (folder / "zebras.md").unlink()
    assert {done.outcome: done.reason for done in seed(plan.items)} == {"added": "", "failed": "There is no such file."}


def test_what_nobody_lets_us_read_is_told(folder: Path) -> None:
    (folder / "zebras.md").chmod(0)
    (folder / "africa").chmod(0)
    if os.access(folder / "zebras.md", os.R_OK):
        pytest.skip("root may read everything")
    lines = seeded(folder).err.splitlines()
    (folder / "africa").chmod(0o700)
    assert [line.partition(": ")[2][:19] for line in lines] == ["The permissions of "] * 2


# What goes wrong.


def test_a_failure_is_a_line_and_the_others_are_taken_in(folder: Path) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    ran = seeded(folder)
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("animals/broken.pdf: ")
    assert ran.out == "2 added, 0 changed, 0 unchanged, 1 failed, 0 others skipped.\n"


def test_a_path_that_leads_nowhere_is_told() -> None:
    ran = run("seed_context", "example.com/page")
    assert (ran.code, ran.err) == (
        1,
        "example.com/page: There is no such file or folder; a web address begins with https://.\n",
    )


def test_what_is_interrupted_goes_on_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (folder / f"{number}.md").write_text(f"Zebra number {number}.")
    add, interrupted = Content.add, list[bool]()

    def add_and_interrupt(self: Content, **options: str) -> object:
        # Once: a second Ctrl-C means at once.
        if not interrupted:
            interrupted.append(True)
            os.kill(os.getpid(), signal.SIGINT)
        return add(self, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Content, "add", add_and_interrupt)
        ran = seeded(folder)
    stored = Document.objects.count()
    assert ran.code == 130
    assert ran.out == f"Interrupted: {stored} added, 0 changed, 0 unchanged, 0 failed, 0 others skipped.\n"
    assert 0 < stored < 32
    assert seeded(folder).out.startswith(f"{32 - stored} added, 0 changed, {stored} unchanged")


# Titles, standard input, dry runs.


def test_a_title_may_be_given(folder: Path) -> None:
    run("seed_context", folder / "zebras.md", "--title", " All about zebras ")
    assert Document.objects.get().title == "All about zebras"


def test_a_title_may_be_given_later(folder: Path) -> None:
    run("seed_context", folder / "zebras.md")
    assert run("seed_context", folder / "zebras.md", "--title", "New").out.startswith("0 added, 1 changed")
    assert run("seed_context", folder / "zebras.md", "--title", "New").out.startswith("0 added, 0 changed, 1 unch")
    assert Document.objects.get().title == "New"


@pytest.mark.parametrize("targets", [["{}"], ["{}/zebras.md", "-"], ["--sitemap", "https://a.example/"]])
def test_a_title_does_not_fit_several(folder: Path, targets: list[str]) -> None:
    ran = run("seed_context", *(target.format(folder) for target in targets), "--title", "New")
    assert (ran.code, ran.err) == (1, "--title is for one file, one page or standard input.")


def test_a_table_without_a_title_is_called_by_its_files_name(folder: Path) -> None:
    (folder / "stock.csv").write_text("a,b\n1,2\n")
    run("seed_context", folder / "stock.csv")
    assert Document.objects.get().title == "stock.csv"


def test_standard_input_is_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ZEBRAS.encode())))
    assert run("seed_context", "-", "--title", "Zebra facts").out.startswith("1 added")
    document = Document.objects.get()
    assert (document.title, document.text, document.posted) == ("Zebra facts", ZEBRAS, True)


def test_a_dry_run_touches_nothing_and_says_what_would_happen(folder: Path) -> None:
    seeded(folder)
    (folder / "zebras.md").write_text("Zebras sleep in herds.")
    (folder / "gnus.md").write_text("Gnus run.")
    (folder / "again.md").write_text("Gnus run.")
    (folder / "africa" / "lions.txt").unlink()
    before = list(Source.objects.values()) + list(Document.objects.values())
    lines = seeded(folder, "--dry-run", "--prune").out.splitlines()
    assert list(Source.objects.values()) + list(Document.objects.values()) == before
    assert "changed animals/zebras.md" in lines
    assert "removed animals/africa/lions.txt" in lines
    totals = "1 added, 1 changed, 1 unchanged, 0 failed, 1 removed, 0 others skipped."
    assert lines[-1] == f"Dry run, nothing was touched: {totals}"


# What is no longer there.


def test_a_file_that_is_gone_is_kept_unless_asked(folder: Path) -> None:
    seeded(folder)
    (folder / "zebras.md").unlink()
    assert seeded(folder).code == 0
    assert search("zebras")
    assert "1 removed" in seeded(folder, "--prune").out
    assert not search("zebras")


def test_pruning_a_folder_touches_nothing_else(folder: Path, open_site: Site) -> None:
    open_site.answers["/"] = page(b"<p>Giraffes sleep little.</p>")
    outside = folder.parent / "animals-too.md"
    outside.write_text("Gnus run.")
    run("seed_context", folder, outside, "--base", folder.parent)
    run("seed_context", open_site.url("/"))
    outside.unlink()
    (folder / "zebras.md").unlink()
    assert "1 removed" in seeded(folder, "--prune").out
    assert len(sources()) == 3


def test_pruning_the_base_itself_keeps_pages(folder: Path, open_site: Site) -> None:
    open_site.answers["/"] = page(b"<p>Giraffes sleep little.</p>")
    run("seed_context", open_site.url("/"))
    run("seed_context", folder, "--base", folder)
    (folder / "zebras.md").unlink()
    assert "1 removed" in run("seed_context", folder, "--base", folder, "--prune").out
    assert len(sources()) == 2


@pytest.mark.parametrize("how", ["other pattern", "failing"])
def test_what_is_still_there_is_never_pruned(folder: Path, how: str) -> None:
    seeded(folder)
    if how == "failing":
        (folder / "zebras.md").write_bytes(b"\x89PNG")
    options = ["--glob", "*.txt"] if how == "other pattern" else []
    assert "0 removed" in seeded(folder, "--prune", *options).out
    assert len(sources()) == 2


def test_nothing_is_pruned_from_a_folder_that_is_suddenly_empty(folder: Path) -> None:
    seeded(folder)
    for file in (folder / "zebras.md", folder / "africa" / "lions.txt"):
        file.unlink()
    ran = seeded(folder, "--prune")
    assert (ran.code, len(sources())) == (1, 2)


# Pages.


def test_a_page_is_taken_in_and_asked_for_again_by_its_tag(open_site: Site) -> None:
    url = open_site.url("/zebras")
    open_site.answers["/zebras"] = page(ZEBRA_PAGE, etag='"1"')
    assert run("seed_context", url).out.startswith("1 added")
    assert (search("zebras")[0].title, search("zebras")[0].source) == ("Zebra facts", url)
    open_site.answers["/zebras"] = page(status="304 Not Modified")
    assert run("seed_context", url).out.startswith("0 added, 0 changed, 1 unchanged")
    assert open_site.field("if-none-match") == '"1"'


def test_a_page_that_is_missing_is_told(open_site: Site) -> None:
    ran = run("seed_context", open_site.url("/nothing"))
    assert ran.code == 1
    assert ran.err.endswith("/nothing: The site answered 404 Not Found: check the address.\n")


@pytest.mark.parametrize("url", ["ftp://example.com/a", "https://user:pw@example.com/", "http://"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    ran = run("seed_context", url)
    assert ran.code == 1
    assert ran.err.startswith(f"{url}: The address ")

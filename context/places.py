"""Where things to read are: files, folders, pages, sitemaps; and which that were read there are there no longer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

from django.utils import timezone

from context.fetch import FetchRefused
from context.folders import Listing, files_below
from context.inputs import Content, file_address, from_file, from_web, is_file_address, printable, web_address
from context.models import Source
from context.seeding import Item, Seeded, known_sources
from context.sitemaps import Manners, read_sitemap


@dataclass
class Plan:
    """What to read; ``gone`` are functions that find the addresses of what is no longer there.

    ``left`` counts pages that are for another time, ``skipped`` what is not for us.
    """

    items: list[Item] = field(default_factory=list)
    gone: list[Callable[[], list[str]]] = field(default_factory=list)
    problems: list[Seeded] = field(default_factory=list)
    skipped: int = 0
    left: int = 0

    def fail(self, address: str, reason: str) -> None:
        self.problems.append(Seeded(address, "failed", reason))

    def add_path(self, path: Path, base: Path, patterns: Sequence[str] = ()) -> None:
        """A folder with all that is in it, or a file."""
        if is_folder(path):
            self._add_folder(path, base, patterns)
        elif _is_there(path):
            self.items.append(_file(path, base))
        else:
            self.fail(printable(path), "There is no such file or folder; a web address begins with https://.")

    def _add_folder(self, folder: Path, base: Path, patterns: Sequence[str]) -> None:
        listing = files_below(folder, patterns)
        for closed in listing.closed:
            self.fail(printable(closed), "The permissions of the folder do not let it be read.")
        if not listing.files:
            # Maybe a disk that is not there at the moment: what it held is not for pruning.
            self.fail(printable(folder), "There is nothing to read in this folder.")
            return
        self.items += [_file(path, base, in_folder=True) for path in listing.files]
        self.skipped += listing.skipped
        self.gone.append(partial(_gone_below, folder, base, listing))

    def add_page(self, url: str) -> None:
        """Raises `FetchRefused` for what is no address."""
        address = web_address(url)
        self.items.append(Item(address, partial(_page, address)))

    def add_sitemap(self, url: str, manners: Manners, most: int) -> None:
        """Pages that are not known come first, then those that were not looked at for the longest time.

        Raises `FetchRefused`.
        """
        address = web_address(url)
        sitemap = read_sitemap(address, manners)
        for part, reason in sitemap.problems:
            self.fail(part, reason)
        allowed = [page for page in sitemap.pages if manners.allows(page)]
        known = known_sources(allowed)
        first = [page for page in allowed if page not in known]
        pages = first + sorted(known, key=lambda page: known[page].checked_at)
        self.items += [Item(page, partial(_polite_page, page, manners), address) for page in pages[:most]]
        self.left += max(0, len(pages) - most)
        self.skipped += sitemap.skipped + len(sitemap.pages) - len(allowed)
        if not sitemap.problems:
            self.gone.append(partial(_gone_from, address, set(sitemap.pages)))


def pages_to_refresh(manners: Manners, older_than: timedelta | None = None, below: str = "") -> list[Item]:
    """The pages whose addresses begin with ``below``, longest not looked at first."""
    sources = Source.objects.filter(address__startswith=below, address__regex="^https?://").order_by("checked_at")
    if older_than is not None:
        sources = sources.filter(checked_at__lt=timezone.now() - older_than)
    return [page_again(source.address, source.found_in, manners) for source in sources]


def page_again(address: str, found_in: str, manners: Manners) -> Item:
    """A page that was read before; robots.txt is for those that nobody asked for by themselves."""
    read = _polite_page if found_in else _paced_page
    return Item(address, partial(read, address, manners), found_in)


def _file(path: Path, base: Path, in_folder: bool = False) -> Item:
    address = file_address(path, base)

    def read(_: Source | None) -> Content:
        return from_file(path, address)

    return Item(address, read, in_folder=in_folder)


def _page(url: str, known: Source | None) -> Content | None:
    return from_web(url, etag=known.etag, last_modified=known.last_modified) if known else from_web(url)


def _paced_page(url: str, manners: Manners, known: Source | None) -> Content | None:
    manners.wait(url)
    return _page(url, known)


def _polite_page(url: str, manners: Manners, known: Source | None) -> Content | None:
    if not manners.allows(url):
        raise FetchRefused("The site's robots.txt does not want this page to be read by programs.")
    return _paced_page(url, manners, known)


def _gone_below(folder: Path, base: Path, listing: Listing) -> list[str]:
    """The sources below a folder whose files are no longer there, of whatever kind they are."""
    address = file_address(folder, base)
    prefix = "" if address == "." else f"{address.rstrip('/')}/"
    # Its name alone does not lead back to a file whose name is no text.
    there = {file_address(path, base) for path in (*listing.files, *listing.others)}
    addresses = Source.objects.filter(address__startswith=prefix).values_list("address", flat=True)
    return [
        address
        for address in addresses
        if is_file_address(address)
        and address.startswith("/") == prefix.startswith("/")
        and address not in there
        and not _is_there(base / address)
    ]


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_there(path: Path) -> bool:
    """Also where nobody may look."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _gone_from(sitemap: str, pages: set[str]) -> list[str]:
    addresses = Source.objects.filter(found_in=sitemap).values_list("address", flat=True)
    return [address for address in addresses if address not in pages]

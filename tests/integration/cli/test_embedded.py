"""The embedded servers: real ones, private, gone when their owner is gone, and back with the same data."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from cli import homes, processes
from cli.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServers
from cli.processes import ProcessError, descendants, kill_group
from cli.supervisor import ROOT

pytestmark = pytest.mark.timeout(300)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
OWNER = textwrap.dedent(
    """
    import importlib.metadata, os, sys, time
    from pathlib import Path
    from cli.embedded import EmbeddedServers
    if len(sys.argv) > 2:  # after the imports: the interpreter itself may lie in a folder of root's
        importlib.metadata.version("redis"), "x".encode("idna")
        os.setgroups([]), os.setgid(int(sys.argv[3])), os.setuid(int(sys.argv[2]))
    servers = EmbeddedServers(Path(sys.argv[1]), fsync=False)
    servers.start()
    print(servers.postgres.url(), servers.redis.url, servers.postgres.process.pid, servers.redis.process.pid, flush=True)
    time.sleep(600)
    """
)


@pytest.fixture
def folder(server_folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    path = server_folder / request.node.name.replace("[", "_").rstrip("]")[:40]
    path.mkdir()
    yield path
    EmbeddedServers(path).destroy()


@pytest.fixture
def owner(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process of its own that owns both servers, and what it says of them."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", OWNER, str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        assert len(said) == 4, "the owner could not start its servers"
        yield process, said
        process.kill()


def connect(url: str) -> psycopg2.extensions.connection:
    return psycopg2.connect(url.replace("postgresql+psycopg2://", "postgresql://"))


def answers(url: str) -> bool:
    try:
        connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_password_is_needed(postgres: EmbeddedPostgres, redis_server: EmbeddedRedis) -> None:
    right = postgres.url("postgres")
    assert answers(right)
    password = right.split(":")[2].split("@")[0]
    assert not answers(right.replace(password, "wrong"))
    stranger = redis.Redis.from_url(redis_server.url.replace("redis://:", "redis://:wrong"))
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_postgres_is_the_version_we_need_and_listens_on_no_port(postgres: EmbeddedPostgres) -> None:
    assert postgres.psql("SHOW server_version_num").stdout.startswith("18")
    assert postgres.psql("SHOW listen_addresses").stdout.strip() == ""
    assert postgres.psql("SHOW synchronous_commit").stdout.strip() == "on"


def test_redis_refuses_rather_than_forgets_and_writes_no_file(redis_server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        wanted = {"maxmemory-policy": "noeviction", "save": "", "appendonly": "no", "maxmemory": str(64 * 2**20)}
        assert {name: client.config_get(name)[name] for name in wanted} == wanted


def test_a_second_start_finds_the_data(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres", fsync=False) as first:
        assert first.psql("CREATE TABLE kept AS SELECT 42 AS x", "scanmill").returncode == 0
    with EmbeddedPostgres(folder / "postgres", fsync=False) as second:
        assert second.psql("SELECT x FROM kept", "scanmill").stdout.strip() == "42"


def test_a_killed_server_starts_again_at_the_same_address(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres", fsync=False) as server:
        url = server.url()
        held = connect(url)  # a backend that outlives the postmaster for a moment
        server.psql("CREATE TABLE kept AS SELECT 7 AS x", "scanmill")
        server.kill()
        assert not answers(url)
        server.start()
        assert server.url() == url and server.psql("SELECT x FROM kept", "scanmill").stdout.strip() == "7"
        held.close()


def test_a_killed_redis_starts_again_at_the_same_address(folder: Path) -> None:
    with EmbeddedRedis(folder / "redis") as server:
        url = server.url
        server.kill()
        server.start()
        assert server.url == url and redis.Redis.from_url(url).ping()


def test_a_pid_file_of_somebody_else_does_not_matter(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres", fsync=False) as server:
        home = server.home
    assert home is not None
    other = processes.start(["sleep", "600"], log=folder / "other.log", account=server.account)
    try:
        (home / "data" / "postmaster.pid").write_text(f"{other.pid}\n{home / 'data'}\n0\n")
        with EmbeddedPostgres(folder / "postgres", fsync=False) as again:
            assert answers(again.url()) and other.poll() is None
    finally:
        processes.stop(other)


def test_nothing_is_left_when_the_owner_is_killed(owner: tuple[subprocess.Popen[str], list[str]]) -> None:
    process, (url, _, *pids) = owner
    everything = [*map(int, pids), *descendants(process.pid)]
    assert len(everything) > 5 and all(map(alive, everything))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert within(30, lambda: not any(map(alive, everything)))
    assert not answers(url)


def test_the_folder_can_be_used_again_right_after_the_owner_was_killed(
    owner: tuple[subprocess.Popen[str], list[str]], folder: Path
) -> None:
    process, (url, *_) = owner
    process.send_signal(signal.SIGKILL)
    process.wait()
    with EmbeddedServers(folder, fsync=False) as servers:
        assert servers.postgres.url() == url and answers(url)


def test_two_owners_of_one_folder_are_refused(owner: tuple[subprocess.Popen[str], list[str]], folder: Path) -> None:
    with pytest.raises(ProcessError, match="another scanmill process"):
        EmbeddedServers(folder).start()
    assert answers(owner[1][0])


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres", fsync=False) as server:
        home = server.home
    assert home is not None
    (home / "data" / "postgresql.auto.conf").write_text("shared_buffers = nonsense\n")
    with pytest.raises(ProcessError, match="shared_buffers"):
        EmbeddedPostgres(folder / "postgres").start()


def test_other_threads_may_not_start_servers(folder: Path) -> None:
    raised: list[Exception] = []

    def start() -> None:
        try:
            EmbeddedRedis(folder / "redis").start()
        except ProcessError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(raised[0])


@needs_root
def test_root_drops_to_a_system_user_and_opens_no_private_folder(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    before = {path: stat.S_IMODE(path.stat().st_mode) for path in (private, *private.parents)}
    server = EmbeddedPostgres(private / "postgres", fsync=False)
    try:
        server.start()
        assert server.process is not None and server.home is not None
        assert Path(f"/proc/{server.process.pid}").stat().st_uid != 0
        assert private not in server.home.parents, "the user cannot reach a private folder"
        home = server.home
        server.psql("CREATE TABLE kept AS SELECT 1 AS x", "scanmill")
        server.stop()
        server.start()
        assert server.home == home and server.psql("SELECT x FROM kept", "scanmill").stdout.strip() == "1"
    finally:
        server.destroy()
    assert {path: stat.S_IMODE(path.stat().st_mode) for path in before} == before
    assert not home.exists()


@needs_root
def test_a_wheel_in_a_private_place_is_copied(tmp_path: Path, server_folder: Path) -> None:
    account = processes.system_account()
    assert account is not None
    private, home = tmp_path / "private", server_folder / "copied"
    private.mkdir(mode=0o700)
    home.mkdir()
    wheel = Path(homes.__file__).parent
    package = private / "pretended"
    (package / "bin").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "bin" / "tool").write_bytes(Path("/bin/true").resolve().read_bytes())
    (package / "bin" / "tool").chmod(0o755)
    sys.path.insert(0, str(private))
    try:
        found = homes.program("pretended", "bin/tool", account, home, "--version")
    finally:
        sys.path.remove(str(private))
    assert home in found.parents and wheel not in found.parents
    assert processes.run_as(account, [found, "--version"]).returncode == 0


@needs_root
def test_a_plain_user_runs_the_servers_as_itself(server_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    folder = server_folder / "of_nobody"
    folder.mkdir()
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    argv = [sys.executable, "-c", OWNER, str(folder), str(nobody.pw_uid), str(nobody.pw_gid)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            url, redis_url, postgres_pid, _ = process.stdout.readline().split()
            assert Path(f"/proc/{postgres_pid}").stat().st_uid == nobody.pw_uid
            assert answers(url) and redis.Redis.from_url(redis_url).ping()
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert within(30, lambda: not alive(int(postgres_pid)))
    assert not list(folder.glob("*.elsewhere"))


def test_a_stopped_program_takes_its_group_along(tmp_path: Path) -> None:
    stubborn = "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    stubborn += "p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); time.sleep(600)"
    log = tmp_path / "log"
    process = processes.start([sys.executable, "-c", stubborn], log=log)
    assert within(30, lambda: log.read_text().strip().isdigit())
    grandchild = int(log.read_text())
    processes.stop(process, grace_s=0.3)
    assert process.returncode == -signal.SIGKILL
    assert within(30, lambda: not alive(grandchild))
    kill_group(process.pid)  # an empty group is fine

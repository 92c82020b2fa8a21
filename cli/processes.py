"""Starting and stopping other programs so that none outlives us: parent-death signals, process groups, dropped rights."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)
_SYSTEM_ACCOUNTS = ("postgres", "nobody", "daemon")


class ProcessError(Exception):
    """A program could not be started, died, or was not ready in time; the text says which and where its log is."""


@dataclass(frozen=True, slots=True)
class Account:
    """A system user that servers run as when we are root."""

    name: str
    uid: int
    gid: int


def system_account() -> Account | None:
    """The user to drop to: None unless we are root, since PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in _SYSTEM_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise ProcessError(f"running as root, and none of the users {', '.join(_SYSTEM_ACCOUNTS)} exists to drop to")


def start(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    pass_fds: Collection[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in its own session (so that a terminal's Ctrl-C reaches only us) with its output added to `log`.

    The kernel sends it `death_signal` when we die. It really watches the *thread* that started it, hence main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ProcessError("programs are started by the main thread: the parent-death signal follows the thread")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in argv],
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            start_new_session=True,
            pass_fds=pass_fds,
            preexec_fn=_die_with_parent(os.getpid(), death_signal),  # noqa: PLW1509  one system call, no lock taken
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


def run_as(
    account: Account | None, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a short program to its end (two minutes at most) as `account`; the caller looks at the return code."""
    return subprocess.run(
        [str(part) for part in argv],
        capture_output=True,
        text=True,
        env=dict(env) if env is not None else None,
        cwd="/",
        timeout=120,
        check=False,
        preexec_fn=_die_with_parent(os.getpid(), signal.SIGKILL),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def stop(process: subprocess.Popen[bytes], *, first: signal.Signals = signal.SIGTERM, grace_s: float = 10.0) -> None:
    """Ask a program to end, wait `grace_s` seconds, then kill its whole group. Returns when it is reaped."""
    if process.poll() is None:
        process.send_signal(first)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    kill_group(process.pid)
    process.wait()


def kill_group(pid: int) -> None:
    """SIGKILL everything in the process group that `start` gave the program; an empty group is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], name: str, log: Path, within_s: float
) -> None:
    """Poll `ready` until it says yes. Raises ProcessError when the program ends first or the time is up."""
    deadline = time.monotonic() + within_s
    while not ready():
        if process.poll() is not None:
            raise ProcessError(f"{name} ended with status {process.returncode} while starting; {last_words(log)}")
        if time.monotonic() > deadline:
            raise ProcessError(f"{name} was not ready within {within_s:.0f} s; {last_words(log)}")
        time.sleep(0.02)


def last_words(log: Path, lines: int = 5) -> str:
    """The end of a log for an error message, with the log's path."""
    try:
        tail = log.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return f"no log at {log}"
    return "\n".join([f"the end of {log}:", *(f"  {line}" for line in tail)])


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """Meanwhile this process becomes the parent of its grandchildren whose parents die, so that `descendants` finds them all."""
    _adopt(wanted=True)
    try:
        yield
    finally:
        _adopt(wanted=False)


def _adopt(*, wanted: bool) -> None:
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def descendants(pid: int) -> list[int]:
    """Process ids of all living children, grandchildren and so on (zombies are left out)."""
    children: dict[int, list[int]] = {}
    for child, parent, state in _all():
        if state in "ZX":
            continue
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    frontier = [pid]
    while frontier:
        below = children.get(frontier.pop(), [])
        found.extend(below)
        frontier.extend(below)
    return found


def end_descendants(spare: Collection[int] = ()) -> None:
    """SIGKILL every descendant of this process but `spare`, until there is none: the last resort after a stop."""
    while left := [pid for pid in descendants(os.getpid()) if pid not in spare]:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                continue  # gone, or not our own child: it becomes one when its parent dies


def reap_orphans(own: Collection[int]) -> None:
    """Bury adopted orphans that have ended; `own` are the children that somebody else waits for."""
    for pid, parent, state in _all():
        if parent == os.getpid() and state == "Z" and pid not in own:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _all() -> Iterator[tuple[int, int, str]]:
    """Process id, parent's id and state letter of every process."""
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            stat = Path(entry.path, "stat").read_text()
        except OSError:
            continue  # ended while we were looking
        state, parent = stat.rpartition(")")[2].split()[:2]
        yield int(entry.name), int(parent), state


def _die_with_parent(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    def before_exec() -> None:
        # Runs in the child after the user was changed (a change of user clears the wish) and before exec.
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the kernel knew of the wish
            os._exit(1)

    return before_exec

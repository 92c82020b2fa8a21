"""The fork server: one locked-in, throw-away child per picture. ``python -m pipeline.imaging.decode_server``.

It has loaded Pillow and nothing else of size, so a fork costs about a millisecond and a child starts at 25 MB. It
never looks at a picture itself: a child reads the request from its own connection, answers there and is gone; the
server kills what is late, sees how each child ended, and writes the last word.

It ends when the process that started it does (checked every second), or when its door closes. Linux only.
"""

from __future__ import annotations

import argparse
import gc
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline import faults
from pipeline.imaging.decode_child import EXIT_MEMORY, Bounds, rehearse, run_child
from pipeline.imaging.sandbox import probe
from pipeline.imaging.wire import SERVER_ENVIRONMENT, LastWord, Verdict


@dataclass(slots=True)
class _Visit:
    """One picture: its connection, its child until that is dead, and then the last word still to be written."""

    connection: socket.socket
    deadline: float
    pid: int = 0
    pidfd: int = -1
    late: bool = False
    word: bytes = b""


class DecodeServer:
    """Serves a door: a listening socket, or a packet socket over which connections are handed in."""

    def __init__(self, door: socket.socket, bounds: Bounds, parent: int) -> None:
        self._door = door
        self._bounds = bounds
        self._pid, self._parent = os.getpid(), parent
        self._epoll = select.epoll()
        self._visits: dict[int, _Visit] = {}
        """By the file numbers that wake us for them: pidfd and connection."""
        self._door_open = False

    def serve(self) -> None:
        """Serve until the door is closed from outside or the parent is gone; children end with us."""
        gc.collect()
        gc.freeze()
        while os.getppid() == self._parent:
            self._open_door(len(self._visits) // 2 < self._bounds.children)
            ready = self._epoll.poll(self._patience())
            for number, events in ready:
                self._look_at(number, events)
            # The door last: a newcomer may get the file number of somebody who has just left.
            if any(number == self._door.fileno() for number, _ in ready) and not self._welcome():
                return
            self._kill_the_late()

    def _open_door(self, wanted: bool) -> None:
        """Further clients wait in the door's own queue."""
        if wanted and not self._door_open:
            self._epoll.register(self._door.fileno(), select.EPOLLIN)
        elif self._door_open and not wanted:
            self._epoll.unregister(self._door.fileno())
        self._door_open = wanted

    def _patience(self) -> float:
        """Seconds until something is due even if nothing happens."""
        now = time.monotonic()
        return max(0.0, min([1.0, *(visit.deadline - now for visit in self._visits.values())]))

    def _welcome(self) -> bool:
        """Take one client in; False when there will be no more."""
        if self._door.type == socket.SOCK_STREAM:
            connection = self._door.accept()[0]
        else:
            packet, numbers, _, _ = socket.recv_fds(self._door, 1, 1)
            if not packet:
                return False
            connection = socket.socket(fileno=numbers[0])
        visit = _Visit(connection, time.monotonic() + self._bounds.deadline_s)
        self._start(visit)
        return True

    def _start(self, visit: _Visit) -> None:
        number = visit.connection.fileno()
        try:
            visit.pid = os.fork()
        except OSError as error:
            sys.stderr.write(f"decode server: no child: {error}\n")
            with visit.connection:
                visit.connection.send(LastWord(Verdict.NOT_STARTED, 0).pack())
            return
        if visit.pid == 0:
            run_child(number, self._pid, self._bounds)
        visit.pidfd = os.pidfd_open(visit.pid)
        # Even an empty mask reports that the client hung up, and so wants the picture no more; once is enough.
        for watched, events in ((visit.pidfd, select.EPOLLIN), (number, select.EPOLLET)):
            self._epoll.register(watched, events)
            self._visits[watched] = visit

    def _look_at(self, number: int, events: int) -> None:
        visit = self._visits.get(number)
        if visit is None:
            return
        if number == visit.pidfd:
            self._bury(visit)
        elif events & (select.EPOLLHUP | select.EPOLLERR):
            self._leave(visit) if visit.word else self._kill(visit)
        else:
            self._say(visit)

    def _bury(self, visit: _Visit) -> None:
        _, status, usage = os.wait4(visit.pid, 0)
        visit.word = LastWord(_verdict(status, visit.late), usage.ru_maxrss).pack()
        self._epoll.unregister(visit.pidfd)
        self._say(visit)

    def _say(self, visit: _Visit) -> None:
        """Write the last word, now or when the client has read enough of what its child left for it."""
        try:
            # Not setblocking: that would hold for the child's copy too.
            visit.connection.send(visit.word, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._epoll.modify(visit.connection.fileno(), select.EPOLLOUT)
            return
        except OSError:
            pass  # the client hung up
        self._leave(visit)

    def _leave(self, visit: _Visit) -> None:
        # A child just forked may hold copies of these files for a moment, so closing alone would not end the watch.
        self._epoll.unregister(visit.connection.fileno())
        for number in (visit.pidfd, visit.connection.fileno()):
            del self._visits[number]
        os.close(visit.pidfd)
        visit.connection.close()

    def _kill(self, visit: _Visit) -> None:
        signal.pidfd_send_signal(visit.pidfd, signal.SIGKILL)

    def _kill_the_late(self) -> None:
        now = time.monotonic()
        for visit in {id(visit): visit for visit in self._visits.values() if visit.deadline <= now}.values():
            if visit.word:
                self._leave(visit)
                continue
            visit.late = True
            visit.deadline = now + self._bounds.deadline_s
            self._kill(visit)


def _verdict(status: int, late: bool) -> Verdict:
    ended = os.waitstatus_to_exitcode(status)
    if ended == 0:
        return Verdict.ENDED
    if late or ended == -signal.SIGXCPU:
        return Verdict.TIMEOUT
    # A SIGKILL that is not ours is the kernel's, out of memory.
    if ended in (EXIT_MEMORY, -signal.SIGKILL):
        return Verdict.MEMORY
    return Verdict.CRASH


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="decode_server", description=(__doc__ or "").splitlines()[0])
    door = parser.add_mutually_exclusive_group(required=True)
    door.add_argument("--socket", help="path of the unix socket to listen on; only our user may connect")
    door.add_argument("--control", type=int, help="file number of a packet socket that hands connections in")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="process id to end with; ours by default")
    parser.add_argument("--memory-bytes", type=int, default=2 * 1024**3)
    parser.add_argument("--cpu-s", type=int, default=20)
    parser.add_argument("--deadline-s", type=float, default=25.0)
    parser.add_argument("--children", type=int, default=8)
    parser.add_argument("--environment", default="production")
    parser.add_argument("--fault-plan", default="", help="kill points; refused unless --environment is test")
    return parser.parse_args()


def _listen(path: str) -> socket.socket:
    """Bind a socket that only our user can reach. It takes its name, and an earlier server's place, when it listens."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    fresh = Path(f"{path}.{os.getpid()}")
    mask = os.umask(0o177)
    try:
        door.bind(str(fresh))
    finally:
        os.umask(mask)
    door.listen(128)
    fresh.rename(path)
    return door


def _forget_environment() -> None:
    """Begin anew without the settings' secrets, which a child that has been taken over could read in its memory."""
    kept = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), **SERVER_ENVIRONMENT}
    # Python itself adds LC_CTYPE in a C locale.
    if {name: value for name, value in os.environ.items() if name != "LC_CTYPE"} != kept:
        os.execve(sys.executable, sys.orig_argv, kept)


def main() -> None:
    """Serve until the parent ends."""
    _forget_environment()
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    options = _parse()
    faults.arm(options.fault_plan, options.environment)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    rehearse()
    door = _listen(options.socket) if options.socket else socket.socket(fileno=options.control)
    bounds = Bounds(options.memory_bytes, options.cpu_s, options.deadline_s, options.children)
    if missing := probe(bounds.memory_bytes, bounds.cpu_s):
        sys.stderr.write(f"decode server: this host does not give its children: {', '.join(missing)}\n")
    DecodeServer(door, bounds, options.parent).serve()


if __name__ == "__main__":
    main()

"""The notice between a child and its supervisor: whole or not there, and honest about who lives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path

from workers import board
from workers.board import Notice

OWNER = uuid.uuid4()


def test_a_notice_is_read_as_it_was_posted(tmp_path: Path) -> None:
    path = tmp_path / "cpu0.json"
    assert board.read(path) is None
    board.post(path, Notice(str(OWNER), 7))
    assert board.read(path) == Notice(str(OWNER), 7, None, None)
    board.post(path, Notice(str(OWNER), 7, "look", 12.5))
    found = board.read(path)
    assert found is not None
    assert (found.owner_id, found.stage, found.deadline) == (OWNER, "look", 12.5)
    assert [each.name for each in tmp_path.iterdir()] == ["cpu0.json"]


def test_a_reader_never_sees_half_a_notice(tmp_path: Path) -> None:
    path = tmp_path / "cpu0.json"
    board.post(path, Notice(str(OWNER), 0))
    done = threading.Event()

    def write() -> None:
        for n in range(2_000):
            board.post(path, Notice(str(OWNER), n, "stage " * (n % 50), float(n)))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while not done.is_set():
        assert board.read(path) is not None
        reads += 1
    writer.join()
    assert reads > 10


def test_a_zombie_and_a_dead_process_do_not_live() -> None:
    assert board.alive(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        assert board.alive(child.pid)
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not board.alive(child.pid), "dead, though nobody has collected it yet"
    assert not board.alive(child.pid)

"""Servers: started when needed, started again, and never left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.errors import (
    DecoderUnavailable,
    TruncatedImage,
)
from pipeline.imaging import decode as module
from pipeline.imaging import decoder_door
from tests.unit.pipeline.imaging.decoders import (
    PICTURE,
    PIXELS,
    ROOT,
    only_child,
    plan,
    server,
    shared_server,
    waits_until,
)


def test_a_server_that_died_is_started_again(made):
    decoder = made()
    decoder.decode(PICTURE)
    server(decoder).kill()
    assert np.array_equal(decoder.decode(PICTURE).pixels, PIXELS)
    assert decoder.server_starts == 2


def test_a_server_that_dies_under_a_picture_is_started_again(made):
    decoder = made(fault_plan=plan("sleep:0.7"))
    got: list[np.ndarray] = []
    worker = threading.Thread(target=lambda: got.append(decoder.decode(PICTURE).pixels))
    worker.start()
    child = only_child(decoder)
    server(decoder).kill()
    worker.join()
    assert np.array_equal(got[0], PIXELS) and decoder.server_starts == 2
    assert waits_until(lambda: not child.is_running())


def test_the_server_knows_no_secrets(monkeypatch: pytest.MonkeyPatch, made, tmp_path: Path):
    monkeypatch.setenv("SCANMILL_DATABASE_URL", "postgresql://u:hunter2@db/x")
    decoder = made()
    decoder.decode(PICTURE)
    assert set(server(decoder).environ()) <= {"GLIBC_TUNABLES", "PYTHONPATH", "LC_CTYPE"}
    with shared_server(tmp_path / "d.sock", {**os.environ, "PYTHONPATH": ROOT}) as host:
        made(decoder_socket=str(tmp_path / "d.sock")).decode(PICTURE)
        assert set(psutil.Process(host.pid).environ()) <= {"GLIBC_TUNABLES", "PYTHONPATH", "LC_CTYPE"}


CLIENT = """
import os, signal, sys, time
from pipeline.imaging import decode
content = open(sys.argv[1], "rb").read()
decode.decode(content)
print(decode._own()._door.pid, flush=True)
if sys.argv[2] == "fork":
    child = os.fork()
    if child == 0:
        decode.decode(content)
        print(decode._own()._door.pid, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    decode.decode(content)
    print(decode._own()._door.pid, decode._own().server_starts, flush=True)
if sys.argv[2] == "idle fork":
    child = os.fork()
    if child == 0:
        time.sleep(60)
    server = decode._own()._door._server
    decode._own().close()
    print(server.returncode, flush=True)
    os.kill(child, signal.SIGKILL)
if sys.argv[2] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def client(tmp_path: Path, what: str) -> list[int]:
    (tmp_path / "picture.png").write_bytes(PICTURE)
    command = [sys.executable, "-c", CLIENT, str(tmp_path / "picture.png"), what]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.parametrize("what", ["exit", "kill"])
def test_no_server_outlives_its_client(tmp_path: Path, what: str):
    (pid,) = client(tmp_path, what)
    assert waits_until(lambda: not psutil.pid_exists(pid))


def test_a_fork_that_does_nothing_does_not_keep_its_parents_server(tmp_path: Path):
    _, returncode = client(tmp_path, "idle fork")
    assert returncode == 0, "it saw its door closed; 5 s later it would have been killed"


def test_a_fork_starts_its_own_server_and_leaves_its_parents_alone(tmp_path: Path):
    first, of_the_fork, again, starts = client(tmp_path, "fork")
    assert first == again and starts == 1 and of_the_fork != first
    assert waits_until(lambda: not psutil.pid_exists(first) and not psutil.pid_exists(of_the_fork))


def test_the_hosts_server(made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "decoder.sock"
    monkeypatch.setattr(decoder_door, "_PATIENCE_S", 0.2)
    decoder = made(decoder_socket=str(path))
    with shared_server(path):
        assert path.stat().st_mode & 0o777 == 0o600
        assert np.array_equal(decoder.decode(PICTURE).pixels, PIXELS)
        with pytest.raises(TruncatedImage):
            decoder.decode(PICTURE[: len(PICTURE) // 2])
    with pytest.raises(DecoderUnavailable):
        decoder.decode(PICTURE)
    monkeypatch.setattr(decoder_door, "_PATIENCE_S", 10)
    with shared_server(path):  # over the file that the dead one left
        assert np.array_equal(decoder.decode(PICTURE).pixels, PIXELS)
    assert decoder.server_starts == 0


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path):
    code = """
import subprocess, sys, time
from pipeline.imaging.decoder_door import server_command
from pipeline.settings import PipelineSettings
print(subprocess.Popen(server_command(PipelineSettings(), "--socket=" + sys.argv[1])).pid, flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "d.sock")]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": ROOT})
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    assert waits_until((tmp_path / "d.sock").exists)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert waits_until(lambda: not psutil.pid_exists(pid))


def test_a_server_that_does_not_answer_is_not_the_pictures_fault(made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_GRACE_S", 0.1)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf.sock"))
        deaf.listen(8)
        with pytest.raises(DecoderUnavailable):
            made(decoder_socket=str(tmp_path / "deaf.sock"), decoder_deadline_s=0.1).decode(PICTURE)

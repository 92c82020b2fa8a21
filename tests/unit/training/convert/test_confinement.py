"""What a converting child cannot do any more, tried for real in one; and what its runtime still can."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.imaging import sandbox
from training.convert import confinement

TRY = """
import ctypes, json, os, resource, signal, socket, subprocess, sys, tempfile, threading, time
from training.convert.confinement import Bounds, confine
import encodings.ascii
parent = os.getpid()
early = threading.Event(), threading.Event()
told = {}
def attempt(name, deed):
    try:
        deed(); told[name] = "done"
    except BaseException as error:
        told[name] = type(error).__name__
def waits():
    early[0].wait()
    attempt("network from a thread that was there", socket.socket)
    early[1].set()
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    threading.Thread(target=waits, daemon=True).start()
    kept = tempfile.TemporaryFile(buffering=0)
    told["missing"] = confine(parent, Bounds(memory_bytes=256 * 2**20, cpu_s=60, answer_bytes=2**20))
    early[0].set(); early[1].wait()
    attempt("network", socket.socket)
    attempt("pair", socket.socketpair)
    attempt("write", lambda: open("/tmp/scanmill-escape", "w"))
    attempt("append", lambda: open("/dev/null", "a"))
    attempt("both ways", lambda: os.open("/dev/null", os.O_RDWR))
    attempt("temporary", lambda: os.open("/tmp", os.O_TMPFILE | os.O_WRONLY))
    attempt("folder", lambda: os.mkdir("/tmp/scanmill-escape"))
    attempt("rename", lambda: os.rename("/etc/passwd", "/etc/shadow"))
    attempt("fork", os.fork)
    attempt("program", lambda: subprocess.run(["/bin/true"]))
    attempt("exec", lambda: os.execv("/bin/true", ["true"]))
    attempt("kill", lambda: os.kill(parent, 0))
    attempt("trace", lambda: ctypes.CDLL(None).ptrace(16, parent, 0, 0) == 0 or 1 / 0)
    attempt("memory", lambda: bytearray(600 * 2**20))
    attempt("more memory", lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)))
    attempt("root again", lambda: os.setuid(0))
    attempt("read", lambda: open("/etc/passwd").read())
    attempt("little memory", lambda: bytearray(50 * 2**20))
    attempt("thread", lambda: (lambda t: (t.start(), t.join()))(threading.Thread(target=int)))
    attempt("answer", lambda: kept.write(bytes(1000)))
    os.write(writing, json.dumps(told).encode())
    time.sleep(60); os._exit(0)
os.close(writing)
told = json.loads(os.read(reading, 10000))
os.kill(child, signal.SIGKILL)
print(json.dumps(told))
"""

REFUSED = {
    "network": {"PermissionError"},
    "network from a thread that was there": {"PermissionError"},
    "pair": {"PermissionError"},
    "write": {"PermissionError"},
    "append": {"PermissionError"},
    "both ways": {"PermissionError"},
    "temporary": {"PermissionError"},
    "folder": {"PermissionError"},
    "rename": {"PermissionError"},
    "fork": {"PermissionError"},
    "program": {"PermissionError"},
    "exec": {"PermissionError"},
    "kill": {"PermissionError"},
    "trace": {"ZeroDivisionError"},
    "memory": {"MemoryError"},
    "more memory": {"ValueError", "PermissionError"},
    "root again": {"PermissionError"},
    "read": {"done"},
    "little memory": {"done"},
    "thread": {"done"},
    "answer": {"done"},
}


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    done = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_this_host_has_every_lock(told: dict[str, str]) -> None:
    assert told["missing"] == []


@pytest.mark.parametrize("deed", REFUSED)
def test_deed(deed: str, told: dict[str, str]) -> None:
    assert told[deed] in REFUSED[deed]
    assert not Path("/tmp/scanmill-escape").exists()


def test_the_filter_is_made_for_both_machines_and_names_no_call_twice() -> None:
    for place, machine in enumerate(sandbox.MACHINES):
        numbers = [pair[place] for pair in {**sandbox.CALLS, **confinement._MORE, **confinement._CHECKED}.values()]
        numbers += list(confinement._OLD.values()) if machine == "x86_64" else []
        assert len(set(numbers)) == len(numbers)
        assert len(confinement.program(machine)) % 8 == 0
    everything = {**sandbox.CALLS, **confinement._MORE, **confinement._CHECKED, **confinement._OLD}
    assert not {"socket", "connect", "execve", "fork", "vfork", "kill", "ptrace", "open", "openat2", "unlink"} & set(
        everything
    )

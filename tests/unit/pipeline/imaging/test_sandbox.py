"""What a locked-in process cannot do any more, tried for real in one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pipeline.imaging import sandbox

TRY = """
import ctypes, json, os, resource, signal, socket, sys, tempfile, time, _thread
from pipeline.imaging.sandbox import confine
if sys.argv[1] == "nobody" and os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as traceable as any process that began as nobody
parent = os.getpid()
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.dup2(writing, 3); os.closerange(4, 100)
    missing = confine(parent, 512 * 1024 * 1024, 5)
    told = {"missing": missing}
    def attempt(name, deed):
        try:
            deed(); told[name] = "done"
        except BaseException as error:
            told[name] = type(error).__name__
    attempt("read", lambda: open("/etc/passwd"))
    attempt("write", lambda: open("/tmp/scanmill-escape", "w"))
    attempt("temporary", tempfile.TemporaryFile)
    attempt("pipe", os.pipe)
    attempt("socket", socket.socket)
    attempt("fork", os.fork)
    attempt("thread", lambda: _thread.start_new_thread(print, ()))
    attempt("exec", lambda: os.execv("/bin/true", ["true"]))
    attempt("kill", lambda: os.kill(parent, 0))
    attempt("memory", lambda: bytearray(600 * 1024 * 1024))
    attempt("little_memory", lambda: bytearray(50 * 1024 * 1024))
    attempt("limit", lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)))
    os.write(3, json.dumps(told).encode())
    time.sleep(60); os._exit(0)
os.close(writing)
told = json.loads(os.read(reading, 10000))
told["traceable by"] = os.stat(f"/proc/{child}/mem").st_uid
os.kill(child, signal.SIGKILL)
print(json.dumps(told))
"""

REFUSED = {
    "read": {"PermissionError"},
    "write": {"PermissionError"},
    "kill": {"PermissionError"},
    "fork": {"PermissionError"},
    "exec": {"PermissionError"},
    "socket": {"PermissionError"},
    "temporary": {"PermissionError", "FileNotFoundError"},
    "pipe": {"PermissionError", "OSError"},
    "thread": {"RuntimeError"},
    "memory": {"MemoryError"},
    "limit": {"ValueError", "PermissionError"},
    "little_memory": {"done"},
}


@pytest.fixture(scope="module", params=["as we are", "nobody"])
def told(request: pytest.FixtureRequest) -> dict[str, str]:
    done = subprocess.run([sys.executable, "-c", TRY, request.param], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_this_host_has_every_lock(told: dict[str, str]):
    assert told["missing"] == []


@pytest.mark.parametrize("deed", REFUSED)
def test_deed(deed: str, told: dict[str, str]):
    assert told[deed] in REFUSED[deed]


def test_nobody_else_may_trace_it(told: dict[str, str]):
    assert told["traceable by"] == 0


def test_probe_says_what_is_missing():
    code = "from pipeline.imaging.sandbox import probe; print(probe(2**30, 5))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_both_machines_allow_the_same_calls_under_different_numbers():
    for machine in range(2):
        numbers = [pair[machine] for pair in sandbox.CALLS.values()]
        assert len(set(numbers)) == len(numbers)
    assert not {"openat", "socket", "connect", "execve", "clone", "kill", "ptrace", "sendmsg"} & set(sandbox.CALLS)

"""Locks a converting process in before it reads a stranger's network (Linux).

`pipeline.imaging.sandbox` allows a decoder nothing but memory and what is open. TensorFlow, PyTorch and ONNX Runtime
start threads and read their own files late, so three more things stay allowed here, and no more: threads (no
processes), opening files **for reading**, and asking the kernel about the machine. What holds afterwards: another user
when it was root, no network, no program started, no file written but the open answer up to a size, no signal to
anyone, memory, processor time and files in bounds, dead when the parent dies. Not held, for want of a system call that
could: reading what every user of this machine may read; a container around the command does that.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.imaging import sandbox

EXIT_MEMORY: Final = 12
"""Exit status of a child that ran out of memory and could still say so."""
EXIT_UNLOCKED: Final = 13
"""Exit status of a child that could not lock itself in and so read nothing."""

_OPEN_FILES: Final = 256
_THREAD: Final = 0x00010000  # CLONE_THREAD
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PRCTL_NAMES: Final = (15, 16, 0x53564D41)  # a thread's name, set and get, and a memory area's
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER: Final = 1
_TSYNC: Final = 1
"""For the threads that are there already, too."""

_MORE: Final = {
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "readlinkat": (267, 78),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "fcntl": (72, 25),
    "dup": (32, 23),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "prlimit64": (302, 261),
    "sched_getaffinity": (204, 123),
    "sched_setaffinity": (203, 122),
    "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120),
    "getcpu": (309, 168),
    "set_robust_list": (273, 99),
    "set_tid_address": (218, 96),
    "rseq": (334, 293),
    "membarrier": (324, 283),
    "get_mempolicy": (239, 236),
    "mincore": (27, 232),
    "times": (100, 153),
    "clock_getres": (229, 114),
}
"""Calls allowed beyond the decoder's, on x86-64 and arm64. ``prlimit64`` may only lower a hard limit."""
_OLD: Final = {"stat": 4, "lstat": 6, "access": 21, "readlink": 89, "time": 201}
"""x86-64's own spellings of the same; none opens a file."""
_CHECKED: Final = {"openat": (257, 56), "clone": (56, 220), "clone3": (435, 435), "prctl": (157, 167)}
"""Calls whose arguments decide."""


@dataclass(frozen=True)
class Bounds:
    """What a converting child may use: bytes beyond what its runtime takes, processor and wall seconds, answer bytes."""

    memory_bytes: int = 4 * 2**30
    cpu_s: int = 600
    deadline_s: float = 300.0
    answer_bytes: int = 2**30


def confine(parent: int, bounds: Bounds) -> list[str]:
    """Lock this process and all its threads in; returns the names of the locks that the host does not have.

    Raises OSError when a lock that every Linux has is refused.
    """
    memory = _address_space() + bounds.memory_bytes
    missing = [] if sandbox.leave_root() else ["other user"]
    sandbox.prctl(sandbox.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    for what, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, bounds.answer_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        resource.setrlimit(what, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (bounds.cpu_s, bounds.cpu_s + 1))
    sandbox.prctl(sandbox.PR_SET_NO_NEW_PRIVS, 1)
    sandbox.prctl(sandbox.PR_SET_DUMPABLE, 0)
    if not _filter_system_calls():
        missing.append("seccomp")
    return missing


def _address_space() -> int:
    """Bytes this process has mapped: the libraries of its runtime, and the stacks of its threads."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    return pages * resource.getpagesize()


def _filter_system_calls() -> bool:
    """For every thread at once; TSYNC refuses to leave one behind."""
    machine = platform.machine()
    if machine not in _SECCOMP:
        return False
    code = ctypes.create_string_buffer(program(machine))
    pointer = ctypes.create_string_buffer(struct.pack("@HP", (len(code) - 1) // 8, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, _TSYNC, pointer) == 0)


def program(machine: str) -> bytes:
    """Classic BPF: the listed calls pass, the checked ones by their arguments, all others are refused with EPERM."""
    index = list(sandbox.MACHINES).index(machine)
    allowed = [numbers[index] for numbers in {**sandbox.CALLS, **_MORE}.values()]
    allowed += list(_OLD.values()) if machine == "x86_64" else []
    openat, clone, clone3, prctl = (_CHECKED[name][index] for name in ("openat", "clone", "clone3", "prctl"))
    load, equal, bits, answer = 0x20, 0x15, 0x45, 0x06
    allow, kill, refuse = 0x7FFF0000, 0x80000000, 0x00050000
    first, third = 16, 32  # offsets of a call's first and third argument, low words
    steps = [(load, 0, 0, 4), (equal, 1, 0, sandbox.MACHINES[machine]), (answer, 0, 0, kill), (load, 0, 0, 0)]
    # clone3 keeps its flags where no filter can look; told that there is none, the C library falls back to clone.
    steps += [(equal, 0, 1, clone3), (answer, 0, 0, refuse | errno.ENOSYS)]
    steps += [
        *((equal, 0, 4, openat), (load, 0, 0, third), (bits, 0, 1, _WRITES)),
        *((answer, 0, 0, refuse | errno.EACCES), (answer, 0, 0, allow)),
    ]
    steps += [
        *((equal, 0, 4, clone), (load, 0, 0, first), (bits, 1, 0, _THREAD)),
        *((answer, 0, 0, refuse | errno.EPERM), (answer, 0, 0, allow)),
    ]
    names = len(_PRCTL_NAMES)
    steps += [(equal, 0, 3 + names, prctl), (load, 0, 0, first)]
    steps += [(equal, names - place, 0, option) for place, option in enumerate(_PRCTL_NAMES)]
    steps += [(answer, 0, 0, refuse | errno.EPERM), (answer, 0, 0, allow)]
    steps += [(equal, len(allowed) - place, 0, number) for place, number in enumerate(allowed)]
    steps += [(answer, 0, 0, refuse | errno.EPERM), (answer, 0, 0, allow)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)

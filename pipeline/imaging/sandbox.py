"""Locks a process in before it touches a stranger's bytes (Linux, stdlib only).

What holds afterwards, for this process and for good: another user when it was root, no further file, process, thread
or core dump, memory and processor time in bounds, no new privileges, not traceable by its siblings, dead when its
parent dies; and, on x86-64 and arm64, system calls cut down to memory, clock, and reading and writing what is open.

The standard library has no seccomp: the filter below is forty instructions by hand through ``prctl``. What is still
missing, and what only a container or nsjail can give: namespaces of its own (network, processes, files), a memory
cgroup instead of an address space limit, and a ban on executable memory. Where seccomp is not to be had, network and
signals to processes of the same user stay open; ``confine`` names what the host refused.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from collections.abc import Collection

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, _PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_NOBODY = 65534
_OPEN_FILES = 4
"""stdin, stdout, stderr and the connection: there is no number left for a fifth."""

_libc = ctypes.CDLL(None, use_errno=True)

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

CALLS = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "gettimeofday": (96, 169),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "sched_yield": (24, 124),
    "getpid": (39, 172),
    "getrusage": (98, 165),
    "futex": (202, 98),
    "getrandom": (318, 278),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
"""The system calls that stay allowed, with their numbers on the machines above, in order."""


def confine(parent: int, memory_bytes: int, cpu_s: int) -> list[str]:
    """Lock this process in; returns the names of the locks that the host does not have (best: none).

    ``parent`` is the process that forked this one, from its main thread. ``memory_bytes`` bounds the address space,
    libraries included. This process must have one thread. Raises OSError when a lock that every Linux has is refused.
    """
    missing = [] if leave_root() else ["other user"]
    # After the change of user, which undoes it. The parent may have died before it could count.
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    for what, limit in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        resource.setrlimit(what, (limit, limit))
    # The soft limit ends the process with SIGXCPU, which tells its story; the hard one only kills.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_DUMPABLE, 0)
    if not _filter_system_calls():
        missing.append("seccomp")
    return missing


def probe(memory_bytes: int, cpu_s: int) -> list[str]:
    """What ``confine`` will miss on this host, tried on a fork that is gone afterwards."""
    reading, writing = os.pipe()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        try:
            os.write(writing, ",".join(confine(parent, memory_bytes, cpu_s)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        missing = answer.read()
    os.waitpid(child, 0)
    return missing.split(",") if missing else []


def leave_root() -> bool:
    """Become nobody. A container that took the right to do so away took root's powers with it."""
    if os.geteuid() != 0:
        return True
    try:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    except OSError:
        return False
    return True


def prctl(option: int, value: int, pointer: ctypes.Array[ctypes.c_char] | None = None) -> None:
    """The system call of that name. Raises OSError."""
    if _libc.prctl(option, ctypes.c_ulong(value), pointer, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")


def _program(architecture: int, allowed: Collection[int]) -> bytes:
    """Classic BPF over (number, architecture, …): allow the listed calls, refuse the others with EPERM."""
    load, jump_if_equal, answer = 0x20, 0x15, 0x06
    allow, kill, refuse = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
    steps = [(load, 0, 0, 4), (jump_if_equal, 1, 0, architecture), (answer, 0, 0, kill), (load, 0, 0, 0)]
    steps += [(jump_if_equal, len(allowed) - place, 0, number) for place, number in enumerate(allowed)]
    steps += [(answer, 0, 0, refuse), (answer, 0, 0, allow)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


# Built once: every child of a server installs the same filter.
_machine = platform.machine()
_known = _machine in MACHINES
_numbers = [numbers[list(MACHINES).index(_machine)] for numbers in CALLS.values()] if _known else []
_code = ctypes.create_string_buffer(_program(MACHINES.get(_machine, 0), _numbers))
_filter = ctypes.create_string_buffer(struct.pack("@HP", (len(_code) - 1) // 8, ctypes.addressof(_code)))


def _filter_system_calls() -> bool:
    if not _known:
        return False
    try:
        prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _filter)
    except OSError:
        return False
    return True

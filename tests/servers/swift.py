"""OpenStack Swift from its package: a real S3 server with signature checks, four processes on loopback, for tests.

Accounts, containers and objects lie in one folder, one replica each. Nothing in /etc is read: every configuration names
`swift_dir`. The processes die with this one, even by SIGKILL.
"""

from __future__ import annotations

import http.client
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from cli import processes

_BACKENDS = ("account", "container", "object")
_SERVERS = (*_BACKENDS, "proxy")
_STARTS_WITHIN_S = 30.0
_TRIES = 3

# Seconds. Its half second to connect is passed on a machine whose cores are all busy, and the proxy then says of a
# bucket that it asked about in vain that there is none.
_PATIENCE = """
conn_timeout = 20
node_timeout = 30
container_update_timeout = 20
"""
_COMMON = """
[DEFAULT]
swift_dir = {folder}
user = {user}
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
log_address = {folder}/no-syslog
log_udp_host =
devices = {folder}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
"""
_BACKEND = """
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
{patience}
"""
_PROXY = """
[pipeline:main]
pipeline = catch_errors listing_formats s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
{patience}
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:slo]
use = egg:swift#slo
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {secret} .admin
"""

# A ring tells the proxy where a backend is: one device, one replica. In a process of its own, since the package brings
# eventlet along, which meddles with threads and forks.
_MAKE_RINGS = """
import sys
from swift.common.ring import RingBuilder

for word in sys.argv[2:]:
    name, _, port = word.partition("=")
    ring = RingBuilder(1, 1, 0)
    ring.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1", "weight": 1.0})
    ring.rebalance(seed="1")
    ring.get_ring().save(f"{sys.argv[1]}/{name}.ring.gz")
"""


class Swift:
    """`start` takes about two seconds. `endpoint`, `access_key` and `secret_key` are good afterwards."""

    access_key = "test:tester"
    region = "us-east-1"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports: dict[str, int] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.secret_key = secrets.token_hex(16)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports['proxy']}"

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes.values()]

    def start(self) -> None:
        """Start all four and wait until they answer. Raises ProcessError with the end of the log that says why."""
        for attempt in range(_TRIES):
            self._ports = _free_ports()
            self._write_configuration()
            try:
                self._start_processes()
            except processes.ProcessError:  # somebody else took a port meanwhile
                self.stop()
                if attempt == _TRIES - 1:
                    raise
            else:
                return

    def stop(self) -> None:
        """Kill all four; there is nothing worth a farewell. The data stays."""
        for process in self._processes.values():
            processes.stop(process, first=signal.SIGKILL)
        self._processes.clear()

    def destroy(self) -> None:
        """Stop and delete the data."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start_processes(self) -> None:
        for name in _SERVERS:
            self._processes[name] = processes.start(
                [sys.executable, "-P", "-W", "ignore", _program(name), self._folder / f"{name}.conf", "-v"],
                log=self._folder / f"{name}.log",
                env=_environment(self._folder),
                cwd=self._folder,
                death_signal=signal.SIGKILL,
            )
        for name, process in self._processes.items():
            log, port = self._folder / f"{name}.log", self._ports[name]
            processes.wait_until(partial(_answers, port), process, f"swift {name}", log, _STARTS_WITHIN_S)

    def _write_configuration(self) -> None:
        (self._folder / "devices" / "d1").mkdir(parents=True, exist_ok=True)
        nonce = secrets.token_hex(8)
        (self._folder / "swift.conf").write_text(
            f"[swift-hash]\nswift_hash_path_suffix = {nonce}\nswift_hash_path_prefix = {nonce}\n"
            "[storage-policy:0]\nname = single\ndefault = yes\n"
        )
        user = pwd.getpwuid(os.geteuid()).pw_name
        for name in _SERVERS:
            template = _COMMON + (_PROXY if name == "proxy" else _BACKEND)
            text = template.format(
                folder=self._folder,
                user=user,
                port=self._ports[name],
                name=name,
                secret=self.secret_key,
                patience=_PATIENCE,
            )
            path = self._folder / f"{name}.conf"
            path.touch(mode=0o600)
            path.write_text(text)
        ports = [f"{name}={self._ports[name]}" for name in _BACKENDS]
        made = processes.run_as(None, [sys.executable, "-P", "-W", "ignore", "-c", _MAKE_RINGS, self._folder, *ports])
        if made.returncode != 0:
            raise processes.ProcessError(f"swift's rings could not be made: {made.stderr.strip()}")


def _program(name: str) -> Path:
    return Path(sys.executable).parent / f"swift-{name}-server"


def _environment(folder: Path) -> Mapping[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C.UTF-8"}


def _free_ports() -> dict[str, int]:
    """One free port each, held together so that they differ."""
    probes = {name: socket.socket() for name in _SERVERS}
    try:
        for probe in probes.values():
            probe.bind(("127.0.0.1", 0))
        return {name: int(probe.getsockname()[1]) for name, probe in probes.items()}
    finally:
        for probe in probes.values():
            probe.close()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthcheck")
        connection.getresponse().read()
    except OSError:
        return False
    else:
        return True
    finally:
        connection.close()

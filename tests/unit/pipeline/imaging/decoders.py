"""Decoders for tests, and ways to watch their processes."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from pipeline.imaging.decode import Decoder
from pipeline.imaging.decoder_door import OwnDoor, server_command
from pipeline.imaging.wire import REQUEST, pack_json
from pipeline.settings import PipelineSettings
from tests.hostile.pictures import GREYS, bmp, rle, saved, scene

ROOT = str(Path.cwd())
PICTURE = saved("PNG")
PIXELS = np.asarray(scene())
FLAT = Image.new("RGB", (4000, 4000), "teal")
SLOW = bmp(3000, 3000, 8, rle(3000, 3000), 1, GREYS)
"""18 MB of one-pixel runs: seconds of honest work for the decoder."""


def started(**settings: object) -> Decoder:
    return Decoder(PipelineSettings(**{"environment": "test", **settings}))


def server(decoder: Decoder) -> psutil.Process:
    assert isinstance(decoder._door, OwnDoor) and decoder._door.pid
    return psutil.Process(decoder._door.pid)


def waits_until(true: Callable[[], object], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.01)
    return False


def only_child(decoder: Decoder) -> psutil.Process:
    """The child at work. A server just started has had another for a moment, to try its locks on."""
    for _ in range(1000):
        early = server(decoder).children() if decoder._door.pid else []
        time.sleep(0.03)
        if early and early == server(decoder).children():
            return early[0]
    raise AssertionError("no child")


def plan(action: str, content: bytes | None = None) -> str:
    """A fault plan for every child, or only for the one that gets these bytes."""
    point = "decode.child" if content is None else f"decode.child:{hashlib.sha256(content).hexdigest()}"
    return json.dumps([{"point": point, "action": action}])


def asked(decoder: Decoder, content: bytes) -> socket.socket:
    """A connection on which a picture has been asked for and nothing read."""
    connection = decoder._door.connect()
    request = pack_json({"limits": {}, "longest_side": 2048, "sha256": ""})
    connection.sendall(REQUEST.pack(len(request), len(content)) + request + content)
    return connection


class shared_server:  # noqa: N801
    """A host's server, as a supervisor starts it."""

    def __init__(self, path: Path, environment: dict[str, str] | None = None) -> None:
        self.path, self.environment = path, environment or {"PYTHONPATH": ROOT}

    def __enter__(self) -> subprocess.Popen[bytes]:
        command = server_command(PipelineSettings(), f"--socket={self.path}")
        self.process = subprocess.Popen(command, env=self.environment, cwd="/")
        assert waits_until(self.path.exists)
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

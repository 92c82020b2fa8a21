"""The host's decode server: a small process that has loaded no ML runtime and forks a child per picture."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from pipeline.imaging.decoder_door import server_command
from pipeline.settings import PipelineSettings

ROOT = Path(__file__).resolve().parents[1]


class DecodeServer:
    """Keeps the server up. Its socket's path goes to the slots through SCANMILL_DECODER_SOCKET."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "decoder.sock"
        self._process: subprocess.Popen[bytes] | None = None
        os.environ["SCANMILL_DECODER_SOCKET"] = str(self._socket)

    def check(self) -> None:
        """Start it when it is down. For the main thread: the server ends with the thread that started it."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                server_command(PipelineSettings(), f"--socket={self._socket}"),
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                start_new_session=True,
            )

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(10)

"""Starts a converting child, waits for it no longer than agreed, and believes nothing it says."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import IO, Final

from pipeline.errors import ConverterUnavailable, ModelRefused
from training.convert.confinement import EXIT_MEMORY, EXIT_UNLOCKED, Bounds
from training.convert.wire import Frame, FrameError

_ROOT: Final = Path(__file__).resolve().parents[2]
_TOLD_BYTES: Final = 4000
_KERAS: Final = "Keras files are read by TensorFlow: pip install -r requirements/training.in -c requirements.txt"
_TORCH: Final = (
    "TorchScript is read by PyTorch, which is not part of the lock: install a build of torch==2.13.0 for the CPU, "
    "and pip install -r requirements/torch.txt"
)
_SERVING: Final = "It is read by what serves it: pip install -r requirements/worker.in -c requirements.txt"
NEEDS: Final = {
    "hdf5": (("h5py",), _KERAS),
    "keras": (("h5py", "keras", "tensorflow", "tf2onnx"), _KERAS),
    "torchscript": (("torch",), _TORCH),
    "session": (("ai_edge_litert", "onnxruntime"), _SERVING),
    "lightgbm": (("lightgbm",), _SERVING),
}
"""What each engine imports, and what to say where that is missing."""


def ask(engine: str, request: Frame, bounds: Bounds) -> Frame:
    """One request to one fresh child. Raises ModelRefused with what it refused, or with how it ended.

    Raises ConverterUnavailable if the child could not lock itself in, or its runtime is not installed.
    """
    packages, advice = NEEDS.get(engine, ((), ""))
    if missing := [package for package in packages if importlib.util.find_spec(package) is None]:
        raise ConverterUnavailable(f"{', '.join(missing)} is not installed here. {advice}")
    with (
        tempfile.TemporaryDirectory(prefix="scanmill-convert-") as home,
        tempfile.TemporaryFile() as asked,
        tempfile.TemporaryFile() as answered,
        tempfile.TemporaryFile() as told,
    ):
        asked.write(request.pack())
        asked.seek(0)
        status = _run(engine, bounds, home, (asked, answered, told))
        _raise_for(status, _tail(told), bounds)
        answer = _read(answered, bounds)
    if "refused" in answer.facts:
        raise ModelRefused(str(answer.facts["refused"])[:400])
    return answer


def _run(engine: str, bounds: Bounds, home: str, files: tuple[IO[bytes], IO[bytes], IO[bytes]]) -> int | None:
    """The child's exit status; None if it had to be ended at its deadline."""
    command = [sys.executable, "-s", "-B", "-P", "-m", "training.convert.child", engine, str(os.getpid())]
    child = subprocess.Popen(
        [*command, json.dumps(asdict(bounds))],
        stdin=files[0], stdout=files[1], stderr=files[2],
        cwd=home, env=_environment(home), start_new_session=True,
    )  # fmt: skip
    try:
        return child.wait(bounds.deadline_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _environment(home: str) -> dict[str, str]:
    """A clean one: no key, no proxy, no setting of ours or the user's; runtimes on the processor, quiet, few threads."""
    return {
        "PATH": os.defpath,
        "PYTHONPATH": str(_ROOT),
        "HOME": home,
        "TMPDIR": home,
        "LC_ALL": "C.UTF-8",
        "KERAS_HOME": home,
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "",
        "HDF5_PLUGIN_PRELOAD": "::",
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "2",
        "TF_NUM_INTRAOP_THREADS": "2",
        "TF_NUM_INTEROP_THREADS": "2",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }


def _tail(told: IO[bytes]) -> str:
    """The end of what the runtime wrote, harmless in a log."""
    size = told.seek(0, os.SEEK_END)
    told.seek(max(0, size - _TOLD_BYTES))
    return ascii(told.read().decode("utf-8", "replace"))


def _raise_for(status: int | None, told: str, bounds: Bounds) -> None:
    if status == 0:
        return
    if status is None:
        raise ModelRefused(f"reading it took longer than {bounds.deadline_s:g} s")
    if status == EXIT_UNLOCKED:
        raise ConverterUnavailable(f"the converter cannot be locked in on this host: {told[-200:]}")
    if status == EXIT_MEMORY or "bad_alloc" in told or "MemoryError" in told:
        raise ModelRefused(f"reading it takes more than {bounds.memory_bytes / 2**20:,.0f} MiB of memory")
    if status == -signal.SIGXCPU:
        raise ModelRefused(f"reading it took more than {bounds.cpu_s} s of processor time")
    if status == -signal.SIGXFSZ:
        raise ModelRefused(f"what comes out of it is larger than {bounds.answer_bytes / 2**20:,.0f} MiB")
    if status == 1:
        print(told.replace("\\n", "\n"))
    how = signal.Signals(-status).name if status < 0 else f"status {status}"
    raise ModelRefused(f"it crashes what reads it ({how})")


def _read(answered: IO[bytes], bounds: Bounds) -> Frame:
    if answered.seek(0, os.SEEK_END) > bounds.answer_bytes:
        raise ModelRefused("what comes out of it is too large")
    answered.seek(0)
    try:
        return Frame.unpack(answered.read())
    except FrameError as error:
        raise ModelRefused(f"what read it gave no answer ({error})") from error

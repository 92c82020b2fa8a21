"""Loaded runtimes behind one small face; the only file that imports ONNX Runtime.

A session is built from bytes that were verified before, never from a path, so a file that is swapped in between
cannot be loaded. One thread per session and no spinning: two pools on the same cores fight (158 ms for what takes
91), and one process per core is the best throughput.
"""

from __future__ import annotations

import importlib
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import cv2
import numpy as np
import onnxruntime

from pipeline.errors import ModelLoadError
from pipeline.models.onnx_check import check_onnx

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    Tensor: TypeAlias = NDArray[Any]

SESSION_OPTIONS: Final = {
    "session.intra_op.allow_spinning": "0",
    "session.inter_op.allow_spinning": "0",
}
CUDA: Final = "CUDAExecutionProvider"
CPU: Final = "CPUExecutionProvider"


class Session(Protocol):
    """A network that is ready: a batch in, named outputs out.

    ``batch`` is how many pictures every pass carries. It is fixed, so that a picture's numbers cannot depend on how
    many neighbours it has: kernels are chosen by shape (a product with one row, a mean over one picture).
    """

    batch: int
    input_names: frozenset[str]
    output_names: frozenset[str]

    def run(self, name: str, batch: Tensor, outputs: Sequence[str]) -> dict[str, Tensor]:
        """One forward pass over ``batch`` [N,...] given to input ``name``; float32 outputs [N,...] by name."""
        ...


class OnnxSession:
    """ONNX Runtime over verified bytes; safe to call from several threads.

    On the CPU a pass carries one picture: more are slower there (MobileNetV2, one thread: 10 ms a picture alone, 17 in
    sixteens). On CUDA it carries ``batch``. A file that fixes its batch decides itself.
    """

    def __init__(self, content: bytes, *, threads: int = 1, device: str = "cpu", batch: int = 16) -> None:
        check_onnx(content)
        try:
            self._session = onnxruntime.InferenceSession(
                content, sess_options=_options(threads), providers=_providers(device)
            )
        except ModelLoadError:
            raise
        except Exception as error:  # ONNX Runtime raises a dozen unrelated classes of its own
            raise ModelLoadError(f"ONNX Runtime refuses the model: {error}") from error
        if device == "cuda" and self._session.get_providers()[0] != CUDA:
            raise ModelLoadError(
                "CUDA was asked for, but ONNX Runtime fell back to the CPU: check driver and libraries"
            )
        first = self._session.get_inputs()[0].shape[0]
        self.batch: int = first if isinstance(first, int) else 1 if device == "cpu" else batch
        self.input_names = frozenset(node.name for node in self._session.get_inputs())
        self.output_names = frozenset(node.name for node in self._session.get_outputs())

    def run(self, name: str, batch: Tensor, outputs: Sequence[str]) -> dict[str, Tensor]:
        """See ``Session.run``."""
        found = self._session.run(list(outputs), {name: batch})
        return {output: np.asarray(array) for output, array in zip(outputs, found, strict=True)}


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    for key, value in SESSION_OPTIONS.items():
        options.add_session_config_entry(key, value)
    return options


def _providers(device: str) -> list[str | tuple[str, dict[str, str]]]:
    if device == "cpu":
        return [CPU]
    if CUDA not in onnxruntime.get_available_providers():
        raise ModelLoadError("CUDA was asked for, but this ONNX Runtime has no CUDA provider (install onnxruntime-gpu)")
    onnxruntime.preload_dlls()  # CUDA's libraries come as wheels, which the linker does not search
    # TF32 would drop 13 bits of every product; an exhaustive search picks other kernels from run to run.
    return [(CUDA, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}), CPU]


def _open_tflite(content: bytes, *, threads: int = 1, device: str = "cpu", batch: int = 1) -> Session:
    """LiteRT, on the CPU whatever the device: there is no delegate here. Optional: only the public pack needs it."""
    try:
        litert = importlib.import_module("pipeline.models.litert")
    except ImportError as error:
        raise ModelLoadError(f"LiteRT is not installed on this {device} worker ({batch=})") from error
    session: Session = litert.LiteRtSession(content, threads=threads)
    return session


OPENERS: Final[Mapping[str, Callable[..., Session]]] = {"onnx": OnnxSession, "tflite": _open_tflite}


def runtime_profile(threads: int = 1, device: str = "cpu", batch: int = 16) -> str:
    """What may change the last bits of a number on this machine, in one line."""
    provider = CUDA if device == "cuda" else CPU
    return (
        f"onnxruntime-{onnxruntime.__version__} {provider} {platform.machine()} {_vector_class()} "
        f"threads={threads} batch={1 if device == 'cpu' else batch} opencv-{cv2.__version__}"
    )


def _vector_class() -> str:
    """The widest vector instructions the kernels may choose, as the kernel of the system reports them."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return "unknown"
    ladder = ("amx_tile", "avx512_vnni", "avx512f", "avx_vnni", "avx2", "avx", "asimd")
    return next((step for step in ladder if step in words), "baseline")

"""Loaded runtimes behind one small face; the only file that imports ONNX Runtime.

A session is built from bytes that were verified before, never from a path, so a file that is swapped in between
cannot be loaded. One thread per session and no spinning: spinning pools on the same cores fight (45 ms for what takes
14), and one process per core is the best throughput (7): `bench/README.md`, pools.
"""

from __future__ import annotations

import importlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import cv2
import numpy as np
import onnxruntime

from pipeline.errors import ModelLoadError
from pipeline.models.cascade import CascadeSession
from pipeline.models.onnx_check import check_onnx

if TYPE_CHECKING:
    from typing import TypeAlias

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
    input_shapes: Mapping[str, Sequence[int | None]]
    """Shape of each input, its batch included; None for a side that may have any length. Not of inputs of any shape."""

    def run(self, name: str, batch: Tensor, outputs: Sequence[str]) -> dict[str, Tensor]:
        """One forward pass over ``batch`` [N,...] given to input ``name``; outputs [N,...] by name."""
        ...


class OnnxSession:
    """ONNX Runtime over verified bytes; safe to call from several threads.

    On the CPU a pass carries one picture: more are slower there (MobileNetV2, one thread: 10 ms a picture alone, 17 in
    sixteens). On CUDA it carries ``batch``. A file that fixes its batch decides itself.
    """

    def __init__(
        self, content: bytes, *, threads: int = 1, device: str = "cpu", batch: int = 16, gpu_bytes: int | None = None
    ) -> None:
        check_onnx(content)
        try:
            self._session = onnxruntime.InferenceSession(
                content, sess_options=_options(threads), providers=_providers(device, gpu_bytes)
            )
        except ModelLoadError:
            raise
        except Exception as error:  # ONNX Runtime raises a dozen unrelated classes of its own
            raise ModelLoadError(f"ONNX Runtime refuses the model: {error}") from error
        if device == "cuda" and self._session.get_providers()[0] != CUDA:
            raise ModelLoadError(
                "CUDA was asked for, but ONNX Runtime fell back to the CPU: check driver and libraries"
            )
        self.input_shapes: Mapping[str, Sequence[int | None]] = {
            node.name: [side if isinstance(side, int) else None for side in node.shape]
            for node in self._session.get_inputs()
        }
        first = next(iter(self.input_shapes.values()))[:1]
        self.batch: int = first[0] if first and first[0] else 1 if device == "cpu" else batch
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


def _providers(device: str, gpu_bytes: int | None = None) -> list[str | tuple[str, dict[str, str]]]:
    if device == "cpu":
        return [CPU]
    if CUDA not in onnxruntime.get_available_providers():
        raise ModelLoadError("CUDA was asked for, but this ONNX Runtime has no CUDA provider (install onnxruntime-gpu)")
    onnxruntime.preload_dlls()  # CUDA's libraries come as wheels, which the linker does not search
    return [(CUDA, cuda_options(gpu_bytes)), CPU]


def cuda_options(gpu_bytes: int | None) -> dict[str, str]:
    """TF32 would drop 13 bits of every product; an exhaustive search picks other kernels from run to run.

    ``gpu_bytes`` bounds the session's arena; None: as much as it asks for.
    """
    limit = {} if gpu_bytes is None else {"gpu_mem_limit": str(gpu_bytes)}
    return {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC", **limit}


@dataclass(frozen=True)
class Opening:
    """How to open a session: the manifest's name and type of the input, and the room's settings."""

    name: str = ""
    dtype: str = ""
    threads: int = 1
    device: str = "cpu"
    batch: int = 16
    gpu_bytes: int | None = None


def _open_onnx(content: bytes, how: Opening) -> Session:
    return OnnxSession(content, threads=how.threads, device=how.device, batch=how.batch, gpu_bytes=how.gpu_bytes)


def _open_tflite(content: bytes, how: Opening) -> Session:
    """LiteRT, on the CPU whatever the device: there is no delegate here."""
    session = _module("litert").LiteRtSession(content, threads=how.threads)
    if how.name in session.input_names and not session.takes(how.name, how.dtype):
        raise ModelLoadError(f"the network's input {how.name} does not take the manifest's {how.dtype}")
    opened: Session = session
    return opened


def _open_lightgbm(content: bytes, how: Opening) -> Session:
    session: Session = _module("lightgbm_session").LightGbmSession(content, threads=how.threads)
    return session


def _open_cascade(content: bytes, how: Opening) -> Session:  # noqa: ARG001  OpenCV's threads are the process's
    return CascadeSession(content)


def _open_rembg(content: bytes, how: Opening) -> Session:
    session: Session = _module("rembg_session").RembgSession(content, how.name, threads=how.threads)
    return session


def _module(name: str) -> Any:
    """A session's module. Its runtime is optional: a worker needs only those of its packs."""
    try:
        return importlib.import_module(f"pipeline.models.{name}")
    except (ImportError, OSError) as error:  # OSError: a library of the system that it links against is missing
        raise ModelLoadError(f"a runtime that this model needs is not installed: {error}") from error


OPENERS: Final[Mapping[str, Callable[[bytes, Opening], Session]]] = {
    "onnx": _open_onnx,
    "tflite": _open_tflite,
    "lightgbm": _open_lightgbm,
    "opencv": _open_cascade,
    "rembg": _open_rembg,
}
"""By the manifest's runtime."""


def runtime_profile(threads: int = 1, device: str = "cpu", batch: int = 16) -> str:
    """What may change the last bits of a number on this machine, in one line."""
    provider = CUDA if device == "cuda" else CPU
    return (
        f"onnxruntime-{onnxruntime.__version__} {provider} {platform.machine()} {_vector_class()} "
        f"threads={threads} batch={1 if device == 'cpu' else batch} opencv-{cv2.__version__}{_optional()}"
    )


def _optional() -> str:
    """The other runtimes' versions, as far as they are installed; nothing is imported for it."""
    found = []
    for package, name in (("ai-edge-litert", "litert"), ("lightgbm", "lightgbm"), ("rembg", "rembg")):
        try:
            found.append(f" {name}-{version(package)}")
        except PackageNotFoundError:
            continue
    return "".join(found)


def _vector_class() -> str:
    """The widest vector instructions the kernels may choose, as the kernel of the system reports them."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return "unknown"
    ladder = ("amx_tile", "avx512_vnni", "avx512f", "avx_vnni", "avx2", "avx", "asimd")
    return next((step for step in ladder if step in words), "baseline")

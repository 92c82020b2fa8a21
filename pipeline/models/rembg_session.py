"""rembg behind the session's face, where it is installed. Its first import takes most of a minute (numba compiles)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from PIL import Image
from rembg.sessions import sessions

from pipeline.errors import ModelLoadError
from pipeline.models.onnx_check import check_onnx

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    Tensor: TypeAlias = NDArray[Any]


class RembgSession:
    """One picture of any size per pass, uint8 [1,h,w,3] → ``alpha`` uint8 [1,h,w]; on the CPU.

    ``name`` is rembg's name of the network. rembg would look for the file itself and download it: here the one method
    that does so gives back a file with our verified bytes, in a folder of our own that is gone once it is loaded.
    Sessions that send pictures elsewhere are refused.
    """

    batch = 1
    output_names = frozenset({"alpha"})

    def __init__(self, content: bytes, name: str, *, threads: int = 1) -> None:
        check_onnx(content)
        kind = sessions.get(name)
        if kind is None or not kind.is_local() or kind.requires_credentials():
            raise ModelLoadError(f"rembg has no network {name!r} that runs on this machine")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.use_deterministic_compute = True
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        with tempfile.TemporaryDirectory(prefix="scanmill-rembg-") as folder:
            file = Path(folder) / "model.onnx"
            file.write_bytes(content)
            pinned = type(kind.__name__, (kind,), {"download_models": _always(file)})
            try:
                self._session = pinned(name, options, providers=["CPUExecutionProvider"])
            except Exception as error:  # whatever ONNX Runtime and the session's own constructor raise
                raise ModelLoadError(f"rembg refuses the model: {error}") from error
        self.input_names = frozenset({name})
        self.input_shapes: Mapping[str, Sequence[int | None]] = {}

    def run(self, name: str, batch: Tensor, outputs: Sequence[str]) -> dict[str, Tensor]:
        """See ``Session.run``."""
        mask = self._session.predict(Image.fromarray(batch[0]))[0]
        return {output: np.asarray(mask.convert("L"))[None] for output in outputs}


def _always(file: Path) -> Any:
    """A ``download_models`` that downloads nothing."""

    def download_models(*_: object, **__: object) -> str:
        return str(file)

    return staticmethod(download_models)

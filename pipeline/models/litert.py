"""LiteRT (TFLite) behind the session's face."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from pipeline.errors import ModelLoadError
from pipeline.models.quantised import quantisation

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    Tensor: TypeAlias = NDArray[Any]

MOST_ELEMENTS: Final = 2**28
"""Of one tensor: 1 GiB of floats. Looked at before anything is allocated."""


class LiteRtSession:
    """Passes of the size that the graph has, nearly always one picture. Quantised outputs come back as float32.

    Floats for a quantised input are quantised with the input's own scale and zero point; uint8 pixels for a uint8
    input pass as they are. An interpreter owns one set of buffers, so calls take turns. LiteRT itself verifies the
    file's structure (FlatBuffers) before it reads any of it.
    """

    def __init__(self, content: bytes, *, threads: int = 1) -> None:
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            for detail in self._interpreter.get_tensor_details():
                _check_tensor(detail)
            self._interpreter.allocate_tensors()
            self._inputs = {detail["name"]: detail for detail in self._interpreter.get_input_details()}
            self._outputs = {detail["name"]: detail for detail in self._interpreter.get_output_details()}
        except ModelLoadError:
            raise
        except Exception as error:  # the binding raises ValueError and RuntimeError with the C++ text
            raise ModelLoadError(f"LiteRT refuses the model: {error}") from error
        self._turn = threading.Lock()
        self._stored = {name: quantisation(detail) for name, detail in {**self._outputs, **self._inputs}.items()}
        self.input_names = frozenset(self._inputs)
        self.output_names = frozenset(self._outputs)
        self.input_shapes: Mapping[str, Sequence[int | None]] = {
            name: tuple(map(int, detail["shape"])) for name, detail in self._inputs.items()
        }
        first = next(iter(self.input_shapes.values()), ())[:1]
        self.batch: int = (first[0] if first else None) or 1

    def run(self, name: str, batch: Tensor, outputs: Sequence[str]) -> dict[str, Tensor]:
        """See ``Session.run``."""
        stored = self._as_stored(name, batch)
        with self._turn:
            self._interpreter.set_tensor(self._inputs[name]["index"], stored)
            self._interpreter.invoke()
            return {output: self._read(output) for output in outputs}

    def takes(self, name: str, dtype: str) -> bool:
        """Whether an input takes numbers of this type: its own, or floats that it stores as integers."""
        return dtype == np.dtype(self._inputs[name]["dtype"]) or (dtype == "float32" and self._stored[name] is not None)

    def _as_stored(self, name: str, batch: Tensor) -> Tensor:
        wanted, how = np.dtype(self._inputs[name]["dtype"]), self._stored[name]
        if not self.takes(name, batch.dtype.name):
            raise ModelLoadError(f"the network takes {wanted}, the manifest gives {batch.dtype}")
        return batch if how is None or batch.dtype == wanted else how.store(batch)

    def _read(self, output: str) -> Tensor:
        raw, how = np.asarray(self._interpreter.get_tensor(self._outputs[output]["index"])), self._stored[output]
        return raw if how is None else how.real(raw)


def _check_tensor(detail: Mapping[str, Any]) -> None:
    """Raise ModelLoadError for a tensor that could not be allocated, or whose scales would crash a kernel."""
    if math.prod(map(int, detail["shape"])) > MOST_ELEMENTS:
        raise ModelLoadError(f"{detail['name']} has more than {MOST_ELEMENTS} numbers: {list(detail['shape'])}")
    parameters, dtype = detail["quantization_parameters"], np.dtype(detail["dtype"])
    scales, zeros = parameters["scales"], parameters["zero_points"]
    limits = np.iinfo(dtype if dtype.kind in "iu" else np.int32)
    sound = np.isfinite(scales).all() and (scales >= 0).all()
    if not sound or (zeros < limits.min).any() or (zeros > limits.max).any():
        raise ModelLoadError(f"{detail['name']} is stored with scales {scales[:3]} and zero points {zeros[:3]}")

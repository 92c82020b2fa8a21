"""LiteRT (TFLite) behind the session's face."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from pipeline.errors import ModelLoadError

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    Tensor: TypeAlias = NDArray[Any]


class LiteRtSession:
    """One picture per pass: a TFLite graph has a fixed shape. Quantised outputs come back as float32.

    An interpreter owns one set of buffers, so calls take turns.
    """

    batch = 1

    def __init__(self, content: bytes, *, threads: int = 1) -> None:
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
        except Exception as error:  # the binding raises ValueError and RuntimeError with the C++ text
            raise ModelLoadError(f"LiteRT refuses the model: {error}") from error
        self._turn = threading.Lock()
        self._inputs = {detail["name"]: detail for detail in self._interpreter.get_input_details()}
        self._outputs = {detail["name"]: detail for detail in self._interpreter.get_output_details()}
        self.input_names = frozenset(self._inputs)
        self.output_names = frozenset(self._outputs)

    def run(self, name: str, batch: Tensor, outputs: Sequence[str]) -> dict[str, Tensor]:
        """See ``Session.run``; ``batch`` holds one picture."""
        with self._turn:
            self._interpreter.set_tensor(self._inputs[name]["index"], batch)
            self._interpreter.invoke()
            return {output: self._read(output) for output in outputs}

    def _read(self, output: str) -> Tensor:
        detail = self._outputs[output]
        raw = np.asarray(self._interpreter.get_tensor(detail["index"]))
        scale, zero = detail["quantization"]
        return (raw.astype(np.float32) - zero) * np.float32(scale) if scale else raw

"""What passes between us and a converting child: one JSON header, then the arrays and files that it names.

Read as if the child had been taken over, because it may have been: nothing is unpickled, every size must add up.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_HEAD: Final = struct.Struct("<Q")
_MAX_HEADER: Final = 32 * 2**20
_DTYPES: Final = ("float32", "float64", "uint8", "int32", "int64")


class FrameError(ValueError):
    """These bytes are no frame."""


@dataclass(frozen=True)
class Frame:
    """Facts (JSON), arrays and files by name."""

    facts: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    def pack(self) -> bytes:
        """As bytes; arrays of other types than those of ``_DTYPES`` become float32."""
        plain = {name: _plain(array) for name, array in self.arrays.items()}
        header = {
            "facts": self.facts,
            "arrays": [[name, array.dtype.name, list(array.shape)] for name, array in plain.items()],
            "files": [[name, len(content)] for name, content in self.files.items()],
        }
        text = json.dumps(header).encode()
        parts = [array.tobytes() for array in plain.values()] + list(self.files.values())
        return b"".join([_HEAD.pack(len(text)), text, *parts])

    @classmethod
    def unpack(cls, content: bytes) -> Frame:
        """From bytes. Raises FrameError."""
        try:
            return cls._unpack(content)
        except (struct.error, KeyError, TypeError, ValueError, RecursionError) as error:
            raise FrameError(f"no frame: {ascii(str(error))[:200]}") from error

    @classmethod
    def _unpack(cls, content: bytes) -> Frame:
        (size,) = _HEAD.unpack_from(content)
        if size > min(_MAX_HEADER, len(content) - _HEAD.size):
            raise FrameError("the header does not fit")
        at = _HEAD.size + size
        header = json.loads(content[_HEAD.size : at])
        arrays: dict[str, NDArray[Any]] = {}
        for name, dtype, shape in header["arrays"]:
            if dtype not in _DTYPES or any(type(side) is not int or side < 0 for side in shape):
                raise FrameError(f"array of {dtype} {shape}")
            values = np.frombuffer(content, dtype, math.prod(shape), at)
            arrays[str(name)] = values.reshape(shape)
            at += values.nbytes
        files: dict[str, bytes] = {}
        for name, length in header["files"]:
            if type(length) is not int or not 0 <= length <= len(content) - at:
                raise FrameError("a file does not fit")
            files[str(name)] = content[at : at + length]
            at += length
        if at != len(content) or not isinstance(header["facts"], dict):
            raise FrameError("the parts do not add up")
        return cls(header["facts"], arrays, files)


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array if array.dtype.name in _DTYPES else array.astype(np.float32))

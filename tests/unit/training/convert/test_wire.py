"""Frames between us and a child: whole, or refused."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from training.convert.wire import Frame, FrameError

WHOLE = Frame({"a": 1}, {"x": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"f": b"bytes"})


def test_a_frame_comes_back_as_it_was() -> None:
    back = Frame.unpack(WHOLE.pack())
    assert back.facts == {"a": 1}
    assert np.array_equal(back.arrays["x"], WHOLE.arrays["x"])
    assert back.files == {"f": b"bytes"}


def test_unusual_numbers_travel_as_float32() -> None:
    assert Frame.unpack(Frame({}, {"x": np.ones(3, np.float16)}).pack()).arrays["x"].dtype == np.float32


def framed(header: object, rest: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rest


@pytest.mark.parametrize(
    "content",
    [
        b"",
        WHOLE.pack()[:-1],
        WHOLE.pack() + b"x",
        struct.pack("<Q", 2**60),
        framed(b"not json"),
        framed(b"[" * 100_000),
        framed({"facts": {}, "arrays": [], "files": [["f", -1]]}),
        framed({"facts": {}, "arrays": [], "files": [["f", 2**60]]}),
        framed({"facts": {}, "arrays": [["x", "float32", [2**40]]], "files": []}),
        framed({"facts": {}, "arrays": [["x", "float32", [-1]]], "files": []}, bytes(4)),
        framed({"facts": {}, "arrays": [["x", "object", [1]]], "files": []}, bytes(8)),
        framed({"facts": [], "arrays": [], "files": []}),
        framed({"facts": {}}),
        framed([]),
    ],
)
def test_what_is_no_frame_is_refused(content: bytes) -> None:
    with pytest.raises(FrameError):
        Frame.unpack(content)

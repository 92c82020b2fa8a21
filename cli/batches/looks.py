"""How pictures look, as 64 bits each: decoded in the limited children, several at once, and forgotten."""

from __future__ import annotations

import os
from array import array
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import imagehash
import numpy as np
from PIL import Image

from cli.batches.near import Hashes, alike
from pipeline.errors import InputError
from pipeline.imaging.decode import Decoder
from pipeline.sniff import ImageLimits

SIDE = 64
"""Longest side of what is decoded, in pixels: the hash reads the lowest 8 x 8 frequencies of 32 x 32."""
DECODERS = min(8, os.cpu_count() or 1)


class Looks:
    """Takes pictures by name and tells which look alike. Memory holds 8 bytes and a name for each."""

    def __init__(self, limits: ImageLimits) -> None:
        self._limits = limits
        self._decoder = Decoder()
        self._pool = ThreadPoolExecutor(DECODERS)
        self._waiting: deque[tuple[str, Future[int]]] = deque()
        self._names: list[str] = []
        self._hashes = array("Q")
        self.refused: list[tuple[str, str]] = []
        """Code and name of what cannot be decoded, though its header was in order."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._decoder.close()

    def add(self, name: str, content: bytes) -> None:
        """Take a picture; waits while enough others are being decoded."""
        self._waiting.append((name, self._pool.submit(self._hash, content)))
        if len(self._waiting) > 2 * DECODERS:
            self._take()

    def hashes(self) -> tuple[list[str], Hashes]:
        """Names and hashes of all that could be decoded."""
        while self._waiting:
            self._take()
        return self._names, np.frombuffer(self._hashes, np.uint64)

    def found(self, distance: int) -> dict[str, Any]:
        """Pairs of pictures whose hashes differ in at most `distance` of 64 bits: how many, and the nearest by name."""
        names, hashes = self.hashes()
        seen = alike(hashes, distance)
        return {
            "distance": distance,
            "pairs": seen.pairs,
            "pictures": seen.pictures,
            "nearest": [{"a": names[a], "b": names[b], "distance": apart} for a, b, apart in seen.nearest],
        }

    def _take(self) -> None:
        name, future = self._waiting.popleft()
        try:
            self._hashes.append(future.result())
            self._names.append(name)
        except InputError as error:
            self.refused.append((error.code, name))

    def _hash(self, content: bytes) -> int:
        """The perceptual hash by discrete cosine transform (Zauner 2010)."""
        pixels = self._decoder.decode(content, self._limits, SIDE).pixels
        bits = imagehash.phash(Image.fromarray(pixels)).hash
        return int.from_bytes(np.packbits(bits).tobytes())

"""Decode a stranger's picture: the client of the decode server.

The bytes go to a locked-in child that lives for one picture; what comes back is checked as if the child had been
taken over, because it may have been.
"""

from __future__ import annotations

import atexit
import dataclasses
import functools
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from pipeline.errors import (
    DecodeMemoryLimit,
    DecoderCrash,
    DecoderUnavailable,
    DecodeTimeout,
    InputError,
    taxonomy,
)
from pipeline.imaging.decoder_door import Door, HostDoor, OwnDoor
from pipeline.imaging.wire import ANSWER, MAX_JSON, REQUEST, LastWord, Verdict, pack_json
from pipeline.settings import PipelineSettings
from pipeline.sniff import Format, ImageLimits, check_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ATTEMPTS = 3
_GRACE_S = 10.0
"""How much longer than a child's deadline we wait for a server's answer."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The canonical picture: ``pixels`` uint8 (h, w, 3), sRGB, upright, on white, nothing of the metadata.

    Original sizes are in pixels, upright. ``scale`` is canonical over original size, at most 1.
    """

    pixels: NDArray[np.uint8]
    format: Format
    original_width: int
    original_height: int
    scale: float
    orientation_applied: bool


class Decoder:
    """A way to a decode server: the host's when settings name a socket, else a private one, started when needed.

    Safe to share between threads. After a fork the new process starts its own. Close it, or the process's end does.
    """

    def __init__(self, settings: PipelineSettings | None = None) -> None:
        self._settings = settings or PipelineSettings()
        socket_path = self._settings.decoder_socket
        self._door: Door = HostDoor(socket_path) if socket_path else OwnDoor(self._settings)
        self.peak_bytes = 0
        """Largest resident memory that any child of ours ever had."""

    def decode(self, content: bytes, limits: ImageLimits | None = None, longest_side: int = 2048) -> Decoded:
        """Decode one picture; sides longer than ``longest_side`` pixels are scaled down.

        Raises EmptyFile, an InputError that says what is wrong with the picture, or DecoderUnavailable, which is not
        the picture's fault.
        """
        limits = limits or self._settings.image_limits
        side = min(longest_side, limits.max_side)
        asked = {"limits": dataclasses.asdict(limits), "longest_side": longest_side}
        return _decoded(self.answer(asked, content, 3 * side * side, limits), longest_side)

    def answer(
        self, asked: Mapping[str, Any], content: bytes, most: int, limits: ImageLimits | None = None
    ) -> NDArray[np.uint8]:
        """What a child says of a file, for ``told``: JSON and at most ``most`` bytes. Raises as ``decode`` does."""
        check_bytes(len(content), limits or self._settings.image_limits)
        sha256 = hashlib.sha256(content).hexdigest() if self._settings.fault_plan else ""
        # Not touched yet, and so not there yet: only what arrives takes memory.
        room = np.empty(ANSWER.size + MAX_JSON + most + LastWord.LAYOUT.size, np.uint8)
        answer, word = self._ask(pack_json({**asked, "sha256": sha256}), content, room)
        self.peak_bytes = max(self.peak_bytes, word.peak_kib * 1024)
        _raise_for(word.verdict)
        return answer

    @property
    def server_starts(self) -> int:
        """How many private servers were started so far; more than one means that one died."""
        return self._door.starts

    def close(self) -> None:
        """End the private server, if there is one."""
        self._door.close()

    def _ask(self, request: bytes, content: bytes, room: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], LastWord]:
        """One exchange, begun anew when the server died under it: that is never the picture's doing."""
        reason = ""
        for _ in range(_ATTEMPTS):
            try:
                opened = self._door.connect()
            except OSError as error:
                raise DecoderUnavailable("the decode server cannot be reached") from error
            try:
                with opened as connection:
                    connection.settimeout(self._settings.decoder_deadline_s + _GRACE_S)
                    answer = _exchange(connection, request, content, room)
            except TimeoutError as error:
                raise DecoderUnavailable("the decode server does not answer") from error
            except OSError as error:
                reason = repr(error)
                continue
            word = LastWord.unpack(answer[-LastWord.LAYOUT.size :].tobytes())
            if word is not None and word.verdict is not Verdict.NOT_STARTED:
                return answer[: -LastWord.LAYOUT.size], word
            reason = "no last word" if word is None else "no child could be started"
        raise DecoderUnavailable(reason)


def _exchange(connection: socket.socket, request: bytes, content: bytes, room: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Send a request and read what comes until the end, the last word included; at most ``room``."""
    try:
        connection.sendall(REQUEST.pack(len(request), len(content)) + request)
        connection.sendall(content)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the child died over the request; the server still says how
    view, at = room.data, 0
    while at < len(room):
        got = connection.recv_into(view[at:])
        if not got:
            break
        at += got
    return room[:at]


def _raise_for(verdict: Verdict) -> None:
    if verdict is Verdict.TIMEOUT:
        raise DecodeTimeout("the child was killed at its deadline")
    if verdict is Verdict.MEMORY:
        raise DecodeMemoryLimit("the child had no memory left")
    if verdict is not Verdict.ENDED:
        raise DecoderCrash("the child died")


def _decoded(answer: NDArray[np.uint8], longest_side: int) -> Decoded:
    """Read a child's answer, believing nothing of it."""
    with doubting():
        fields, pixels = told(answer)
        width, height, wide, high = (int(fields[f"{kind}{side}"]) for kind in ("", "original_") for side in _SIDES)
        if not (0 < width <= wide and 0 < height <= high and max(width, height) <= longest_side):
            raise ValueError(f"{width} x {height} from {wide} x {high}")
        if fields["format"] not in get_args(Format):
            raise ValueError("an unknown format")
        pixels = pixels.reshape(height, width, 3)
        scale = max(width, height) / max(wide, high)
        return Decoded(pixels, fields["format"], wide, high, scale, bool(fields["orientation_applied"]))


@contextmanager
def doubting() -> Iterator[None]:
    """What does not fit in a child's answer is a crash of it, whatever that breaks here."""
    try:
        yield
    except (struct.error, ValueError, KeyError, TypeError, OverflowError) as error:
        raise DecoderCrash("the child's answer makes no sense") from error


def told(answer: NDArray[np.uint8]) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """A child's JSON and the bytes after it, to be read ``doubting``. Raises what it refuses with."""
    (size,) = ANSWER.unpack(answer[: ANSWER.size].tobytes())
    start = ANSWER.size + size
    fields: dict[str, Any] = json.loads(answer[ANSWER.size : start].tobytes())
    if "code" in fields:
        raise _refusal(str(fields["code"]), str(fields["detail"]))
    return fields, answer[start:]


_SIDES = ("width", "height")


def _refusal(code: str, detail: str) -> InputError:
    """The error of a child's code. A child may only speak of its picture."""
    kind = taxonomy().get(code)
    if kind is None or not issubclass(kind, InputError):
        return DecoderCrash(f"the child says {code[:40]!a}")
    return kind(detail)


_guard = threading.Lock()


@functools.cache
def _own() -> Decoder:
    decoder = Decoder()
    atexit.register(decoder.close)
    return decoder


def own() -> Decoder:
    """This process's own decoder, made from the settings at the first call."""
    with _guard:
        return _own()


def decode(content: bytes, limits: ImageLimits | None = None, longest_side: int = 2048) -> Decoded:
    """``Decoder.decode`` by this process's own decoder."""
    return own().decode(content, limits, longest_side)

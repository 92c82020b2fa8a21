"""A child that has been taken over may say anything."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import (
    DecoderCrash,
    DecoderUnavailable,
    NotACat,
)
from pipeline.imaging import decode as module
from pipeline.imaging.wire import ANSWER, LastWord, Verdict, pack_json
from tests.unit.pipeline.imaging.decoders import PICTURE, PIXELS

TRUE = {
    "width": 2,
    "height": 1,
    "original_width": 4,
    "original_height": 2,
    "format": "png",
    "orientation_applied": False,
}
"""What a child says of a good picture, 2 x 1 pixels."""


def answer(fields: dict[str, object], pixels: bytes = bytes(6)) -> np.ndarray:
    text = pack_json(fields)
    return np.frombuffer(ANSWER.pack(len(text)) + text + pixels, np.uint8)


def test_a_true_answer():
    got = module._decoded(answer(TRUE, bytes(range(6))), 64)
    assert got.pixels.tolist() == [[[0, 1, 2], [3, 4, 5]]] and got.scale == 0.5


@pytest.mark.parametrize(
    "lie",
    [
        {"width": 3},
        {"width": -2, "height": -1},
        {"width": 0},
        {"width": 10**30},
        {"width": "2; DROP"},
        {"height": None},
        {"original_width": 1},
        {"format": "svg"},
        {"code": "STORAGE_UNAVAILABLE", "detail": ""},
        {"code": "NOT_A_CAT", "detail": ""},
        {"code": "CORRUPT_IMAGE"},
    ],
)
def test_a_lie_is_a_crash(lie: dict[str, object]):
    with pytest.raises(DecoderCrash):
        module._decoded(answer({**TRUE, **lie}), 64)
    assert NotACat.code == "NOT_A_CAT"


@pytest.mark.parametrize("noise", [b"", b"\0\0\0", b"\xff" * 40, ANSWER.pack(2) + b"{}", ANSWER.pack(4) + b"null"])
def test_noise_is_a_crash(noise: bytes):
    with pytest.raises(DecoderCrash):
        module._decoded(np.frombuffer(noise, np.uint8), 64)


def test_an_answer_larger_than_asked_for_is_a_crash():
    with pytest.raises(DecoderCrash):
        module._decoded(answer({**TRUE, "width": 65, "original_width": 130}, bytes(65 * 3)), 64)


def test_last_word():
    assert LastWord.unpack(LastWord(Verdict.MEMORY, 7).pack()) == LastWord(Verdict.MEMORY, 7)
    assert LastWord.unpack(b"smL") is None and LastWord.unpack(bytes(9)) is None
    assert LastWord.unpack(b"smLW\x63\0\0\0\0") is None


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_an_answer_without_the_last_word_does_not_count(made, tmp_path: Path, share: float):
    text = pack_json({**TRUE, "width": 96, "height": 64, "original_width": 96, "original_height": 64})
    whole = ANSWER.pack(len(text)) + text + PIXELS.tobytes()
    path = tmp_path / "dying.sock"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen(8)

        def die_over_each() -> None:
            for _ in range(3):
                with door.accept()[0] as connection:
                    connection.recv(1 << 20)
                    connection.sendall(whole[: int(len(whole) * share)])

        thread = threading.Thread(target=die_over_each)
        thread.start()
        with pytest.raises(DecoderUnavailable):
            made(decoder_socket=str(path)).decode(PICTURE)
        thread.join()

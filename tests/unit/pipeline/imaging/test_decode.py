"""The decode child from outside: what it gives back, how it dies, and that nobody else notices."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import (
    DecodeMemoryLimit,
    DecoderCrash,
    DecoderUnavailable,
    DecodeTimeout,
    EmptyFile,
    FileTooLarge,
)
from pipeline.imaging.decode import Decoder
from pipeline.imaging.wire import LastWord
from pipeline.sniff import ImageLimits
from tests.hostile.pictures import blank_png, oriented, saved, scene
from tests.unit.pipeline.imaging.decoders import (
    FLAT,
    PICTURE,
    PIXELS,
    SLOW,
    asked,
    only_child,
    plan,
    server,
    waits_until,
)


def test_what_comes_back(decoder: Decoder):
    got = decoder.decode(saved("PNG", scene(400, 200), exif=oriented(6)), longest_side=100)
    assert got.pixels.shape == (100, 50, 3) and got.pixels.dtype == np.uint8
    assert (got.format, got.original_width, got.original_height, got.scale) == ("png", 200, 400, 0.25)
    assert got.orientation_applied
    assert np.array_equal(decoder.decode(PICTURE).pixels, PIXELS)


def test_equal_bytes_give_equal_pixels_from_any_server(made, decoder: Decoder):
    content = saved("JPEG", scene(900, 700), quality=80)
    assert (
        decoder.decode(content, longest_side=300).pixels.tobytes()
        == made().decode(content, longest_side=300).pixels.tobytes()
    )


def test_large_answers_fit_through(decoder: Decoder):
    large = scene(2048, 2048)
    assert np.array_equal(decoder.decode(saved("BMP", large)).pixels, np.asarray(large))


def test_limits_of_bytes_and_settings(made, decoder: Decoder):
    with pytest.raises(EmptyFile):
        decoder.decode(b"")
    with pytest.raises(FileTooLarge):
        decoder.decode(PICTURE, ImageLimits(max_bytes=len(PICTURE) - 1))
    with pytest.raises(FileTooLarge):
        made(max_upload_bytes=len(PICTURE) - 1).decode(PICTURE)


@pytest.mark.parametrize(
    ("action", "error"),
    [("segv", DecoderCrash), ("kill9", DecodeMemoryLimit), ("sleep:60", DecodeTimeout), ("raise", DecoderCrash)],
)
def test_a_child_that_dies_takes_nobody_along(made, action: str, error: type[Exception]):
    poison = saved("PNG", scene(70, 70))
    decoder = made(decoder_deadline_s=1.0, fault_plan=plan(action, poison))
    assert np.array_equal(decoder.decode(PICTURE).pixels, PIXELS)
    before = server(decoder).pid
    began = time.monotonic()
    with pytest.raises(error):
        decoder.decode(poison)
    assert time.monotonic() - began < 20
    assert np.array_equal(decoder.decode(PICTURE).pixels, PIXELS)
    assert server(decoder).pid == before and decoder.server_starts == 1


def test_faults_are_refused_outside_of_tests(made, capfd):
    with pytest.raises(DecoderUnavailable):
        made(environment="production", fault_plan=plan("segv")).decode(PICTURE)
    assert "SCANMILL_ENV is not 'test'" in capfd.readouterr().err


def test_too_much_memory_for_real(made):
    decoder = made(decoder_memory_bytes=128 * 1024 * 1024)
    for hungry in (blank_png(5000, 5000), saved("JPEG", FLAT), saved("WEBP", FLAT, method=0)):
        with pytest.raises(DecodeMemoryLimit):
            decoder.decode(hungry)
    assert decoder.decode(PICTURE).scale == 1
    assert decoder.peak_bytes < 140 * 1024 * 1024


def test_too_much_processor_time_for_real(made):
    decoder = made(decoder_cpu_s=1)
    with pytest.raises(DecodeTimeout):
        decoder.decode(SLOW)
    assert decoder.server_starts == 1


def test_the_child_is_locked_in_and_loads_no_runtime(decoder: Decoder):
    ends: list[Exception] = []

    def work() -> None:
        with pytest.raises(DecodeMemoryLimit) as raised:
            decoder.decode(SLOW)
        ends.append(raised.value)

    worker = threading.Thread(target=work)
    worker.start()
    child = only_child(decoder)

    def status() -> dict[str, str]:
        lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    assert waits_until(lambda: status()["Seccomp"] == "2"), "children decode behind a filter"
    told = status()
    assert told["NoNewPrivs"] == "1" and told["Threads"] == "1"
    assert set(told["Uid"].split()) == ({"65534"} if os.geteuid() == 0 else {str(os.geteuid())})
    assert int(told["CapEff"], 16) == 0 or os.geteuid() != 0
    if os.geteuid() == 0:  # nobody else may look
        assert len(list(Path(f"/proc/{child.pid}/fd").iterdir())) == 4
    loaded = Path(f"/proc/{server(decoder).pid}/maps").read_text()
    assert not [name for name in ("numpy", "onnx", "cv2", "pydantic", "torch") if name in loaded]
    child.kill()  # as the kernel does when memory runs out
    worker.join()
    assert ends


def test_many_at_once_each_get_their_own(made):
    decoder = made(decoder_children=3)
    pictures = [scene(40 + 5 * place, 60) for place in range(12)]
    wrong: list[int] = []

    def work(place: int) -> None:
        content, expected = saved("PNG", pictures[place]), np.asarray(pictures[place])
        wrong.extend(place for _ in range(3) if not np.array_equal(decoder.decode(content).pixels, expected))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and decoder.server_starts == 1
    assert waits_until(lambda: not server(decoder).children())


def test_no_more_children_than_allowed(made):
    decoder = made(decoder_children=2, fault_plan=plan("sleep:0.4"))
    threads = [threading.Thread(target=decoder.decode, args=(PICTURE,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    most = 0
    while any(thread.is_alive() for thread in threads):
        most = max(most, len(server(decoder).children()) if decoder._door.pid else 0)
        time.sleep(0.02)
    assert most == 2


@pytest.mark.parametrize("side", range(258, 274, 2))
def test_a_slow_client_gets_the_last_word_too(decoder: Decoder, side: int):
    """Around these sizes a child's answer fills the socket to the brim, and the server must wait to add its word."""
    decoder.decode(PICTURE)
    with asked(decoder, saved("BMP", scene(side, side))) as connection:
        waits_until(lambda: not server(decoder).children(), 0.3)
        got = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    assert LastWord.unpack(got[-LastWord.LAYOUT.size :]) is not None
    assert len(got) > 3 * side * side


def test_a_client_that_hangs_up_costs_no_more_work(made):
    decoder = made(fault_plan=plan("sleep:60"))
    connection = asked(decoder, PICTURE)
    assert waits_until(lambda: server(decoder).children())
    connection.close()
    assert waits_until(lambda: not server(decoder).children())

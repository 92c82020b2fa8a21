"""Every hostile picture: through the header reader, and through the real decode child with a good one after it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ScanmillError
from pipeline.imaging.codec import pixel_digest
from pipeline.imaging.decode import Decoder
from pipeline.sniff import ImageLimits, sniff
from tests.hostile import images
from tests.hostile.images import OK, ROWS, Row
from tests.hostile.pictures import saved, scene

GOLDEN = json.loads((Path(__file__).parent / "images_golden.json").read_text())
HEADER_SHOWS = {images.EMPTY, images.TOO_LARGE, images.UNSUPPORTED, images.SMALL}
HEADER_SHOWS |= {images.PIXELS, images.SIDE, images.ASPECT, images.ANIMATED, images.CORRUPT}
ONLY_THE_DECODER_SEES = {"H165"}
CONTROL = saved("PNG", scene(120, 80))
MEMORY_BOUND = 600 * 1024 * 1024

SHUFFLED = random.Random(20261121).sample(ROWS, len(ROWS))


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.close()


def test_ids_are_complete_and_in_order():
    assert [row.id for row in ROWS] == [f"H{place:03}" for place in range(1, len(ROWS) + 1)]
    assert len(ROWS) >= 155


@pytest.mark.parametrize("row", SHUFFLED, ids=lambda row: row.id)
def test_row(row: Row, decoder: Decoder):
    content = row.make()
    seen = seen_in_header(content)
    code, digest = decoded(decoder, content)
    assert code in row.expected, row.note
    assert seen in (OK, code), "the header reader refuses with the code that the child has, or lets through"
    if len(row.expected) == 1 and code in HEADER_SHOWS and row.id not in ONLY_THE_DECODER_SEES:
        assert seen == code, "the API can say this without a scan"
    if row.expected == (OK,):
        assert digest == GOLDEN[row.id], row.note
    # A good picture right after it comes out as ever, from the same server, within bounds.
    assert decoded(decoder, CONTROL) == (OK, GOLDEN["control"])
    assert decoder.peak_bytes < MEMORY_BOUND


def test_one_server_served_them_all(decoder: Decoder):
    assert decoded(decoder, CONTROL)[0] == OK
    assert decoder.server_starts == 1


def seen_in_header(content: bytes) -> str:
    try:
        sniff(content, len(content), ImageLimits())
    except ScanmillError as error:
        return error.code
    return OK


def decoded(decoder: Decoder, content: bytes) -> tuple[str, str]:
    """Code and digest of the pixels."""
    try:
        return OK, pixel_digest(decoder.decode(content).pixels)
    except ScanmillError as error:
        return error.code, ""


def pin() -> None:
    """Write the digests anew: only after looking at why they changed. ``python -m tests.hostile.test_images``."""
    decoder = Decoder()
    told = {row.id: decoded(decoder, row.make())[1] for row in ROWS if row.expected == (OK,)}
    told["control"] = decoded(decoder, CONTROL)[1]
    (Path(__file__).parent / "images_golden.json").write_text(json.dumps(told, indent=1) + "\n")
    decoder.close()


if __name__ == "__main__":
    pin()

from __future__ import annotations

import hashlib

import numpy as np

from pipeline.errors import UrlTimeout
from pipeline.imaging.codec import encode_jpeg, encode_png
from pipeline.stage import File, StageInput
from pipeline.stages.fetch_input import FetchInput
from tests.unit.pipeline.items import code, run

PICTURE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def source(content: bytes) -> StageInput:
    return StageInput({}, source=lambda: content)


def test_the_bytes_are_kept_as_they_are() -> None:
    for content, media_type in ((encode_png(PICTURE), "image/png"), (encode_jpeg(PICTURE), "image/jpeg")):
        answer = run(FetchInput(), [source(content)])[0]
        assert answer.artifacts == {"original": File(content, media_type)}
        assert answer.data == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_what_is_no_picture_is_not_kept_and_harms_no_neighbour() -> None:
    def times_out() -> bytes:
        raise UrlTimeout("10 s")

    page = b"<!doctype html><script>alert(1)</script>"
    items = [source(encode_png(PICTURE)), source(page), StageInput({}, source=times_out), source(encode_jpeg(PICTURE))]
    assert [code(answer) for answer in run(FetchInput(), items)] == ["ok", "UNSUPPORTED_FORMAT", "URL_TIMEOUT", "ok"]

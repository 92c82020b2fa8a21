"""Pictures that look alike are found by hash, without comparing each with all, and with the distances they have."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from typer.testing import CliRunner

from cli.batches.looks import Looks
from cli.batches.near import BITS, alike
from cli.verbs.batch import app
from pipeline.sniff import ImageLimits

SAME = ("recompressed", "halved", "doubled", "cropped")
PHOTOS = 30


def slowly(hashes: NDArray[np.uint64], most: int) -> list[tuple[int, int, int]]:
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None])
    return [(int(a), int(b), int(apart[a, b])) for a, b in zip(*np.nonzero(np.triu(apart <= most, 1)), strict=True)]


def planted(seed: int, number: int, copies: int) -> NDArray[np.uint64]:
    """Random hashes, the last ones being others with up to 14 bits turned."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, number, np.uint64)
    for place in range(copies):
        hashes[-1 - place] = hashes[place]
        for bit in rng.choice(BITS, rng.integers(1, 15), replace=False):
            hashes[-1 - place] ^= np.uint64(1) << np.uint64(bit)
    return hashes


@pytest.mark.parametrize("most", [0, 1, 3, 6, 9, 12])
@pytest.mark.parametrize("number", [0, 1, 2, 40, 900])
def test_every_pair_within_reach_is_found_once(most: int, number: int) -> None:
    hashes = planted(most, number, number // 4)
    found, expected = alike(hashes, most), slowly(hashes, most)
    assert found.pairs == len(expected)
    assert found.pictures == len({place for a, b, _ in expected for place in (a, b)})
    assert found.nearest == sorted(expected, key=lambda pair: (pair[2], pair[0], pair[1]))[:50]


def test_many_equal_hashes_are_paired_with_the_first() -> None:
    found = alike(np.array([7, 9, 7, 7, 2**63], np.uint64), 0)
    assert (found.pairs, found.pictures, found.nearest) == (2, 3, [(0, 2, 0), (0, 3, 0)])


def test_a_hundred_thousand_are_searched_in_moments() -> None:
    hashes = planted(5, 100_000, 200)
    began = time.process_time()
    found = alike(hashes, 6)
    assert time.process_time() - began < 15
    planted_within = np.bitwise_count(hashes[:200] ^ hashes[-1:-201:-1]) <= 6
    assert found.pairs >= planted_within.sum() > 50


def photograph(rng: np.random.Generator) -> Image.Image:
    """Coloured patches of many sizes, as pictures have them."""
    layers = [
        Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).resize((256, 192), Image.Resampling.BICUBIC)
        for side in (3, 6, 12, 48)
    ]
    picture = layers[0]
    for layer in layers[1:]:
        picture = Image.blend(picture, layer, 0.35)
    return picture.filter(ImageFilter.GaussianBlur(1))


def jpeg(picture: Image.Image, quality: int = 92) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def variants(picture: Image.Image) -> Iterator[tuple[str, bytes]]:
    wide, high = picture.size
    yield "original", jpeg(picture)
    yield "recompressed", jpeg(picture, 40)
    yield "halved", jpeg(picture.resize((wide // 2, high // 2)))
    yield "doubled", jpeg(picture.resize((wide * 2, high * 2)))
    yield "cropped", jpeg(picture.crop((wide // 100, high // 100, wide - wide // 100, high - high // 100)))
    yield "turned", jpeg(picture.transpose(Image.Transpose.ROTATE_90))


def test_planted_copies_are_found_and_others_are_not() -> None:
    rng = np.random.default_rng(11)
    with Looks(ImageLimits()) as looks:
        for number in range(PHOTOS):
            for kind, content in variants(photograph(rng)):
                looks.add(f"{number} {kind}", content)
        looks.add("torn", jpeg(photograph(rng))[:2_000])
        names, hashes = looks.hashes()
        pairs = [(names[a].split(), names[b].split()) for a, b, _ in slowly(hashes, 8)]
        assert looks.found(8)["pictures"] == len({tuple(name) for pair in pairs for name in pair})
    right = [pair for pair in pairs if pair[0][0] == pair[1][0]]
    found = {(a[0], b[1]) for a, b in right if a[1] == "original"}
    assert len(right) / len(pairs) >= 0.99
    assert len(found) / (PHOTOS * len(SAME)) >= 0.95
    assert not [kind for _, kind in found if kind == "turned"]
    assert looks.refused == [("TRUNCATED_IMAGE", "torn")]


def test_the_verb_names_pairs_and_what_cannot_be_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without samples nothing is asked of a service, so none runs here."""
    monkeypatch.setenv("SCANMILL_API_URL", "http://127.0.0.1:9")
    picture = photograph(np.random.default_rng(4))
    (tmp_path / "a[").mkdir()
    for name, content in (
        ("a[/b].jpg", jpeg(picture)),
        ("copy.jpg", jpeg(picture, 50)),
        ("torn.jpg", jpeg(picture)[:2_000]),
    ):
        (tmp_path / name).write_bytes(content)
    words = ["plan", str(tmp_path), "--samples", "0", "--near", "8"]
    ended = CliRunner().invoke(app, [*words, "--json"])
    told = json.loads(ended.stdout.splitlines()[-1])
    assert (ended.exit_code, told["scans"], told["bad"]) == (0, 2, {"TRUNCATED_IMAGE": 1})
    assert (told["near"]["pairs"], told["near"]["pictures"]) == (1, 2)
    [pair] = told["near"]["nearest"]
    assert {pair["a"], pair["b"]} == {"a[/b].jpg", "copy.jpg"} and pair["distance"] <= 8
    assert CliRunner().invoke(app, words).exit_code == 0
    assert CliRunner().invoke(app, [*words[:-1], "13"]).exit_code == 2

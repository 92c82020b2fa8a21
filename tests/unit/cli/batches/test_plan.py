"""What a plan sees without scanning, and what it makes of a few samples."""

from __future__ import annotations

import io
import random
from collections import Counter

import pytest
from PIL import Image

from cli.batches.plan import Plan, Sample, estimate, interval, look
from cli.batches.sources import Line
from pipeline.sniff import ImageLimits


def picture(shade: int, side: int = 64) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (shade, shade, shade)).save(out, "PNG")
    return out.getvalue()


def line(name: str, content: bytes) -> Line:
    return Line(name, lambda: content)


def missing() -> bytes:
    raise FileNotFoundError


def test_bad_tiny_and_equal_files_are_found_and_counted() -> None:
    found = look(
        [
            line("a.png", picture(1)),
            line("same.png", picture(1)),
            line("tiny.png", picture(2, side=4)),
            line("text.jpg", b"text"),
            Line("gone.jpg", missing),
            Line("far", None, {"image_url": "https://example.org/x"}),
            line("b.png", picture(3)),
        ],
        ImageLimits(),
        samples=9,
    )
    assert (found.lines, found.readable, found.duplicates, found.references) == (7, 2, 1, 1)
    assert found.bad == Counter({"IMAGE_TOO_SMALL": 1, "UNSUPPORTED_FORMAT": 1, "UNREADABLE": 1})
    assert found.named["IMAGE_TOO_SMALL"] == ["tiny.png"]
    assert [each.custom_id for each in found.good] == ["a.png", "b.png"]


def test_samples_are_drawn_from_the_whole_source() -> None:
    found = look((line(str(n), picture(n)) for n in range(200)), ImageLimits(), samples=20)
    drawn = sorted(int(each.custom_id) for each in found.good)
    assert len(set(drawn)) == 20
    assert drawn[0] < 40 and drawn[-1] > 160


def test_an_estimate_covers_what_comes_in_most_draws() -> None:
    rng = random.Random(3)
    covered = 0
    for _ in range(200):
        costs = [rng.lognormvariate(0, 0.4) for _ in range(500)]
        samples = [Sample(cost, cost, 1000) for cost in rng.sample(costs, 20)]
        told = estimate(Plan(readable=500), samples, slots=2)
        assert told["stored_bytes"]["likely"] == 500_000
        covered += told["time_s"]["from"] <= sum(costs) / 2 <= told["time_s"]["to"]
    assert covered >= 0.8 * 200


@pytest.mark.parametrize("values", [[], [1.0]])
def test_one_sample_tells_no_interval(values: list[float]) -> None:
    assert interval(values) is None


def test_the_interval_is_two_standard_errors_of_the_mean() -> None:
    assert interval([1.0, 2.0, 3.0]) == {"likely": 2.0, "from": 0.845, "to": 3.155}

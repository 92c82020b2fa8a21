"""What a plan sees without scanning, and what it makes of a few samples."""

from __future__ import annotations

import io
import random
from collections import Counter

import pytest
from PIL import Image
from scipy import stats

from cli.batches.plan import Plan, Sample, estimate, interval, look, student
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


SOURCES = {
    "alike": lambda rng: rng.lognormvariate(0, 0.1),
    "photographs": lambda rng: rng.lognormvariate(0, 0.4),
    "skewed": lambda rng: rng.lognormvariate(0, 1.0),
    "a fifth is rejected early": lambda rng: rng.lognormvariate(0, 0.4) * (0.1 if rng.random() < 0.2 else 1),
}


@pytest.mark.parametrize(("source", "samples", "least"), [
    *((source, 5, 0.92) for source in ("alike", "photographs", "a fifth is rejected early")),
    *((source, 20, 0.92) for source in ("alike", "photographs", "a fifth is rejected early")),
    ("skewed", 5, 0.86), ("skewed", 20, 0.86),
])  # fmt: skip
def test_an_estimate_covers_what_comes_in_most_draws(source: str, samples: int, least: float) -> None:
    rng, covered, runs = random.Random(3), 0, 600
    for _ in range(runs):
        costs = [SOURCES[source](rng) for _ in range(500)]
        told = estimate(Plan(readable=500), [Sample(cost, cost, 1000) for cost in rng.sample(costs, samples)], slots=2)
        assert told["stored_bytes"] == {"likely": 500_000, "from": 500_000, "to": 500_000}
        covered += told["work_s"]["from"] <= sum(costs) <= told["work_s"]["to"]
    assert covered >= least * runs


def test_time_lies_between_the_work_and_what_scans_take_alone() -> None:
    told = estimate(Plan(readable=10, references=10), [Sample(0.9, 0.1, 0)] * 5, slots=2)
    assert told["time_s"] == {"likely": 3.0, "from": 1.0, "to": 9.0}
    assert told["work_s"] == {"likely": 2.0, "from": 2.0, "to": 2.0}
    assert told["stored_bytes"] == {"likely": 0.0, "from": 0.0, "to": 0.0}


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0]])
def test_two_samples_tell_no_interval(values: list[float]) -> None:
    assert interval(values) is None
    assert estimate(Plan(readable=5), [Sample(1, 1, 1)] * len(values), 1)["time_s"] is None


def test_the_interval_is_students_on_the_logarithm() -> None:
    assert interval([1.0, 2.0, 3.0]) == {"likely": 2.0, "from": 0.578, "to": 6.926}


def test_students_quantiles_are_those_of_the_tables() -> None:
    for freedom in (*range(1, 40), 100, 10_000):
        assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=0.01)


def test_colour_modes_of_readable_pictures_are_counted() -> None:
    out = io.BytesIO()
    Image.new("CMYK", (64, 64)).save(out, "JPEG")
    found = look([line("a.png", picture(1)), line("b.jpg", out.getvalue()), line("c.jpg", b"text")], ImageLimits(), 1)
    assert found.modes == Counter({"cmyk": 1})


def test_what_cannot_be_decoded_is_no_scan() -> None:
    found = look([line("a.png", picture(1)), line("b.png", picture(2))], ImageLimits(), 9)
    found.refuse("TRUNCATED_IMAGE", "a.png")
    assert (found.readable, found.bad, [each.custom_id for each in found.good]) == (
        1,
        {"TRUNCATED_IMAGE": 1},
        ["b.png"],
    )

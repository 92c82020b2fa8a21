"""How often does a stream in which nothing changes raise an alarm, and how often is a change that is there found?

Streams are drawn, counted and compared by the code that control runs, once a day, with its usual settings. A figure holds for such
streams: what a real one does from day to day, only its own past can say.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pipeline.drift import Day, alarming, evaluate
from pipeline.drift_figures import counted
from pipeline.numbers import interval
from tasks.drift_settings import DriftSettings

BEGIN = date(2026, 1, 1)
LOW, HIGH = 0.0392, 0.9608
"""The shipped cascade's band."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Eyes as drawn: mean brightness, share with a cataract, how far the strong model's chance lies from the fast one's."""

    light: float = 0.5
    sick: float = 0.3
    apart: float = 0.05

    def report(self, draw: random.Random) -> dict[str, Any]:
        """A report as the system ``cataract`` writes it, as far as drift reads it."""
        fast = draw.betavariate(8, 1) if draw.random() < self.sick else draw.betavariate(1, 8)
        chances = {"fast": fast}
        if LOW <= fast <= HIGH:
            chances["strong"] = min(1.0, max(0.0, fast + draw.gauss(0, self.apart)))
        answers: dict[str, dict[str, Any]] = {
            name: {"cataract": chance, "normal": 1 - chance} for name, chance in chances.items()
        }
        said = list(answers.values())[-1]
        likeliest = max(said, key=lambda label: said[label])
        sure = [max(each, key=lambda label: each[label]) for each in answers.values() if max(each.values()) >= 0.6]
        finding = {
            "label": likeliest if said[likeliest] >= 0.6 else "uncertain",
            "likeliest": likeliest,
            "confidence": said[likeliest],
            "probabilities": dict(said),
        }
        if len(answers) == 1:
            answers["strong"] = {"code": "NOT_NEEDED"}
        return {
            "image": {"original_width": draw.choice((800, 1024, 1600)), "original_height": 768, "format": "jpeg"},
            "picture": {
                "brightness": _share(draw.gauss(self.light, 0.12)),
                "contrast": _share(draw.gauss(0.2, 0.04)),
                "sharpness": _share(draw.lognormvariate(-3.5, 0.4)),
                "saturation": _share(draw.gauss(0.35, 0.1)),
                "clipped": _share(draw.gauss(0.05, 0.04)),
            },
            "subject": {"probability": draw.betavariate(12, 1)},
            "pupil": {"quality": draw.betavariate(3, 3)},
            "findings": {"cataract": finding},
            "agreement": {"disagreement": len(set(sure)) > 1 if len(sure) > 1 else None},
            "decision": {"answers": answers},
        }

    def wobbled(self, draw: random.Random, wobble: float) -> Stream:
        """A day like no other: light and share of the sick move by chance, by ``wobble`` times a usual day's."""
        odds = math.log(self.sick / (1 - self.sick)) + draw.gauss(0, 0.3 * wobble)
        return Stream(self.light + draw.gauss(0, 0.03 * wobble), 1 / (1 + math.exp(-odds)), self.apart)


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def day(stream: Stream, at: date, scans: int, draw: random.Random, source: str = "interactive") -> Day:
    """A day of a stream, counted; some pictures are turned away."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for _ in range(scans):
        turned_away = draw.random() < 0.03
        report = stream.report(draw)
        if turned_away:
            report = {part: report[part] for part in ("image", "picture", "subject")}
        status, code = ("rejected", "NOT_AN_EYE") if turned_away else ("succeeded", None)
        for name, word in counted(status, code, report).items():
            counts[name][word] += 1
    return Day("cataract", at, source, scans, counts)


def measure(streams: int, scans: int, checks: int, wobble: float, change: Stream | None = None) -> dict[str, object]:
    """Streams of which a check a day alarmed at least once, of what kind, and how many checks did. Seeded.

    A ``change`` begins on the day of the first check and lasts.
    """
    settings, alarmed, checked = DriftSettings(), 0, 0
    kinds: Counter[str] = Counter()
    quiet = settings.reference_days + settings.recent_days
    for seed in range(streams):
        draw = random.Random(seed)
        days = []
        for place in range(quiet + checks):
            today = change if change and place >= quiet else Stream()
            days.append(day(today.wobbled(draw, wobble), BEGIN + timedelta(place), scans, draw))
        alarms = [
            alarming(evaluate(days, settings.plan(BEGIN + timedelta(quiet + done)))) for done in range(1, checks + 1)
        ]
        checked += sum(bool(each) for each in alarms)
        alarmed += any(alarms)
        kinds.update({found.kind for each in alarms for found in each})
    low, high = interval(alarmed, streams)
    return {
        "streams": streams,
        "scans_a_day": scans,
        "checks_each": checks,
        "wobble": wobble,
        "alarmed": alarmed,
        "share": round(alarmed / streams, 4),
        "interval": [round(low, 4), round(high, 4)],
        "checks_that_alarmed": checked,
        "streams_by_kind": dict(kinds),
    }


CHANGES = {"light": Stream(light=0.4), "sick": Stream(sick=0.5), "apart": Stream(apart=0.3)}


def main() -> None:
    """``python -m bench.drift_alarms``: nothing changes, days differ by chance, then each change in turn."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--streams", type=int, default=200, help="in which nothing changes; of each change, a quarter")
    parser.add_argument("--wobble", type=float, nargs="*", default=[0.0, 1.0], help="how much days differ")
    parser.add_argument("--scans", type=int, default=40, help="a day")
    parser.add_argument("--checks", type=int, default=28, help="days with a check")
    given = parser.parse_args()
    for wobble in given.wobble:
        for name, change in {"nothing": None, **CHANGES}.items():
            streams = given.streams // 4 if change else given.streams
            found = measure(streams, given.scans, given.checks, wobble, change)
            print(json.dumps({"changed": name, **found}), flush=True)


if __name__ == "__main__":
    main()

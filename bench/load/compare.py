"""Two results of load tests side by side: B over A, with intervals. No averages.

Run: ``python -m bench.load.compare A.json B.json [--json]``. The interval is a bootstrap's (2,000 draws, 95 %) over slices
of time: requests that ran side by side suffered the same, so a slice is drawn as a whole, its requests are not drawn one by
one. Few slices make wide intervals, and they should. A round is cut into at most ten slices.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.load import figures

SLICES: Final = 10
LEAST: Final = 5
"""Requests in a slice, or there are fewer slices."""
DRAWS: Final = 2_000
SAME: Final = ("path", "users", "requests_per_user", "pictures", "machine")
"""What must be equal, or the ratio compares something else."""


@dataclass(frozen=True)
class Slice:
    """What ended in one stretch of a round: milliseconds of each answer, and the stretch's seconds."""

    ms: tuple[float, ...]
    seconds: float


def slices_of(rounds: Sequence[Mapping[str, Any]]) -> list[Slice]:
    """Equal stretches of each round, in order."""
    found = []
    for one in rounds:
        ended = [(r["began"] + r["seconds"], r["seconds"] * 1000) for r in one["requests"] if r["answered"]]
        count = max(1, min(SLICES, len(ended) // LEAST))
        each = one["seconds"] / count
        parts: list[list[float]] = [[] for _ in range(count)]
        for end, ms in ended:
            parts[min(count - 1, int(end / each))].append(ms)
        found += [Slice(tuple(part), each) for part in parts]
    return found


def per_second(slices: Sequence[Slice]) -> float:
    """Answers per second."""
    return sum(len(one.ms) for one in slices) / sum(one.seconds for one in slices)


def at(share: float) -> Callable[[Sequence[Slice]], float]:
    """The smallest of all answers' milliseconds that this share does not exceed; not a number where there is no answer."""

    def measure(slices: Sequence[Slice]) -> float:
        found = np.concatenate([one.ms for one in slices])
        return float(np.quantile(found, share, method="inverted_cdf")) if len(found) else float("nan")

    return measure


MEASURES: Final[dict[str, Callable[[Sequence[Slice]], float]]] = {
    "answered per second": per_second,
    **{f"{name} ms": at(share) for name, share in figures.SHARES.items() if name != "max"},
}


def ratio(
    a: Sequence[Slice], b: Sequence[Slice], measure: Callable[[Sequence[Slice]], float], draws: int = DRAWS
) -> tuple[float, float, float]:
    """B over A, and the ends of its interval."""
    chance = np.random.default_rng(0)
    drawn = []
    for _ in range(draws):
        first, second = ([side[k] for k in chance.integers(0, len(side), len(side))] for side in (a, b))
        below = measure(first)
        drawn.append(measure(second) / below if below else float("nan"))
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return measure(b) / measure(a), float(low), float(high)


def compare(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Every measure of both, the ratio, its interval; and what makes them unequal before any figure does."""
    sides = [slices_of(side["rounds"]) for side in (a, b)]
    if not all(any(one.ms for one in side) for side in sides):
        raise ValueError("one of the two has no answered request")
    told = {}
    for name, measure in MEASURES.items():
        found, low, high = ratio(sides[0], sides[1], measure)
        told[name] = {
            "a": round(measure(sides[0]), 2),
            "b": round(measure(sides[1]), 2),
            "b over a": round(found, 3),
            "low": round(low, 3),
            "high": round(high, 3),
        }
    return {
        "a": _side(a),
        "b": _side(b),
        "differ in": [name for name in SAME if a.get(name) != b.get(name)],
        "measures": told,
    }


def _side(result: Mapping[str, Any]) -> dict[str, Any]:
    """Who it is, how many requests, and how they ended."""
    rounds = result["rounds"]
    counts: dict[str, int] = {}
    for name, number in ((name, number) for one in rounds for name, number in one["failures"].items()):
        counts[name] = counts.get(name, 0) + number
    return {
        "what": result["what"],
        "at": result["at"],
        "rounds": len(rounds),
        "n": sum(one["n"] for one in rounds),
        "answered": sum(one["answered"] for one in rounds),
        "sent away": sum(one["sent away"] for one in rounds),
        "failures": counts,
    }


def table(told: Mapping[str, Any]) -> str:
    """The same for people."""
    lines = [f"{letter}: {json.dumps(told[letter])}" for letter in ("a", "b")]
    lines += [f"not the same in both: {', '.join(told['differ in'])}"] if told["differ in"] else []
    lines += [f"{'':20}{'A':>12}{'B':>12}{'B over A':>12}   95 %"]
    for name, one in told["measures"].items():
        interval = f"{one['low']:.2f} to {one['high']:.2f}"
        lines.append(f"{name:20}{one['a']:12.1f}{one['b']:12.1f}{one['b over a']:12.2f}   {interval}")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.load.compare", description=__doc__)
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    told = compare(figures.read(given.a), figures.read(given.b))
    print(json.dumps(told, indent=1) if given.json else table(told))


if __name__ == "__main__":
    main()

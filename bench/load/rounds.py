"""Ours, Ray Serve and the seed's plain API in turn, on one machine in one run, under the seed's patterns of load.

Run: ``python -m bench.load.rounds --image-path DIR --out FOLDER [--ray-python PYTHON] [--rounds 3] [--pattern 10x5 …]``.
Each round starts each service anew, alone, warms it up, and sends every pattern; the order turns from round to round, so
that a machine with other work disturbs all alike. One file a service and pattern goes to FOLDER, for
``bench.load.compare``; a line of figures a round to the terminal. After each round of ours the ledger is counted:
as many scans as requests that were let in, none of them open. Nothing is compared here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.house import percentile, say
from bench.load import figures, pictures, services
from bench.load.services import Service
from bench.load.users import Asked, ask_all

PATH: Final = "/predict_ensemble"
WARM_UP: Final = 30
WARMING_USERS: Final = 6
MANY: Final = {"SCANMILL_API_THREADS": "36", "SCANMILL_API_MAX_WAITS": "28"}
"""As many callers may wait for their answers at once as the embedded PostgreSQL has connections for; others ask again."""
DEFAULTS: Final[dict[str, str]] = {}

Kinds = dict[str, Callable[[], AbstractContextManager[Service]]]


def kinds(ray_python: Path | None) -> Kinds:
    """What can be measured here: without an interpreter that has Ray, not Ray."""
    found: Kinds = {
        "scanmill": partial(services.scanmill, MANY),
        "scanmill-defaults": partial(services.scanmill, DEFAULTS),
        **{f"plain-{way}": partial(services.plain, way) for way in ("keras", "onnx", "reload")},
    }
    if ray_python is not None:
        found |= {
            f"ray-{shape}": partial(services.ray, ray_python, shape) for shape in ("models", "together", "pipeline")
        }
    return found


def round_of(service: Service, sent: Sequence[bytes], users: int) -> dict[str, Any]:
    """One pattern against one service, with what it cost and what the ledger then holds."""
    before, ledger = service.cpu_seconds(), service.scans()
    asked, seconds = ask_all(service.url, PATH, service.key, sent, users)
    spent = {name: seconds - before.get(name, 0.0) for name, seconds in service.cpu_seconds().items()}
    return {
        **figures.told(asked, seconds),
        "service_cpu_ms_per_request": round(sum(spent.values()) / len(sent) * 1000, 1),
        "of_it_by_program": {name: round(seconds / len(sent) * 1000, 1) for name, seconds in sorted(spent.items())},
        "beside_computing_ms": _beside(asked),
        "ledger": _counted(ledger, service.scans(), asked),
    }


def _beside(asked: Sequence[Asked]) -> dict[str, float] | None:
    """Of each answer's whole time, what its stages did not compute; stages of one scan may run side by side."""
    left = [one.seconds * 1000 - one.computed_ms for one in asked if one.computed_ms is not None]
    return {name: round(percentile(left, figures.SHARES[name]), 1) for name in ("p50", "p99")} if left else None


def _counted(before: Any, after: Any, asked: Sequence[Asked]) -> dict[str, int] | None:
    """Raises AssertionError if a request that was let in has no scan, or has two, or a scan no request.

    Of a request whose line broke nobody knows whether it was let in.
    """
    if before is None:
        return None
    made, keys = (after[name] - before[name] for name in ("scans", "keys"))
    accepted = {one.scan_id for one in asked if one.scan_id}
    unknown = sum(one.status == 0 for one in asked)
    assert len(accepted) <= made <= len(accepted) + unknown, (
        f"{made} scans, {len(accepted)} accepted, {unknown} unknown"
    )
    assert made == keys, f"{made} scans of {keys} requests"
    return {"accepted": len(accepted), "unknown": unknown, "scans": made, "open": after["open"]}


def measure(given: argparse.Namespace) -> None:
    """Write after every round: a run that is broken off has said what it knows."""
    known = kinds(given.ray_python)
    patterns = [tuple(map(int, words.split("x"))) for words in given.pattern]
    sent = pictures.distinct(given.image_path, WARM_UP + sum(users * each for users, each in patterns))
    kept: dict[str, dict[str, Any]] = {}
    for number in range(given.rounds):
        order = [given.only[(number + place) % len(given.only)] for place in range(len(given.only))]
        for name in order:
            say(f"round {number + 1} of {given.rounds}: {name}")
            with known[name]() as service:
                ask_all(service.url, PATH, service.key, sent[:WARM_UP], WARMING_USERS)
                at = WARM_UP
                for users, each in patterns:
                    whole = kept.setdefault(f"{name}-{users}x{each}", _head(name, users, each, service.url))
                    whole["rounds"].append(round_of(service, sent[at : at + users * each], users))
                    at += users * each
                    _keep(given.out, f"{name}-{users}x{each}", whole)
                if given.repeat:
                    whole = kept.setdefault(f"{name}-repeated", _head(name, 10, given.repeat, service.url, "repeated"))
                    whole["rounds"].append(round_of(service, sent[:1] * (10 * given.repeat), 10))
                    _keep(given.out, f"{name}-repeated", whole)


def _head(name: str, users: int, each: int, url: str, sort: str = "distinct") -> dict[str, Any]:
    what = {"what": name, "path": PATH, "users": users, "requests_per_user": each, "pictures": sort, "warm_up": WARM_UP}
    return {**what, **figures.circumstances(url), "rounds": []}


def _keep(folder: Path, name: str, whole: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figures.write(folder / f"{name}.json", whole)
    print(json.dumps({"file": name, **{k: v for k, v in whole["rounds"][-1].items() if k != "requests"}}), flush=True)


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench.load.rounds", description=__doc__)
    parser.add_argument("--image-path", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of results")
    parser.add_argument("--ray-python", type=Path, help="interpreter of an environment with bench/load/ray.txt")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pattern", action="append", help="users x requests; default 10x5 and 100x20")
    parser.add_argument("--repeat", type=int, default=0, help="after it, one picture so often by each of 10 users")
    parser.add_argument("--only", action="append", help="a service; default scanmill, Ray's first two, plain-keras")
    given = parser.parse_args()
    given.pattern = given.pattern or ["10x5", "100x20"]
    with_ray = ["ray-models", "ray-together"] if given.ray_python else []
    given.only = given.only or ["scanmill", *with_ray, "plain-keras"]
    measure(given)


if __name__ == "__main__":
    main()

"""Callers who ask at once, each again and again: percentiles, throughput, answers by code, failures by name.

Run: ``python -m bench.load --url URL --key KEY --users 10 --requests-per-user 5 --image-path FILE|DIR [--out FILE]``.
All pictures differ unless ``--repeat`` is given, which sends the first one only and measures how fast a service
remembers. What is sent to warm it up is of other pictures, and counted nowhere. The exit status is 1 if a request got
no answer.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench.house import say
from bench.load import figures, pictures
from bench.load.users import ask_all
from cli.settings import ClientSettings

PATH = "/predict_ensemble"


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """One round against a service that runs; ``requests`` of the result has every one of them."""
    wanted = given.users * given.requests_per_user
    made = pictures.repeated if given.repeat else pictures.distinct
    say(f"{wanted} pictures")
    sent = made(given.image_path, given.warm_up + wanted)
    if given.warm_up:
        say(f"{given.warm_up} requests to warm up")
        ask_all(given.url, given.path, given.key, sent[: given.warm_up], min(given.users, given.warm_up))
    say(f"{given.users} users, {given.requests_per_user} requests each")
    before = figures.circumstances(given.url)
    asked, seconds = ask_all(given.url, given.path, given.key, sent[given.warm_up :], given.users)
    return {
        "what": given.name or given.path,
        "path": given.path,
        "users": given.users,
        "requests_per_user": given.requests_per_user,
        "pictures": "repeated" if given.repeat else "distinct",
        "warm_up": given.warm_up,
        **before,
        "rounds": [figures.told(asked, seconds)],
    }


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line; the seed's spellings with underscores are understood too."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    client = ClientSettings()
    parser.add_argument("--url", default=client.api_url)
    parser.add_argument("--key", default=client.api_key and client.api_key.get_secret_value(), help="API key, if any")
    parser.add_argument("--path", default=PATH, help="the call: a form with the picture as its part `image`")
    parser.add_argument("--users", "--num_users", type=_count, default=10)
    parser.add_argument("--requests-per-user", "--requests_per_user", type=_count, default=5)
    parser.add_argument("--image-path", "--image_path", type=Path, required=True, help="a picture, or a folder of them")
    parser.add_argument("--repeat", action="store_true", help="send one picture again and again")
    parser.add_argument("--warm-up", type=int, default=10, help="requests before the round; none of them counts")
    parser.add_argument("--name", help="what to call it in comparisons")
    parser.add_argument("--out", type=Path, help="write all of it here, every request with its time")
    return parser.parse_args(words)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main() -> int:
    """Print the figures as one JSON object."""
    given = arguments()
    result = measure(given)
    if given.out:
        figures.write(given.out, result)
    (found,) = result["rounds"]
    print(json.dumps({**result, "rounds": [{**found, "requests": len(found["requests"])}]}, indent=1))
    return 1 if found["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())

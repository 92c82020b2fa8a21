"""Under which licence each package in the images and in the demo comes, from the packages' own metadata."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LISTS = Path(__file__).resolve().parents[2] / "requirements"
PURPOSES = ("api", "worker", "demo")

SPOKEN = {
    "certifi": "MPL-2.0",
    "psycopg2-binary": "LGPL-3.0-or-later with exceptions",
    "tqdm": "MPL-2.0 AND MIT",
}
"""Licences with duties of their own, said outright: weak copyleft, met by shipping the package as it is."""


def direct(purpose: str) -> list[Requirement]:
    """What requirements/PURPOSE.in asks for, with the lists it includes."""
    found = []
    for line in (LISTS / f"{purpose}.in").read_text(encoding="utf-8").splitlines():
        words = line.partition("#")[0].strip()
        if words.startswith("-r "):
            found += direct(words.removeprefix("-r ").strip().removesuffix(".in"))
        elif words:
            found.append(Requirement(words))
    return found


@cache
def closure(purpose: str) -> frozenset[str]:
    """Canonical names of every package that installing the list brings, as far as it applies to this machine."""
    found: set[str] = set()
    waiting = [(each.name, frozenset(each.extras)) for each in direct(purpose)]
    while waiting:
        name, extras = waiting.pop()
        name = canonicalize_name(name)
        if name in found and not extras:
            continue
        found.add(name)
        for text in distribution(name).requires or []:
            needed = Requirement(text)
            applies = any(needed.marker is None or needed.marker.evaluate({"extra": extra}) for extra in (*extras, ""))
            if applies and canonicalize_name(needed.name) not in found:
                waiting.append((needed.name, frozenset(needed.extras)))
    return frozenset(found)


def licence(package: Distribution) -> str:
    """The licence as the package states it: expression, else classifiers, else the field's first line."""
    name = canonicalize_name(package.metadata["Name"])
    if name in SPOKEN:
        return SPOKEN[name]
    if expression := package.metadata.get("License-Expression"):
        return str(expression)
    classifiers = [text for text in package.metadata.get_all("Classifier") or [] if text.startswith("License ::")]
    named = [text.rpartition(" :: ")[2] for text in classifiers if text != "License :: OSI Approved"]
    if named:
        return ", ".join(sorted(re.sub(r" License$", "", text) for text in named))
    return (package.metadata.get("License") or "not stated").strip().splitlines()[0][:60]


def table() -> str:
    """Package, licence, and which images hold it."""
    used = {name: [purpose for purpose in PURPOSES if name in closure(purpose)] for name in sorted(_all())}
    lines = ["| package | licence | in |", "|---|---|---|"]
    lines += [f"| {name} | {licence(distribution(name))} | {', '.join(where)} |" for name, where in used.items()]
    return "\n".join(lines) + "\n"


def _all() -> frozenset[str]:
    return frozenset().union(*(closure(purpose) for purpose in PURPOSES))

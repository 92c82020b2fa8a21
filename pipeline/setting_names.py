"""The seeds' names of settings: accepted where they name the same thing as ours, which win when both are set."""

from __future__ import annotations

from pydantic import AliasChoices

SEED_NAMES: dict[str, str] = {}
"""Our variable → the seed's, for tables and messages."""


def also(ours: str, seeds: str) -> AliasChoices:
    """The ``validation_alias`` of a field that is read from either variable, ours first."""
    SEED_NAMES[ours] = seeds
    return AliasChoices(ours, seeds)

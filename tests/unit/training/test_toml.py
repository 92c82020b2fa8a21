"""What is written as TOML is read back as it was."""

from __future__ import annotations

import tomllib

from training.toml import document


def test_a_manifest_comes_back_as_it_was() -> None:
    model = {
        "name": "x", "licence": 'a "quoted" \\ text, ünïcode, \x7f', "mock": False, "temperature": 1.5, "trained_on": ["a" * 80, "b" * 80],
        "input": {"size": [8, 8], "mean": [0.0, 0.5, 1e-7]}, "metrics": {"how good": {"value": 0.5, "n": 3}}, "empty": [],
    }  # fmt: skip
    assert tomllib.loads(document([model, {**model, "name": "y"}]))["model"] == [model, {**model, "name": "y"}]

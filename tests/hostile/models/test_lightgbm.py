"""LightGBM texts whose offsets, indices and counts lead elsewhere: LightGBM would follow them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ModelLoadError
from pipeline.models.lightgbm_check import MOST_BYTES, check_lightgbm
from pipeline.models.lightgbm_session import LightGbmSession
from tests.unit.pipeline import tiny_runtimes as tiny

GOOD = tiny.boosted(3).decode()


def changed(key: str, value: str | Callable[[str], str], tree: bool = True) -> str:
    """The text with another value of a key, in its first tree or in its header; the sizes of the trees are kept true."""
    head, body = GOOD.split("\n\n", 1)
    change = value if callable(value) else lambda _: value
    pattern = re.compile(rf"^{key}=(.*)$", re.MULTILINE)
    if not tree:
        return pattern.sub(lambda match: f"{key}={change(match[1])}", head, count=1) + "\n\n" + body
    new = pattern.sub(lambda match: f"{key}={change(match[1])}", body, count=1)
    assert new != body
    sizes = re.search(r"^tree_sizes=(.*)$", head, re.MULTILINE)[1].split()  # type: ignore[index]
    told = " ".join([str(int(sizes[0]) + len(new) - len(body)), *sizes[1:]])
    return re.sub(r"^tree_sizes=.*$", f"tree_sizes={told}", head, flags=re.MULTILINE) + "\n\n" + new


def first(value: object) -> Callable[[str], str]:
    return lambda old: " ".join([str(value), *old.split()[1:]])


HOSTILE = {
    "nothing": "",
    "words": "tree me up",
    "cut": GOOD[: len(GOOD) // 2],
    "cut after the head": GOOD.split("\n\n")[0],
    "a NUL": GOOD.replace("Tree=1", "Tree\0=1"),
    "not ASCII": GOOD.replace("Tree=1", "Trée=1"),
    "a huge number of trees": changed("tree_sizes", lambda old: old + " 1" * 30_000, tree=False),
    "trees that are not there": changed("tree_sizes", lambda old: old + " 500 500 500", tree=False),
    "a tree size beyond the file": changed("tree_sizes", first(10**9), tree=False),
    "a negative tree size": changed("tree_sizes", first(-500), tree=False),
    "a tree size that wraps around": changed("tree_sizes", first(2**64 + 500), tree=False),
    "trees that begin elsewhere": changed("tree_sizes", lambda old: " ".join(old.split()[::-1]), tree=False),
    "no tree sizes": re.sub(r"tree_sizes=.*\n", "", GOOD),
    "a huge number of classes": changed("num_class", "1000000000", tree=False),
    "other classes than trees": changed("num_class", "4", tree=False),
    "an objective of more classes": GOOD.replace("num_class:3", "num_class:3000", 1),
    "no objective": re.sub(r"objective=.*\n", "", GOOD, count=1),
    "an objective without probabilities": changed("objective", "regression", tree=False),
    "a huge number of features": changed("max_feature_idx", "2000000000", tree=False),
    "a negative number of features": changed("max_feature_idx", "-1", tree=False),
    "a key twice": GOOD.replace("num_class=3", "num_class=3\nnum_class=3000", 1),
    "a huge number of leaves": changed("num_leaves", "2000000000"),
    "more leaves than values": changed("num_leaves", lambda old: str(int(old) + 1)),
    "no leaves": changed("num_leaves", "0"),
    "a feature beyond the last": changed("split_feature", first(3)),
    "a negative feature": changed("split_feature", first(-1)),
    "a child beyond the tree": changed("left_child", first(9_999_999)),
    "a leaf beyond the tree": changed("right_child", first(-9_999_999)),
    "a circle": changed("left_child", first(0)),
    "categories that are not there": changed("decision_type", first(1)),
    "a leaf that is not a number": changed("leaf_value", first("nan")),
    "an infinite leaf": changed("leaf_value", first("1e999")),
    "words for numbers": changed("leaf_value", first("many")),
    "a line that is no pair": GOOD.replace("split_gain=", "split_gain:", 1),
    "an empty line in a tree": changed("internal_weight", lambda old: old[:-1] + "\n"),
    "no counts": re.sub(r"internal_count=.*\n", "", GOOD, count=1),
    "a linear tree": changed("is_linear", "1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_refused_before_lightgbm_reads_it(name: str) -> None:
    with pytest.raises(ModelLoadError):
        check_lightgbm(HOSTILE[name].encode())


def test_binary_garbage_and_a_huge_file_are_refused() -> None:
    for content in (bytes(range(256)) * 50, b"tree\n" + b"\xff" * 100, b"tree\n" + b"a=1\n" * (MOST_BYTES // 4)):
        with pytest.raises(ModelLoadError):
            LightGbmSession(content)


def test_the_text_as_it_was_is_taken() -> None:
    assert check_lightgbm(GOOD.encode())[1] == 3
    assert check_lightgbm(changed("leaf_value", first("0.5")).encode())[1] == 3, "so the changes above are why"
    assert LightGbmSession(GOOD.encode())


def test_what_stands_behind_the_trees_is_not_read() -> None:
    """LightGBM's reader of the training's settings crashes on a bracket too few."""
    for harm in (
        lambda text: text.replace("[seed: 0]", "seed 0", 1),
        lambda text: text.replace("end of parameters", ""),
    ):
        text, _ = check_lightgbm(harm(GOOD).encode())
        assert text == check_lightgbm(GOOD.encode())[0]
        assert text.endswith("end of trees\n") and LightGbmSession(harm(GOOD).encode())


def test_any_flipped_byte_is_refused_or_answers(tmp_path: Path) -> None:
    """In a child, so that a crash fails this test and not all of them."""
    (tmp_path / "trees.txt").write_text(GOOD)
    script = """
import random, sys
import numpy as np
from pipeline.errors import ModelLoadError
from pipeline.models.lightgbm_session import LightGbmSession
content = open(sys.argv[1], "rb").read()
rng = random.Random(1)
refused, tried = 0, 400
for _ in range(tried):
    copy = bytearray(content)
    for _ in range(rng.randrange(1, 3)):
        copy[rng.randrange(len(copy))] = rng.choice(b"0123456789-. \\n=e")
    try:
        session = LightGbmSession(bytes(copy))
        session.run("features", np.zeros((1, session.input_shapes["features"][1])), ["probabilities"])
    except ModelLoadError:
        refused += 1
print("refused", refused, tried)
"""
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "trees.txt")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, (ended.returncode, ended.stdout[-500:], ended.stderr[-2000:])
    refused, tried = map(int, ended.stdout.rpartition("refused")[2].split())
    assert 0 < refused < tried

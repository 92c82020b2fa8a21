"""What a LightGBM text may not contain. LightGBM parses it, but follows offsets and indices of the file unchecked.

Looked at here: sizes, that every tree stands where the header says, that its nodes form one tree, and that no feature,
category or class lies outside what the header declares. Linear trees are refused: nothing of ours makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.errors import ModelLoadError

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    Fields: TypeAlias = Mapping[str, str]

MOST_BYTES: Final = 64 * 2**20
MOST_TREES: Final = 20_000
MOST_LEAVES: Final = 131_072
"""LightGBM's own bound."""
MOST_CLASSES: Final = 1_000
MOST_FEATURES: Final = 65_536
END: Final = "end of trees"
PER_LEAF: Final = frozenset({"leaf_value", "leaf_weight", "leaf_count"})
PER_NODE: Final = frozenset({"split_gain", "internal_value", "internal_weight", "internal_count"})
CATEGORICAL: Final = 1
"""Bit of ``decision_type``: the threshold is an index into ``cat_boundaries``."""


def check_lightgbm(content: bytes) -> tuple[str, int]:
    """The trees' text and the number of classes. Raises ModelLoadError unless they are a sound model of probabilities.

    The settings of the training that stand behind the trees are left out: nothing needs them, and LightGBM's reader of
    them crashes on a bracket too few.
    """
    if len(content) > MOST_BYTES:
        raise ModelLoadError(f"the LightGBM model has {len(content)} bytes, more than {MOST_BYTES}")
    if not content.startswith(b"tree\n") or b"\0" in content or not content.isascii():
        raise ModelLoadError("this is not a LightGBM text model")
    head, blank, trees = content.partition(b"\n\n")
    try:
        header = _fields(head.decode("ascii"))
        classes = _classes(header)
        features = _number(header, "max_feature_idx", 0, MOST_FEATURES - 1) + 1
        if len(header["feature_names"].split()) != features:
            raise ModelLoadError(f"the LightGBM model names other than {features} features")
        texts = _trees(trees, header["tree_sizes"], classes if blank else 0)
        for number, text in enumerate(texts):
            _check_tree(text, number, features)
    except (KeyError, ValueError) as error:
        raise ModelLoadError(f"the LightGBM model is not whole: {type(error).__name__} {error}") from error
    return f"{head.decode('ascii')}\n\n{''.join(texts)}{END}\n", max(classes, 2)


def _classes(header: Fields) -> int:
    """1 for a binary model, else the number of classes; in the header and the objective alike."""
    classes = _number(header, "num_class", 1, MOST_CLASSES)
    if _number(header, "num_tree_per_iteration", 1, MOST_CLASSES) != classes:
        raise ModelLoadError("the LightGBM model has another number of trees than of classes per iteration")
    objective, *options = header["objective"].split()
    said = dict(option.split(":", 1) for option in options if ":" in option)
    if objective not in ("binary", "multiclass") or (objective == "binary") != (classes == 1):
        raise ModelLoadError(f"the LightGBM objective {objective!r} gives no probabilities of {classes} classes")
    if objective == "multiclass" and int(said["num_class"]) != classes:
        raise ModelLoadError("the LightGBM model and its objective have different numbers of classes")
    return classes


def _trees(text: bytes, sizes: str, classes: int) -> list[str]:
    """The text of each tree, exactly where LightGBM will read it."""
    lengths = [int(size) for size in sizes.split()[: MOST_TREES + 1]]
    if not lengths or len(lengths) > MOST_TREES or not classes or len(lengths) % classes:
        raise ModelLoadError(f"the LightGBM model has {len(lengths)} trees or more for {classes} classes")
    found, start = [], 0
    for number, length in enumerate(lengths):
        block = text[start : start + length]
        if length <= 0 or len(block) != length or not block.startswith(b"Tree=%d\n" % number):
            raise ModelLoadError(f"tree {number} of the LightGBM model is not where its header says")
        found.append(block.decode("ascii"))
        start += length
    if not text[start:].startswith(END.encode()):
        raise ModelLoadError("the LightGBM model does not end after its last tree")
    return found


def _check_tree(text: str, number: int, features: int) -> None:
    tree = _fields(text)
    leaves = _number(tree, "num_leaves", 1, MOST_LEAVES)
    if tree.get("is_linear", "0") != "0":
        raise ModelLoadError("the LightGBM model has linear trees")
    nodes = leaves - 1
    _reals(tree, "shrinkage", 1)
    _integers(tree, "num_cat", 1)
    if leaves == 1:
        _reals(tree, "leaf_value", 1)
        return
    for keys, count in ((PER_LEAF, leaves), (PER_NODE, nodes)):
        for key in keys:
            _reals(tree, key, count)
    children = np.concatenate([_integers(tree, side, nodes) for side in ("left_child", "right_child")])
    # Every leaf (-1, -2, …) and every node but the root is somebody's child, once: one tree, no circle in it.
    if not np.array_equal(np.sort(children), np.concatenate([np.arange(-leaves, 0), np.arange(1, nodes)])):
        raise ModelLoadError(f"the nodes of tree {number} of the LightGBM model form no tree")
    splits = _integers(tree, "split_feature", nodes)
    if splits.min() < 0 or splits.max() >= features:
        raise ModelLoadError(f"tree {number} of the LightGBM model asks for a feature beyond the {features}")
    categorical = (_integers(tree, "decision_type", nodes) & CATEGORICAL).astype(bool)
    _check_categories(tree, _reals(tree, "threshold", nodes)[categorical])


def _check_categories(tree: Fields, chosen: NDArray[Any]) -> None:
    """``chosen``: the thresholds of the nodes that split by category, which are numbers of sets of them."""
    count = _number(tree, "num_cat", 0, MOST_LEAVES)
    if count:
        bounds, words = _integers(tree, "cat_boundaries", count + 1), len(_words(tree, "cat_threshold"))
        _integers(tree, "cat_threshold", words)
        if bounds[0] != 0 or bounds[-1] != words or (np.diff(bounds) <= 0).any():
            raise ModelLoadError("a LightGBM tree has sets of categories that do not fit")
    if ((chosen < 0) | (chosen >= count) | (chosen != np.floor(chosen))).any():
        raise ModelLoadError("a LightGBM tree asks for categories that it does not have")


def _fields(text: str) -> dict[str, str]:
    """``key=value`` lines. A key twice or a line between that is no pair: LightGBM might take or stop at other ones."""
    lines = [line.split("=", 1) for line in text.removeprefix("tree\n").rstrip("\n").split("\n")]
    fields = dict(lines)
    if len(fields) != len(lines):
        raise ModelLoadError("the LightGBM model has a key twice")
    return fields


def _number(fields: Fields, key: str, low: int, high: int) -> int:
    value = int(" ".join(_words(fields, key)))
    if not low <= value <= high:
        raise ModelLoadError(f"the LightGBM model's {key} is {value}")
    return value


def _words(fields: Fields, key: str) -> list[str]:
    """The numbers of a line, spelled as C++ spells them: Python would read more than LightGBM does."""
    if set(fields[key]) - set("0123456789.+-e "):
        raise ModelLoadError(f"the LightGBM model's {key} are no numbers")
    return fields[key].split()


def _integers(fields: Fields, key: str, count: int) -> NDArray[Any]:
    return _counted(np.array(_words(fields, key), np.int64), key, count)


def _reals(fields: Fields, key: str, count: int) -> NDArray[Any]:
    values = _counted(np.array(_words(fields, key), np.float64), key, count)
    if not np.isfinite(values).all():
        raise ModelLoadError(f"a LightGBM tree's {key} is not finite")
    return values


def _counted(values: NDArray[Any], key: str, count: int) -> NDArray[Any]:
    if len(values) != count:
        raise ModelLoadError(f"a LightGBM tree has {len(values)} of {key}, not {count}")
    return values

"""What a cascade's XML may not contain. OpenCV reads it, but follows its indices and rectangles unchecked.

Only the form that OpenCV's training writes since 2.4: boosted stages of Haar features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

import numpy as np

from pipeline.errors import ModelLoadError

if TYPE_CHECKING:
    from typing import Any, TypeAlias
    from xml.etree.ElementTree import Element

    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[Any]

MOST_BYTES: Final = 16 * 2**20
MOST_SIDE: Final = 256
"""Pixels of the window that slides over the picture."""
NODE: Final = 4
"""Numbers of a node: left, right, feature, threshold. A child above 0 is a node, else minus the index of a leaf."""


def check_cascade(content: bytes) -> str:
    """The XML's text. Raises ModelLoadError unless these bytes are one sound cascade of Haar features."""
    if len(content) > MOST_BYTES:
        raise ModelLoadError(f"the cascade has {len(content)} bytes, more than {MOST_BYTES}")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelLoadError("the cascade is not UTF-8") from error
    if "<!DOCTYPE" in text or "<!ENTITY" in text or "\0" in text:
        raise ModelLoadError("the cascade declares entities: a few lines of them grow to gigabytes")
    try:
        parser = ET.XMLParser(encoding="utf-8")  # noqa: S314  whatever the file declares: it was looked at as UTF-8
        root = ET.fromstring(content, parser)  # noqa: S314  no document type, so nothing that expands
        _check(root)
    except (ET.ParseError, ValueError, AttributeError) as error:
        raise ModelLoadError(f"this is not a cascade: {error}") from error
    return text


def _check(root: Element) -> None:
    cascade = _one(root, "cascade")
    kinds = (_one(cascade, "stageType").text, _one(cascade, "featureType").text)
    if kinds != ("BOOST", "HAAR"):
        raise ValueError(f"stages and features are {kinds}; BOOST and HAAR are served")
    size = int(_words(cascade, "width")[0]), int(_words(cascade, "height")[0])
    if not all(1 <= side <= MOST_SIDE for side in size):
        raise ValueError(f"a window of {size}")
    features = list(_one(cascade, "features"))
    for feature in features:
        _check_feature(feature, size)
    stages = list(_one(cascade, "stages"))
    if len(stages) != int(_words(cascade, "stageNum")[0]) or not stages:
        raise ValueError(f"{len(stages)} stages")
    for stage in stages:
        _check_stage(stage, len(features))


def _check_feature(feature: Element, size: tuple[int, int]) -> None:
    """Two or three rectangles (x, y, width, height, weight) inside the window; a tilted one leans over to the left."""
    rectangles = np.array([_numbers(each.text, 5) for each in _one(feature, "rects")])
    tilted = feature.findtext("tilted", "0").strip() not in ("", "0")
    if len(rectangles) not in (2, 3) or not np.isfinite(rectangles).all():
        raise ValueError(f"a feature of {len(rectangles)} rectangles")
    x, y, width, height = rectangles[:, :4].T
    left, right, bottom = (x - height, x + width, y + width + height) if tilted else (x, x + width, y + height)
    inside = (left >= 0) & (y >= 0) & (right <= size[0]) & (bottom <= size[1])
    if not (inside & (width > 0) & (height > 0)).all():
        raise ValueError("a feature reaches beyond the window")


def _check_stage(stage: Element, features: int) -> None:
    trees = list(_one(stage, "weakClassifiers"))
    if len(trees) != int(_words(stage, "maxWeakCount")[0]) or not trees:
        raise ValueError(f"a stage of {len(trees)} trees")
    _numbers(stage.findtext("stageThreshold"), 1)
    for tree in trees:
        words, leaves = _words(tree, "internalNodes"), len(_words(tree, "leafValues"))
        _numbers(tree.findtext("leafValues"), leaves)
        nodes = _numbers(" ".join(words), len(words)).reshape(-1, NODE)
        own, children, chosen = np.arange(len(nodes)), nodes[:, :2], nodes[:, 2]
        deeper = (children <= 0) | (children > own[:, None])  # a child stands after its parent, so there is no circle
        if not len(nodes) or leaves != len(nodes) + 1 or not deeper.all():
            raise ValueError("the nodes of a stage form no tree")
        if (children >= len(nodes)).any() or (children <= -leaves).any() or ((chosen < 0) | (chosen >= features)).any():
            raise ValueError("a node leads beyond the tree or the features")


def _one(parent: Element, name: str) -> Element:
    found = parent.findall(name)
    if len(found) != 1:
        raise ValueError(f"{len(found)} times {name}")
    return found[0]


def _words(parent: Element, name: str) -> list[str]:
    words = (_one(parent, name).text or "").split()
    if not words:
        raise ValueError(f"{name} is empty")
    return words


def _numbers(text: str | None, count: int) -> Numbers:
    values = np.array((text or "").split(), np.float64)
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(f"{len(values)} numbers, not {count}")
    return values

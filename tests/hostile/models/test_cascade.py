"""Cascades that expand, or whose indices and rectangles lead elsewhere: OpenCV would follow them."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from pipeline.errors import ModelLoadError
from pipeline.models.cascade import CascadeSession
from pipeline.models.cascade_check import MOST_BYTES, check_cascade
from tests.unit.pipeline.tiny_runtimes import CASCADE

ENTITIES = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BILLION = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "laugh">{ENTITIES}]><opencv_storage>&l9;</opencv_storage>'
OUTSIDE = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><opencv_storage>&f;</opencv_storage>'
)


def changed(old: str, new: str) -> str:
    assert CASCADE.count(old) == 1
    return CASCADE.replace(old, new)


HOSTILE = {
    "nothing": "",
    "words": "not a cascade",
    "cut": CASCADE[: len(CASCADE) // 2],
    "another document": "<opencv_storage><x>1</x></opencv_storage>",
    "a billion laughs": BILLION,
    "a file of the host": OUTSIDE,
    "a document type behind the root": CASCADE + "<!DOCTYPE x []>",
    "a sound one with one entity": changed("0.5</stageT", "&n;</stageT").replace(
        "<opencv_storage>", '<!DOCTYPE x [<!ENTITY n "0.5">]><opencv_storage>', 1
    ),
    "a NUL": CASCADE.replace("HAAR", "HA\0AR"),
    "another kind of feature": changed("HAAR", "LBP"),
    "another kind of stage": changed("BOOST", "SVM"),
    "a huge window": changed("<width>20</width>", "<width>2000000000</width>"),
    "no window": changed("<height>20</height>", "<height>0</height>"),
    "more stages than there are": changed("<stageNum>1</stageNum>", "<stageNum>1000000000</stageNum>"),
    "more trees than there are": changed(
        "<maxWeakCount>1</maxWeakCount><stageT", "<maxWeakCount>9</maxWeakCount><stageT"
    ),
    "a feature that is not there": changed("0 -1 0 -1.0", "0 -1 77 -1.0"),
    "a negative feature": changed("0 -1 0 -1.0", "0 -1 -1 -1.0"),
    "a leaf that is not there": changed("0 -1 0 -1.0", "0 -2 0 -1.0"),
    "a node that is not there": changed("0 -1 0 -1.0", "5 -1 0 -1.0"),
    "a node and a half": changed("0 -1 0 -1.0", "0 -1 0 -1.0 0 -1"),
    "two nodes, and no leaf for the second": changed("0 -1 0 -1.0", "0 -1 0 -1.0 0 -1 0 -1.0"),
    "a threshold that is not a number": changed("0 -1 0 -1.0", "0 -1 0 nan"),
    "words for numbers": changed("0 -1 0 -1.0", "zero -1 0 -1.0"),
    "a rectangle beyond the window": changed("0 10 20 10 2.", "0 10 20 11 2."),
    "a rectangle before the window": changed("0 10 20 10 2.", "-1 10 20 10 2."),
    "a tilted rectangle beyond the window": changed("<tilted>0</tilted>", "<tilted>1</tilted>"),
    "a rectangle without size": changed("0 10 20 10 2.", "0 10 0 10 2."),
    "a feature of one rectangle": changed("<_>0 10 20 10 2.</_>", ""),
    "a feature of four rectangles": changed("<_>0 10 20 10 2.</_>", "<_>0 10 20 10 2.</_>" * 3),
    "no features": changed("<_><rects>", "<x><rects>")
    .replace("</tilted></_>", "</tilted></x>")
    .replace("<x>", "<!--")
    .replace("</x>", "-->"),
    "no threshold": changed("<stageThreshold>0.5</stageThreshold>", ""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_cascade_is_refused_before_opencv_reads_it(name: str) -> None:
    with pytest.raises(ModelLoadError):
        check_cascade(HOSTILE[name].encode())


@pytest.mark.parametrize(
    "content", [CASCADE.encode("utf-16"), b"\xff\xfe<", bytes(range(256)), b" " * (MOST_BYTES + 1)]
)
def test_other_encodings_garbage_and_huge_files_are_refused(content: bytes) -> None:
    with pytest.raises(ModelLoadError):
        CascadeSession(content)


def test_an_encoding_that_hides_a_document_type_does_not_help() -> None:
    """UTF-7 could spell a document type without its letters; the parser reads UTF-8 whatever the file says."""
    hidden = (
        BILLION.replace('"1.0"?', '"1.0" encoding="UTF-7"?')
        .replace("<!DOCTYPE", "+ADwAIQ-DOCTYPE")
        .replace("<!ENTITY", "+ADwAIQ-ENTITY")
    )
    with pytest.raises(ModelLoadError):
        CascadeSession(hidden.encode())


def test_opencv_s_own_cascades_are_taken() -> None:
    for name in ("frontalcatface", "frontalcatface_extended", "frontalface_default", "eye", "smile", "upperbody"):
        assert CascadeSession((Path(cv2.data.haarcascades) / f"haarcascade_{name}.xml").read_bytes())
    assert CascadeSession(CASCADE.encode())

"""Object keys that clients name: hostile ones are refused, ordinary ones end up below the tenant's prefix."""

from __future__ import annotations

import unicodedata
import uuid

import pytest

from pipeline.errors import PathNotAllowed
from storage.keys import LONGEST_PATH, artifact_key, object_key

TENANT = uuid.UUID("0190a5de-0000-7000-8000-000000000001")

TAKEN = {
    "Y01": "a/b.jpg",
    "Y02": "ümlaut/å.png",
    "Y03": "emoji😀.jpg",
    "longest": "a" * LONGEST_PATH,
    "dots-in-names": "a..b/.hidden/c.",
    "percent": "a%2f..%2fb",
}
REFUSED = {
    "Y04": "../x.jpg",
    "Y05": "a/../../x",
    "Y06": "/etc/passwd",
    "Y07": "~/x",
    "Y08": "C:\\x",
    "Y09": "a\\..\\b",
    "Y10": "a//b",
    "Y11": "./a",
    "Y12": "a/\x00b",
    "Y13": "a\nb",
    "Y14": "a" * 600,
    "Y15": "..",
    "Y16": "",
    "Y17": "a/..",
    "Y18": unicodedata.normalize("NFD", "ü.jpg"),
    "Y19": "gpj.\u202egnp",
    "one-byte-too-long": "a" * (LONGEST_PATH + 1),
    "bytes-count-not-letters": "ü" * (LONGEST_PATH // 2 + 1),
    "trailing-slash": "a/",
    "lone-surrogate": "a\ud800",
    "line-separator": "a\u2028b",
    "escape": "a\x1b[31m",
    "zero-width": "a\u200bb",
}


@pytest.mark.parametrize("path", TAKEN.values(), ids=TAKEN.keys())
def test_an_ordinary_path_lies_below_its_tenant(path: str):
    assert object_key(TENANT, path) == f"t/{TENANT}/o/{path}"


@pytest.mark.parametrize("path", REFUSED.values(), ids=REFUSED.keys())
def test_a_hostile_path_is_refused(path: str):
    with pytest.raises(PathNotAllowed):
        object_key(TENANT, path)


def test_an_artifact_lies_under_its_digest():
    assert artifact_key(TENANT, "ab" * 32) == f"t/{TENANT}/a/ab/{'ab' * 32}"

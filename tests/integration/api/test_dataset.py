"""A dataset has the pictures with both consents at the moment it is made, each once, and accounts for every other scan."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zipfile import ZipFile

import pytest

from storage.keys import artifact_key
from tests.integration.api import eyes
from tests.integration.api.harness import Api, problem
from tests.integration.api.pictures import jpeg

pytest_plugins = ("tests.integration.api.fixtures",)

YES, NO = '{"training": true}', '{"training": false}'
GROUPS = ("exported", "undecided", "without_consent", "unfinished", "without_picture", "repeated", "deleted")


@dataclass(frozen=True)
class Dataset:
    """An export, read."""

    names: list[str]
    coco: dict[str, Any]
    lines: list[dict[str, str]]
    counts: dict[str, int]

    @property
    def scans(self) -> list[str]:
        return [image["scan_id"] for image in self.coco["images"]]


def exported(api: Api, token: str = "a", query: str = "") -> Dataset:
    answer = api.call("GET", f"/v1/datasets/cataract{query}", token)
    assert answer.status_code == 200
    with ZipFile(io.BytesIO(answer.get_data())) as pack:
        assert pack.testzip() is None
        about = json.loads(pack.read("dataset.json"))
        coco = json.loads(pack.read("annotations.json"))
        lines = list(csv.DictReader(io.StringIO(pack.read("labels.csv").decode(), newline="")))
        for image in coco["images"]:
            assert hashlib.sha256(pack.read(image["file_name"])).hexdigest() == image["sha256"]
        names = pack.namelist()
    assert about == coco["info"]
    counts = about["counts"]
    assert counts.pop("scans") == sum(counts.values()) and tuple(counts) == GROUPS
    return Dataset(names, coco, lines, {name: n for name, n in counts.items() if n})


@pytest.fixture
def clinic(api: Api) -> Api:
    """Offers eyes; tenant a allows training."""
    eyes.publish(api)
    api.call("PUT", "/v1/consent", json={"training": True})
    return api


def eye(api: Api, shade: int, consent: str | None = YES, token: str = "a") -> str:
    said = {} if consent is None else {"consent": consent}
    answer = api.submit(token, jpeg(shade=20 * shade), pipeline="cataract", **said)
    assert answer.status_code in (200, 202), answer.get_data(as_text=True)
    return str(answer.json["id"])


def test_only_pictures_with_both_consents_are_in_and_every_scan_is_accounted_for(clinic: Api) -> None:
    yes = eye(clinic, 1)
    for shade, word in ((2, NO), (3, None)):
        eye(clinic, shade, word)
    deleted = eye(clinic, 4)
    eyes.work(clinic)
    eye(clinic, 5)
    again = eye(clinic, 1)
    clinic.call("DELETE", f"/v1/scans/{deleted}")
    clinic.scan("a", consent=YES)
    found = exported(clinic)
    assert found.counts == dict.fromkeys(("undecided", "without_consent", "unfinished", "repeated", "deleted"), 1) | {
        "exported": 1
    }
    assert found.scans == [again] != [yes], "the newest scan of equal pictures stands for them"
    (line,) = found.lines
    assert line["scan_id"] == again and line["consent_at"] and line["consent_by"]


def test_without_the_tenant_s_word_nothing_is_in(clinic: Api) -> None:
    eye(clinic, 1)
    eyes.work(clinic)
    clinic.call("PUT", "/v1/consent", json={"training": False})
    assert exported(clinic).counts == {"without_consent": 1}
    clinic.call("PUT", "/v1/consent", json={"training": True})
    assert exported(clinic).counts == {"exported": 1}


def test_what_is_withdrawn_or_deleted_is_in_no_later_dataset(clinic: Api) -> None:
    scans = [eye(clinic, shade) for shade in range(3)]
    eyes.work(clinic)
    assert exported(clinic).scans == scans[::-1]
    clinic.call("PUT", f"/v1/scans/{scans[0]}/consent", json={"training": False})
    assert exported(clinic).scans == [scans[2], scans[1]]
    clinic.call("DELETE", f"/v1/scans/{scans[2]}")
    found = exported(clinic)
    assert found.scans == [scans[1]]
    assert found.counts == {"exported": 1, "without_consent": 1, "deleted": 1}


def test_a_no_to_the_same_bytes_goes_before_a_yes(clinic: Api) -> None:
    """Who withdraws for a picture does not know of the scan that a colleague made of it."""
    first = eye(clinic, 1)
    eyes.work(clinic)
    eye(clinic, 1)
    clinic.call("PUT", f"/v1/scans/{first}/consent", json={"training": False})
    assert exported(clinic).counts == {"without_consent": 2}


def test_another_tenant_s_pictures_are_not_in_and_its_no_does_not_count(clinic: Api) -> None:
    clinic.call("PUT", "/v1/consent", "b", json={"training": True})
    mine, theirs = eye(clinic, 1), eye(clinic, 2, token="b")
    eye(clinic, 1, NO, "b")
    eyes.work(clinic)
    assert exported(clinic).scans == [mine]
    assert exported(clinic, "b").scans == [theirs]


def test_the_lists_say_what_the_models_said_and_that_it_was_they(clinic: Api) -> None:
    scan = eye(clinic, 1)
    eyes.work(clinic, "cataract")
    found = exported(clinic)
    (image,) = found.coco["images"]
    assert found.names == [image["file_name"], "labels.csv", "annotations.json", "dataset.json", "SHA256SUMS"]
    assert (image["width"], image["height"], image["license"]) == (64, 64, 1)
    assert image["labels"] == [
        {
            "region": "cataract",
            "label": "cataract",
            "likeliest": "cataract",
            "confidence": 0.9,
            "label_source": "model",
        }
    ]
    assert image["models"] == eyes.MODEL
    assert found.coco["info"]["models"] == {"cataract_fast": ["1.2.0"]}
    (box,) = found.coco["annotations"]
    kinds = {each["id"]: each["name"] for each in found.coco["categories"]}
    assert (box["image_id"], kinds[box["category_id"]], box["bbox"]) == (image["id"], "pupil", [8.0, 8.0, 20.0, 20.0])
    assert (box["area"], box["score"], box["label_source"]) == (400.0, 0.75, "model")
    (line,) = found.lines
    told = {name: line[name] for name in ("scan_id", "region", "label", "label_source", "reviewed_label", "models")}
    assert told == {
        "scan_id": scan,
        "region": "cataract",
        "label": "cataract",
        "label_source": "model",
        "reviewed_label": "",
        "models": "cataract_fast=1.2.0",
    }
    assert line["sha256"] == image["sha256"] != line["input_sha256"] == hashlib.sha256(jpeg(shade=20)).hexdigest()


def test_what_a_person_said_last_stands_beside_what_the_model_said(clinic: Api) -> None:
    first = eye(clinic, 1)
    eyes.work(clinic)
    spoken, other = (eye(clinic, shade) for shade in (2, 3))
    eyes.work(clinic, "cataract")
    for scan, finding, label in (
        (spoken, "cataract", "unusable"),
        (spoken, "cataract", "normal"),
        (first, "cataract", "unusable"),
    ):
        body = {"finding": finding, "label": label}
        assert clinic.call("POST", f"/v1/scans/{scan}/corrections", json=body).status_code == 201
    found = exported(clinic)
    told = {
        (line["scan_id"], line["region"]): (line["label"], line["label_source"], line["reviewed_label"])
        for line in found.lines
    }
    assert told == {
        (spoken, "cataract"): ("cataract", "model", "normal"),
        (first, "cataract"): ("normal", "model", "unusable"),
        (other, "cataract"): ("cataract", "model", ""),
    }
    reviewed = [[each.get("reviewed_label") for each in image["labels"]] for image in found.coco["images"]]
    assert reviewed == [[None], ["normal"], ["unusable"]]


def test_the_same_scans_are_in_the_same_order_each_time(clinic: Api) -> None:
    for shade in range(5):
        eye(clinic, shade)
    eyes.work(clinic)
    first, second = exported(clinic), exported(clinic)
    assert first.names == second.names and first.lines == second.lines
    assert [each["id"] for each in first.coco["images"]] == [1, 2, 3, 4, 5]


def test_a_picture_that_storage_has_no_more_is_told_and_left_out(clinic: Api) -> None:
    eye(clinic, 1)
    eyes.work(clinic)
    (image,) = exported(clinic).coco["images"]
    clinic.here.storage.delete(artifact_key(clinic.tenants["a"], image["sha256"]))
    assert exported(clinic).counts == {"without_picture": 1}


def test_since_leaves_out_and_does_not_count_what_is_older(clinic: Api) -> None:
    eye(clinic, 1)
    clinic.call("DELETE", f"/v1/scans/{eye(clinic, 2)}")
    eyes.work(clinic)
    ago, ahead = ((datetime.now(UTC) + timedelta(hours=hours)).isoformat()[:19] + "Z" for hours in (-1, 1))
    assert exported(clinic, query=f"?since={ago}").counts == {"exported": 1, "deleted": 1}
    assert exported(clinic, query=f"?since={ahead}").counts == {}


def test_one_list_alone_and_what_is_refused(clinic: Api) -> None:
    for form, names in (("coco", {"annotations.json"}), ("csv", {"labels.csv"})):
        with ZipFile(io.BytesIO(clinic.call("GET", f"/v1/datasets/cataract?format={form}").get_data())) as pack:
            assert set(pack.namelist()) == names | {"dataset.json", "SHA256SUMS"}
    assert problem(clinic.call("GET", "/v1/datasets/cataract", "a scans:write")) == (403, "FORBIDDEN_SCOPE")
    assert problem(clinic.call("GET", "/v1/datasets/teeth")) == (404, "NOT_FOUND")
    for query in ("since=2026-01-01", "format=xml", "until=1"):
        assert problem(clinic.call("GET", f"/v1/datasets/cataract?{query}")) == (422, "INVALID_FIELD")

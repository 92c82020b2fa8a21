"""A dataset's two lists, COCO and CSV, made of the pictures that were written, which wait on disk meanwhile."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from api import csv_rows
from api.report.cards import is_mock
from pipeline.found_boxes import CATEGORIES, found_boxes

Json = dict[str, Any]
MODEL, MOCK = "model", "mock"
"""``label_source`` of what a network said, or a mock of one. No person looked at it."""
COLUMNS = (
    *("file", "sha256", "input_sha256", "scan_id", "submitted_at", "region", "label", "likeliest", "confidence"),
    *("label_source", "reviewed_label", "models", "pipeline_version", "consent_at", "consent_by"),
)
_FOUND = ("label", "likeliest", "confidence")


class Pictures:
    """The pictures of a dataset, in their order; a context manager. There may be a million, so memory holds none."""

    def __init__(self) -> None:
        self._kept = tempfile.TemporaryFile()  # noqa: SIM115  closed with the block
        self.models: dict[str, set[str]] = {}
        """Name → the versions that answered of any picture."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._kept.close()

    def add(self, file: str, scan: Mapping[str, Any]) -> None:
        """Note a picture that was written as ``file``."""
        told = _told(file, scan)
        for name, about in told["models"].items():
            self.models.setdefault(name, set()).add(str(about.get("version")))
        self._kept.write(json.dumps(told).encode() + b"\n")

    def __iter__(self) -> Iterator[Json]:
        self._kept.seek(0)
        for line in self._kept:
            yield json.loads(line)


def _told(file: str, scan: Mapping[str, Any]) -> Json:
    report = scan["report"] or {}
    source = MOCK if report and is_mock(report) else MODEL
    models = {name: about for stage in report.get("stages", {}).values() for name, about in stage["models"].items()}
    return {
        "file": file,
        "sha256": scan["sha256"],
        "input_sha256": scan["input_sha256"],
        "scan_id": str(scan["scan_id"]),
        "submitted_at": scan["created_at"].isoformat(),
        "pipeline_version": scan["version"],
        "consent_at": scan["training_at"].isoformat(),
        "consent_by": scan["training_by"],
        "width": (report.get("image") or {}).get("width"),
        "height": (report.get("image") or {}).get("height"),
        "models": {name: models[name] for name in sorted(models)},
        "label_source": source,
        "labels": _labelled(report.get("findings", {}), scan["reviewed"], source),
        "boxes": [{"category": each.category, "box": each.box, "score": each.score} for each in found_boxes(report)],
    }


def _labelled(findings: Mapping[str, Json], reviewed: Mapping[str, str], source: str) -> list[Json]:
    """What the models said of each finding and what a person said last; of either alone, too."""
    said = {region: found for region, found in findings.items() if "label" in found}
    return [
        {
            "region": region,
            **({**{key: said[region][key] for key in _FOUND if key in said[region]}, "label_source": source}
               if region in said else {"label_source": None}),
            **({"reviewed_label": reviewed[region]} if region in reviewed else {}),
        }
        for region in sorted({*said, *reviewed})
    ]  # fmt: skip


def as_csv(pictures: Iterable[Json]) -> Iterator[bytes]:
    """A line for each label; one without a label for a picture that has none. ``reviewed_label`` is a person's."""
    return csv_rows.table(COLUMNS, (_cells(each, label) for each in pictures for label in _labels(each)))


def _labels(picture: Json) -> list[Json]:
    return picture["labels"] or [{"label_source": None}]


def _cells(picture: Json, label: Json) -> list[object]:
    models = " ".join(f"{name}={about.get('version', '')}" for name, about in picture["models"].items())
    told = {**picture, **label, "models": models}
    return [told.get(column, "") if told.get(column) is not None else "" for column in COLUMNS]


def as_coco(pictures: Pictures, info: Json) -> Iterator[bytes]:
    """COCO's object format: boxes are annotations, labels of regions stand with their picture, as COCO has no place."""
    head = {
        "info": info,
        "licenses": [{"id": 1, "name": "Used by consent; it may be withdrawn", "url": ""}],
        "categories": [{"id": n, "name": name, "supercategory": ""} for n, name in enumerate(CATEGORIES, 1)],
    }
    yield json.dumps(head).encode()[:-1] + b',\n"images": ['
    yield from _listed(_image(n, each) for n, each in enumerate(pictures, 1))
    yield b'],\n"annotations": ['
    boxes = ((n, each, box) for n, each in enumerate(pictures, 1) for box in each["boxes"])
    yield from _listed(_annotation(number, *box) for number, box in enumerate(boxes, 1))
    yield b"]}\n"


def _listed(items: Iterable[Json]) -> Iterator[bytes]:
    for n, item in enumerate(items):
        yield (b",\n" if n else b"\n") + json.dumps(item).encode()


def _image(number: int, picture: Json) -> Json:
    named = {key: value for key, value in picture.items() if key not in ("file", "boxes")}
    return {"id": number, "file_name": picture["file"], "license": 1, **named}


def _annotation(number: int, image: int, picture: Json, found: Json) -> Json:
    x, y, width, height = found["box"]
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORIES.index(found["category"]) + 1,
        "bbox": [x, y, width, height],
        "area": width * height,
        "segmentation": [],
        "iscrowd": 0,
        "score": found["score"],
        "label_source": picture["label_source"],
        "models": {name: about.get("version") for name, about in picture["models"].items()},
    }

"""A manifest is read whole or refused; its digest changes with every field that changes an answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.models.input_spec import ManifestError
from pipeline.models.manifest import ModelEntry, read_manifest
from pipeline.models.settings import PACKS_ROOT

TABLE = """
[[model]]
name = "cat_validator"
version = "1"
file = "net.onnx"
sha256 = "{sha}"
runtime = "onnx"
licence = "Apache-2.0"
source = "here"
task = "subject"
crop_scale = 0.9
temperature = 2.0
trained_on = ["a", "b"]
mock = false

[model.input]
name = "image"
size = [224, 192]
mean = [127.5, 127.5, 127.5]
std = [127.5, 127.5, 127.5]

[model.outputs]
subject = "subject"

[model.labels]
subject = ["not_cat", "cat"]

[model.thresholds]
subject = 0.7

[model.metrics]
accuracy = 0.9
""".format(sha="a" * 64)


def read(tmp_path: Path, text: str = TABLE) -> dict[str, ModelEntry]:
    (tmp_path / "manifest.toml").write_text(text, encoding="utf-8")
    return read_manifest(tmp_path / "manifest.toml", "mine")


def test_every_field_arrives(tmp_path: Path) -> None:
    entry = read(tmp_path)["cat_validator"]
    assert entry.input.size == (224, 192)
    assert entry.input.mean == (127.5, 127.5, 127.5)
    assert entry.labels == {"subject": ("not_cat", "cat")}
    assert entry.thresholds == {"subject": 0.7}
    assert (entry.crop_scale, entry.temperature, entry.mock) == (0.9, 2.0, False)
    assert entry.trained_on == ("a", "b")
    assert entry.folder == tmp_path
    assert entry.provenance == {
        "name": "cat_validator", "version": "1", "digest": entry.digest, "pack": "mine", "runtime": "onnx",
    }  # fmt: skip


def test_a_plain_list_of_labels_stands_for_the_first_output(tmp_path: Path) -> None:
    text = TABLE.replace('[model.labels]\nsubject = ["not_cat", "cat"]', "").replace(
        "mock = false", 'mock = false\nlabels = ["not_cat", "cat"]'
    )
    assert read(tmp_path, text)["cat_validator"].labels == {"subject": ("not_cat", "cat")}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a" * 64, "b" * 64),
        ("[224, 192]", "[192, 224]"),
        ("mean = [127.5, ", "mean = [127.0, "),
        ('name = "image"', 'name = "image"\ncolour = "BGR"'),
        ('name = "image"', 'name = "image"\nletterbox = 114'),
        ('name = "image"', 'name = "image"\nbatch = 1'),
        ('name = "image"', 'name = "image"\nscale = "max"'),
        ('subject = "subject"', 'subject = "other"'),
        ('["not_cat", "cat"]', '["cat", "not_cat"]'),
        ("subject = 0.7", "subject = 0.71"),
        ("subject = 0.7", "subject = 0.7\niou = 0.4"),
        ("crop_scale = 0.9", "crop_scale = 1.0"),
        ("temperature = 2.0", "temperature = 1.9"),
        ("mock = false", "mock = true"),
        ("[model.metrics]", "[model.groups]\ncat = [1]\n[model.metrics]"),
        ("[model.metrics]", '[model.explanation]\nmethod = "occlusion"\n[model.metrics]'),
    ],
)
def test_the_digest_changes_with_what_changes_an_answer(tmp_path: Path, old: str, new: str) -> None:
    assert old in TABLE
    assert read(tmp_path)["cat_validator"].digest != read(tmp_path, TABLE.replace(old, new, 1))["cat_validator"].digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('version = "1"', 'version = "2"'),
        ('licence = "Apache-2.0"', 'licence = "MIT"'),
        ('source = "here"', 'source = "there"'),
        ('["a", "b"]', '["a"]'),
        ("accuracy = 0.9", "accuracy = 0.8"),
        ('file = "net.onnx"', 'file = "moved.onnx"'),
    ],
)
def test_the_digest_does_not_change_with_what_only_people_read(tmp_path: Path, old: str, new: str) -> None:
    assert read(tmp_path)["cat_validator"].digest == read(tmp_path, TABLE.replace(old, new))["cat_validator"].digest


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("a" * 64, "A" * 64, "sha256"),
        ("a" * 64, "a" * 63, "sha256"),
        ('"onnx"', '"pickle"', "runtime"),
        ('file = "net.onnx"', 'file = "../net.onnx"', "file"),
        ('file = "net.onnx"', 'file = "/etc/passwd"', "file"),
        ('file = "net.onnx"', 'file = ".."', "file"),
        ('licence = "Apache-2.0"', "", "missing keys"),
        ('licence = "Apache-2.0"', 'licence = ""', "licence"),
        ('version = "1"', "version = 1", "version"),
        ("temperature = 2.0", "temperature = 0", "temperature"),
        ("crop_scale = 0.9", "crop_scale = -1", "crop_scale"),
        ("crop_scale = 0.9", "cropscale = 0.9", "unknown keys"),
        ("[model.thresholds]", "[model.treshold]", "unknown keys"),
        ('subject = "subject"', 'subject = "subject"\ncam = "cam"', "explanation"),
        ("[model.thresholds]", "[model.explanation]\n[model.thresholds]", "needs the output cam"),
        ("[model.thresholds]", '[model.explanation]\nmethod = "magic"\n[model.thresholds]', "explanation.method"),
        ("[model.thresholds]", '[model.explanation]\nform = "odds"\n[model.thresholds]', "explanation.form"),
        ("[model.thresholds]", '[model.explanation]\nlayer = "first"\n[model.thresholds]', "explanation.layer"),
        ("[model.thresholds]", "[model.explanation]\ngrid = 100\n[model.thresholds]", "explanation.grid"),
        ("[model.thresholds]", '[model.explanation]\nlayers = "x"\n[model.thresholds]', "layers"),
        ("size = [224, 192]", "size = [224]", "size"),
        ("size = [224, 192]", "size = [224, 0]", "size"),
        ("size = [224, 192]", "size = [224.5, 192]", "size"),
        ("size = [224, 192]", "", "missing keys"),
        ("size = [224, 192]", "size = [224, 192]\nresize = true", "unknown keys"),
        ("std = [127.5, 127.5, 127.5]", "std = [127.5, 127.5, 0]", "std"),
        ('name = "image"', 'name = "image"\nlayout = "NWHC"', "layout"),
        ('name = "image"', 'name = "image"\nscale = "mean"', "scale"),
        ('name = "image"', 'name = "image"\nbatch = 0', "batch"),
        ('name = "image"', 'name = "image"\nletterbox = 256', "letterbox"),
        ('subject = "subject"', "", "outputs"),
        ('subject = ["not_cat", "cat"]', 'points = ["left_eye"]', "no outputs"),
        ("subject = 0.7", 'subject = "high"', "high"),
        ('name = "image"', 'name = "image"\ncolour = "GREY"', "colour"),
        ('source = "here"', 'source = "here"\nbytes = 0', "bytes"),
        ('source = "here"', 'source = "here"\nbytes = "1"', "bytes"),
        ('file = "net.onnx"', 'file = "net.h5"', "scanmill models add net.h5"),
        ('file = "net.onnx"', 'file = "Net.KERAS"', "scanmill models add"),
        ('file = "net.onnx"', 'file = "net.pt"', "scanmill models add"),
        ('runtime = "onnx"', 'runtime = "torch"', "scanmill models add"),
        ('runtime = "onnx"', 'runtime = "lightgbm"', "tabular"),
        ('runtime = "onnx"', 'runtime = "opencv"', "cascade"),
        ('runtime = "onnx"', 'runtime = "rembg"', "rembg"),
        ('task = "subject"', 'task = "tabular"', "features"),
        ('task = "subject"', 'task = "cascade"', "cascade"),
        ("size = [224, 192]", 'features = ["a", "b"]', "which are for pictures"),
    ],
)
def test_a_wrong_manifest_is_refused_with_the_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in TABLE
    with pytest.raises(ManifestError, match=told):
        read(tmp_path, TABLE.replace(old, new, 1))


VECTOR = (
    TABLE.replace('task = "subject"', 'task = "tabular"')
    .replace('"onnx"', '"lightgbm"')
    .replace(
        """name = "image"
size = [224, 192]
mean = [127.5, 127.5, 127.5]
std = [127.5, 127.5, 127.5]""",
        'features = ["x", "y"]',
    )
)


def test_a_vector_is_an_input_too(tmp_path: Path) -> None:
    spec = read(tmp_path, VECTOR)["cat_validator"].input
    assert (spec.name, spec.features, spec.size, spec.shape) == ("features", ("x", "y"), (1, 2), (2,))
    counted = read(tmp_path, VECTOR.replace('["x", "y"]', "3"))["cat_validator"].input
    assert counted.features == ("0", "1", "2")
    assert (
        len(
            {
                read(tmp_path, VECTOR.replace('["x", "y"]', new))["cat_validator"].digest
                for new in ('["x", "y"]', '["y", "x"]', "2")
            }
        )
        == 3
    )


@pytest.mark.parametrize(
    "features", ["[]", "0", "-1", "100_000_000_000", '["a", "a"]', '["a", ""]', "[1, 2]", '"ab"', "true", "2.0"]
)
def test_features_that_cannot_be_are_refused(tmp_path: Path, features: str) -> None:
    with pytest.raises(ManifestError, match=r"features|size"):
        read(tmp_path, VECTOR.replace('["x", "y"]', features))


def test_where_a_file_is_fetched_and_how_large_it_is(tmp_path: Path) -> None:
    entry = read(tmp_path)["cat_validator"]
    assert (entry.url, entry.bytes) == ("", None)
    at = "https://models.example/net.onnx"
    assert read(tmp_path, TABLE.replace('source = "here"', f'source = "{at}"'))["cat_validator"].url == at
    text = TABLE.replace('source = "here"', f'source = "a paper"\nurl = "{at}"\nbytes = 12')
    entry = read(tmp_path, text)["cat_validator"]
    assert (entry.url, entry.bytes, entry.source) == (at, 12, "a paper")
    assert entry.digest == read(tmp_path)["cat_validator"].digest


def test_a_manifest_keeps_its_digest(tmp_path: Path) -> None:
    """Scans are pinned to it, and results are reused by it: a new key may not change an entry that does not use it."""
    assert read(tmp_path)["cat_validator"].digest == "374b0d73321cb459de8294f0ad46a3a8b475f61ca9d1c28df311a7a6a5d7b80e"


@pytest.mark.parametrize("text", ["[[model]", "model = 3", "other = 1\n" + TABLE, TABLE + TABLE])
def test_a_document_that_is_no_list_of_models_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ManifestError):
        read(tmp_path, text)


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError):
        read_manifest(tmp_path / "manifest.toml", "mine")


def test_the_public_pack_pins_address_and_digest() -> None:
    entries = read_manifest(PACKS_ROOT / "public" / "manifest.toml", "public")
    assert {"cat_validator", "background", "cat_detector", "cat_face_cascade"} <= set(entries)
    for entry in entries.values():
        assert entry.url.startswith("https://") and entry.url.endswith(entry.file) and entry.bytes
        assert re.search("/[0-9a-f]{40}/", entry.url), "a commit, no branch"
        assert entry.licence in ("Apache-2.0", "BSD-3-Clause")
    assert entries["cat_validator"].groups == {"cat": (282, 283, 284, 285, 286)}

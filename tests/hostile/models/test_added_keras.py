"""Keras files that carry code, reach out, or blow up: refused, and nothing of them has run."""

from __future__ import annotations

import base64
import json
import marshal
import stat
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.hostile.models.traps import (
    DENSE,
    archive,
    code_that_leaves,
    h5_file,
    keras_file,
    lambda_layer,
    network,
    numbers,
    refused,
)
from training.convert.keras_config import checked


def test_the_trap_is_armed(tmp_path: Path) -> None:
    code = marshal.loads(base64.b64decode(code_that_leaves(tmp_path / "canary")))
    exec(code, {}, {"x": 1}) if not code.co_argcount else type(lambda: 0)(code, {"open": open})(1)
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_lambda_is_refused_and_does_not_run(tmp_path: Path, suffix: str) -> None:
    config = network(lambda_layer(tmp_path / "canary"), DENSE)
    content = keras_file(config) if suffix == ".keras" else h5_file(config)
    refused(tmp_path / f"trap{suffix}", content, "code of its own in a Lambda layer; nothing of it was run")
    assert not (tmp_path / "canary").exists()


def layer(name: str, module: str | None = "keras.layers", registered: str | None = None, **config: Any) -> Any:
    return {"module": module, "class_name": name, "registered_name": registered, "config": config}


CONFIGS = {
    "a saved model": (layer("TFSMLayer", filepath="/etc"), "code of its own in a TFSMLayer"),
    "torch inside": (layer("TorchModuleWrapper", module_name="os"), "code of its own in a TorchModuleWrapper"),
    "an operator of Keras 2": (layer("TFOpLambda", function="math.truediv"), "Keras 2 saved it .*TFOpLambda"),
    "an unknown layer": (layer("Frobnicate"), "made of 'Frobnicate'"),
    "a layer that reads files": (layer("StringLookup", vocabulary="/etc/passwd"), "made of 'StringLookup'"),
    "a class of its author's": (layer("Dense", registered="evil>Dense"), "a class of its author's, 'evil>Dense'"),
    "a module": (layer("Dense", module="os"), "asks for 'os', which is no part of Keras"),
    "a module that sounds like Keras": (layer("Dense", module="keras_evil"), "asks for 'keras_evil'"),
    "a name that is none": (layer(["Dense"]), "made of "),  # type: ignore[arg-type]
    "a function": (
        layer("Activation", activation=layer("function", module="builtins", registered="eval") | {"config": "eval"}),
        "asks for the function 'eval'",
    ),
    "a lambda as an initialiser": (
        layer("Dense", kernel_initializer=layer("__lambda__", code="4wEA")), "code of its own in a __lambda__"),
    "deep inside": (
        layer("Sequential", "keras", layers=[layer("SpectralNormalization", layer=layer("Lambda"))]),
        "code of its own in a Lambda",
    ),
    "an absurd layer": (layer("Dense", units=10**12), "absurd size: units is 1000000000000"),
    "an absurd picture": (layer("InputLayer", batch_shape=[None, 10**6, 10**6, 3]), "absurd size: batch_shape"),
    "an absurd upsampling": (layer("UpSampling2D", size=[2**30, 1]), "absurd size: size"),
}  # fmt: skip


@pytest.mark.parametrize("trap", CONFIGS)
def test_a_config_of_other_things_than_layers_is_refused(tmp_path: Path, trap: str) -> None:
    part, sentence = CONFIGS[trap]
    refused(tmp_path / "trap.keras", keras_file(network(part)), sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "describes no network"),
        (json.dumps({"class_name": "Sequential", "config": 0})[:-2] + "[" * 70 + "]" * 70 + "}", "nested too deep"),
    ],
    ids=["broken", "endless", "a list", "deep"],
)
def test_a_config_that_is_none_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    refused(tmp_path / "trap.keras", keras_file(text), sentence)


def test_what_belongs_to_training_is_not_read() -> None:
    config = {**network(DENSE), "compile_config": {"optimizer": layer("Evil", module="os")}}
    assert "Evil" not in checked(json.dumps(config).encode())
    assert "Dense" in checked(json.dumps(config).encode())


def bomb() -> bytes:
    members = {"config.json": json.dumps(network(DENSE)).encode(), "model.weights.h5": bytes(300 * 2**20)}
    return archive(members, zipfile.ZIP_DEFLATED)


def linked() -> bytes:
    kept = BytesIO()
    with zipfile.ZipFile(kept, "w") as made:
        link = zipfile.ZipInfo("model.weights.h5")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "/etc/passwd")
    return kept.getvalue()


def twice() -> bytes:
    return archive({"config.json": b"{}", "config.jsom": b"{}"}).replace(b"config.jsom", b"config.json")


def locked() -> bytes:
    content = bytearray(keras_file(network(DENSE)))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(mark) + offset] |= 1
    return bytes(content)


ARCHIVES = {
    "a bomb": (bomb, "zip bomb: 'model.weights.h5' unpacks to 300 MiB"),
    "leading outside": (lambda: archive({"../config.json": b"{}"}), r"leads outside \('\.\./config\.json'\)"),
    "leading to the root": (lambda: archive({"/etc/cron.d/x": b""}), "leads outside"),
    "leading to a drive": (lambda: archive({"C:\\x": b""}), "leads outside"),
    "a link": (linked, "a link or a device"),
    "a name twice": (twice, "two files of one name"),
    "encrypted": (locked, "an encrypted file"),
    "cut off": (lambda: keras_file(network(DENSE))[:-40], "not a whole zip archive"),
    "pickled weights": (lambda: keras_file(network(DENSE), **{"model.weights.npz": b""}), "neither config nor weights"),
    "assets": (lambda: keras_file(network(DENSE), **{"assets/vocabulary.txt": b""}), "neither config nor weights"),
    "no weights": (lambda: archive({"config.json": json.dumps(network(DENSE)).encode()}), "without model.weights.h5"),
    "a folder of files": (lambda: archive({f"f{i}": b"" for i in range(20_001)}), "more than 20,000 files"),
    "no zip": (lambda: b"\x89HDF\r\n\x1a\n", "does not begin as a .keras file does"),
}


@pytest.mark.parametrize("trap", ARCHIVES)
def test_an_archive_that_no_saver_writes_is_refused(tmp_path: Path, trap: str) -> None:
    make, sentence = ARCHIVES[trap]
    refused(tmp_path / "trap.keras", make(), sentence)


def declares_much(file: h5py.File) -> None:
    file.create_dataset("huge", (2**18, 2**18), np.float32, chunks=(1024, 1024), compression="gzip", fillvalue=1)


def with_filter(file: h5py.File) -> None:
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((4,))
    made.set_filter(32004, h5py.h5z.FLAG_OPTIONAL, ())  # lz4: a library that HDF5 would look for and load
    h5py.h5d.create(file.id, b"packed", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((4,)), made)


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((2,), np.float32)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (2,))
    file.create_virtual_dataset("virtual", layout)


def deep(file: h5py.File) -> None:
    file.create_group("/".join("g" * 80))


HDF5 = {
    "a link to another file": (
        lambda f: f.__setitem__("out", h5py.ExternalLink("/etc/passwd", "/x")),
        "to another file",
    ),
    "a soft link": (lambda f: f.__setitem__("soft", h5py.SoftLink("/layers")), "a soft link"),
    "an array elsewhere": (
        lambda f: f.create_dataset("out", (4,), np.uint8, external=[("/etc/passwd", 0, 4)]),
        "keeps an array in another file",
    ),
    "a virtual array": (virtual, "a virtual array"),
    "a shape bomb": (declares_much, "declares 262,144 MiB and stores next to nothing"),
    "a filter": (with_filter, "a filter from somebody's library"),
    "text": (lambda f: f.create_dataset("text", data=["a"], dtype=h5py.string_dtype()), "not of numbers"),
    "a type": (lambda f: f.__setitem__("type", np.dtype(np.float32)), "neither group nor array"),
    "depth": (deep, "nested too deep"),
}


@pytest.mark.parametrize("trap", HDF5)
def test_an_hdf5_file_that_reaches_out_is_refused(tmp_path: Path, trap: str) -> None:
    write, sentence = HDF5[trap]
    refused(tmp_path / "trap.h5", h5_file(network(DENSE), write), sentence)


def test_the_weights_inside_a_keras_file_are_looked_at_too(tmp_path: Path) -> None:
    write, sentence = HDF5["a link to another file"]
    refused(tmp_path / "trap.keras", keras_file(network(DENSE), numbers(write)), sentence)


def test_a_group_that_holds_itself_ends(tmp_path: Path) -> None:
    content = numbers(lambda file: file.__setitem__("layers/again", file["/layers"]))
    refused(tmp_path / "trap.h5", content, "weights but no network")


def test_broken_hdf5_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "trap.h5", numbers()[:700], "cannot be read")

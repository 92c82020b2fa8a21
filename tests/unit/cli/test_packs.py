"""What `models list` and `doctor` say of model packs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cli.packs import PackSettings, models


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "packs" / "mine"
    folder.mkdir(parents=True)
    (folder / "right.onnx").write_bytes(b"right")
    (folder / "changed.onnx").write_bytes(b"changed")
    right = hashlib.sha256(b"right").hexdigest()
    entries = [("right", right), ("changed", right), ("absent", right)]
    lines = [
        f'[[model]]\nname = "{n}"\nversion = "1"\nfile = "{n}.onnx"\nsha256 = "{sha}"\nruntime = "onnx"\n'
        for n, sha in entries
    ]
    (folder / "manifest.toml").write_text("\n".join(lines))
    return folder.parent


def test_each_file_is_compared_with_its_manifest(pack: Path) -> None:
    found = models(PackSettings(packs="mine", root=pack))
    assert [(model.name, model.state) for model in found] == [
        ("right", "ok"),
        ("changed", "damaged"),
        ("absent", "missing"),
    ]


def test_a_mirror_holds_what_the_pack_does_not(pack: Path, tmp_path: Path) -> None:
    for name in ("absent.onnx", hashlib.sha256(b"right").hexdigest()):
        (tmp_path / name).write_bytes(b"right")
        found = models(PackSettings(packs="mine", root=pack, mirror=str(tmp_path)))
        assert [model.state for model in found] == ["ok", "damaged", "ok"]
        (tmp_path / name).unlink()
    found = models(PackSettings(packs="mine", root=pack, mirror="https://models.example"))
    assert [model.state for model in found] == ["ok", "damaged", "missing"], "an address is for fetching only"


def test_the_packs_of_this_repository_can_be_read() -> None:
    assert all(model.sha256 for model in models(PackSettings(packs="public")))

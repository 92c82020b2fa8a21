"""What `models list` and `doctor` say of model packs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import build
from cli.output import Exit
from cli.packs import PackSettings, card, models


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


def test_a_card_is_the_first_chosen_pack_s(pack: Path) -> None:
    manifest = pack / "mine" / "manifest.toml"
    manifest.write_text(manifest.read_text().replace('name = "right"', 'name = "right"\ncard = "right.md"'))
    (pack / "mine" / "right.md").write_text("# right: what it is for")
    settings = PackSettings(packs="mine", root=pack)
    found = card(settings, "right")
    assert found is not None
    assert (found.pack, found.version, found.card) == ("mine", "1", "# right: what it is for")
    without = card(settings, "changed")
    assert without is not None
    assert without.card == ""
    assert card(settings, "nobody") is None


def test_a_card_outside_its_pack_is_not_read(pack: Path) -> None:
    (pack / "secret.md").write_text("not for you")
    manifest = pack / "mine" / "manifest.toml"
    manifest.write_text(manifest.read_text().replace('name = "right"', 'name = "right"\ncard = "../secret.md"'))
    found = card(PackSettings(packs="mine", root=pack), "right")
    assert found is not None
    assert found.card == ""


def test_every_model_of_the_starter_pack_has_a_card_to_print() -> None:
    settings = PackSettings(packs="starter")
    for model in models(settings):
        found = card(settings, model.name)
        assert found is not None
        assert found.card.startswith(f"# {model.name}: ")


def test_models_card_prints_the_card_or_says_why_not() -> None:
    printed = CliRunner().invoke(build("models"), ["models", "card", "cat_validator"])
    assert printed.exit_code == 0
    assert printed.stdout.startswith("# cat_validator: ")
    told = CliRunner().invoke(build("models"), ["models", "card", "cat_validator", "--json"])
    assert json.loads(told.stdout)["card"] == printed.stdout.removesuffix("\n")
    missing = CliRunner().invoke(build("models"), ["models", "card", "nobody", "--json"])
    assert missing.exit_code == Exit.NOT_ANSWERED
    assert "in no chosen pack" in json.loads(missing.stdout)["error"]

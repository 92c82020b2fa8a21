"""`scanmill models add`: a pack that serving reads, exit codes, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import app
from cli.packs import PackSettings, models
from pipeline.models.room import ModelRoom
from pipeline.models.settings import ModelSettings

STARTER = Path(__file__).parents[3] / "models" / "starter"
SAID = ["--version", "2.0", "--task", "classifier", "--licence", "Apache-2.0", "--labels", "normal,abnormal"]
HEAD = [
    *(
        "--output",
        "logits=mouth_logits",
        "--output",
        "cam=mouth_cam",
        "--layer",
        "top_activation",
        "--scale",
        "255",
        "--mean",
        "0.5,0.5,0.5",
    ),
    *("--std", "0.5,0.5,0.5", "--crop-scale", "1.2", "--trained-on", "a set: its terms"),
]


def add(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        app(["models", "add", *words])
    return int(ended.value.code or 0)


def test_a_network_becomes_a_pack_that_serving_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine"
    words = [str(STARTER / "cat_areas.onnx"), "--name", "mouth", *SAID, *HEAD, "--out", str(out), "--json"]
    assert add(*words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["entry"]["outputs"] == {"logits": "mouth_logits", "cam": "mouth_cam"}
    assert told["proof"]["largest"]["mouth_logits"] == 0.0
    assert Path(told["stored"]).read_bytes() == (STARTER / "cat_areas.onnx").read_bytes()
    room = ModelRoom.open(ModelSettings(packs=f"{out},starter"))
    assert room.load("mouth").entry.crop_scale == 1.2
    assert [model.state for model in models(PackSettings(packs=str(out)))] == ["ok"]
    card = (out / "cards" / "mouth.md").read_text()
    assert "a set: its terms" in card
    assert "`mouth_logits`" in card

    assert add(*words) == 2, "a pack has one version of a name"
    assert "one version of a name" in json.loads(capsys.readouterr().out)["error"]
    second = [*words[:2], "again", *words[3:]]
    assert add(*second) == 0
    assert [model.name for model in models(PackSettings(packs=str(out)))] == ["mouth", "again"]


def test_a_refused_file_leaves_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trap.pt").write_bytes(b"\x80\x04.")
    out = tmp_path / "mine"
    assert add(str(tmp_path / "trap.pt"), "--name", "x", *SAID, "--out", str(out), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["code"], told["exit_code"]) == ("MODEL_REFUSED", 1)
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--size", "8"], "size"),
        (["--scale", "much"], "scale"),
        (["--mean", "1,2"], "mean"),
        (["--output", "logits"], "KEY=VALUE"),
        (["--threshold", "a=b"], "threshold"),
        (["--golden", "/etc"], "golden"),
    ],
)
def test_an_option_that_cannot_be_is_a_wrong_use(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.onnx").write_bytes(b"x")
    assert add(str(tmp_path / "x.onnx"), "--name", "x", *SAID, *words) == 2
    assert sentence in capsys.readouterr().err

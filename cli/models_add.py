"""`scanmill models add`: takes a network of yours in."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output
from cli.output import Exit, Json
from cli.packs import PackSettings
from pipeline.errors import InvalidField

if TYPE_CHECKING:
    from training.convert import Accepted, Description

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".keras .h5 .pt .onnx .tflite, LightGBM .txt")]
Golden = Annotated[list[Path] | None, typer.Option(help="A picture to compare on; may be repeated.")]
Pairs = Annotated[list[str] | None, typer.Option("--output", metavar="ROLE=NAME", help="Which output is which.")]
Limits = Annotated[list[str] | None, typer.Option("--threshold", metavar="KEY=NUMBER", help="A threshold.")]
Groups = Annotated[list[str] | None, typer.Option("--group", metavar="LABEL=I,I…", help="Classes that count as one.")]
Labels = Annotated[str, typer.Option(help="Names of the classes by index, with commas between.")]
Size = Annotated[str | None, typer.Option(metavar="HxW", help="The input's size, where the file leaves it open.")]
Scale = Annotated[str, typer.Option(help="What pixels are divided by: a number, or max.")]
Numbers = Annotated[str | None, typer.Option(metavar="R,G,B", help="Per channel, after the division.")]
Sources = Annotated[list[str] | None, typer.Option(help="Data it was trained on, with its terms; may be repeated.")]
Note = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="What its training noted: figures, thresholds, data, day."),
]
Explain = Annotated[str, typer.Option(help="auto, grad-cam, eigen-cam, occlusion or none: where a classifier looked.")]
Out = Annotated[Path | None, typer.Option(help="The pack's folder; `mine` beside the shipped packs if not said.")]


def add(
    file: File,
    name: Annotated[str, typer.Option(help="What stages call it.")],
    version: Annotated[str, typer.Option(help="Yours to choose.")],
    task: Annotated[str, typer.Option(help="classifier, subject, detector, landmarks, matte, …")],
    licence: Annotated[str, typer.Option(help="Its licence.")],
    labels: Labels = "",
    source: Annotated[str, typer.Option(help="Where it comes from; the file's name if not said.")] = "",
    trained_on: Sources = None,
    trained_at: Annotated[str, typer.Option(help="The day of its training, as 2026-01-31.")] = "",
    size: Size = None,
    colour: Annotated[str, typer.Option(help="RGB or BGR.")] = "RGB",
    scale: Scale = "1",
    mean: Numbers = None,
    std: Numbers = None,
    letterbox: Annotated[int | None, typer.Option(help="Grey beside a picture that keeps its ratio, 0 to 255.")] = None,
    outputs: Pairs = None,
    thresholds: Limits = None,
    groups: Groups = None,
    explain: Explain = "auto",
    layer: Annotated[str | None, typer.Option(help="Of which layer maps are: top_conv or top_activation.")] = None,
    crop_scale: Annotated[float | None, typer.Option(help="Side of its crops, in distances between the eyes.")] = None,
    note: Note = None,
    golden: Golden = None,
    out: Out = None,
    deadline: Annotated[float, typer.Option(min=1, help="Seconds that reading the file may take.")] = 300,
    memory: Annotated[int, typer.Option(min=64, help="MiB that reading the file may take.")] = 4096,
    as_json: Json = False,
) -> None:
    """Convert a network of yours, prove the conversion equal, and put it into a pack."""
    said: dict[str, Any] = {
        "name": name, "version": version, "task": task, "licence": licence, "source": source or file.name,
        "labels": labels, "trained_on": trained_on, "trained_at": trained_at, "size": size, "colour": colour, "scale": scale, "mean": mean,
        "std": std, "letterbox": letterbox, "outputs": outputs, "thresholds": thresholds, "crop_scale": crop_scale, "note": note,
        "explain": explain, "layer": layer, "groups": groups,
    }  # fmt: skip
    with output.exits(as_json):
        try:
            convert = importlib.import_module("training.convert")
            bounds = convert.Bounds(memory_bytes=memory * 2**20, deadline_s=deadline)
            accepted = convert.accept(file, _description(convert.Description, said), golden or [], bounds)
            stored = _keep(accepted, out or PackSettings().root / "mine")
        except InvalidField as error:
            output.fail(Exit.USAGE, str(error), as_json, code=error.code)
        except ImportError as error:
            output.fail(Exit.FAILED, f"{error}: install requirements/training.in", as_json)
        except OSError as error:
            output.fail(Exit.USAGE, str(error), as_json)
        output.emit(_as_data(accepted, stored), as_json, lambda: _tell(accepted, stored))


def _keep(accepted: Accepted, out: Path) -> Path:
    """The one place where an accepted network is stored."""
    keep = importlib.import_module("training.convert.keep")
    stored: Path = keep.add_to_pack(accepted, out)
    return stored


def _as_data(accepted: Accepted, stored: Path) -> dict[str, Any]:
    return {"entry": dict(accepted.entry), "proof": accepted.proof.told(), "stored": str(stored)}


def _description(make: Callable[..., Description], said: dict[str, Any]) -> Description:
    """Options as they were typed to a description. Raises InvalidField."""
    noted = _noted(said.pop("note"))
    fields = {
        **said,
        "labels": _words(said["labels"]),
        "trained_on": tuple(said["trained_on"] or noted.get("trained_on", ())),
        "trained_at": said["trained_at"] or noted.get("trained_at", ""),
        "metrics": noted.get("metrics", {}),
        "size": None if said["size"] is None else _numbers("size", said["size"].lower().replace("x", ","), 2, int),
        "scale": "max" if said["scale"] == "max" else _numbers("scale", said["scale"], 1, float)[0],
        "outputs": _pairs("output", said["outputs"]),
        "thresholds": noted.get("thresholds", {})
        | {
            key: _numbers("threshold", value, 1, float)[0]
            for key, value in _pairs("threshold", said["thresholds"]).items()
        },
    }
    fields["groups"] = {
        label: _numbers("group", value, value.count(",") + 1, int)
        for label, value in _pairs("group", said["groups"]).items()
    }
    for key in ("mean", "std"):
        if said[key] is None:
            del fields[key]
        else:
            fields[key] = _numbers(key, said[key], 3, float)
    return make(**fields)


def _noted(file: Path | None) -> dict[str, Any]:
    """Metrics by name, thresholds, data and day of a training's note. Raises InvalidField."""
    if file is None:
        return {}
    try:
        note = json.loads(file.read_text(encoding="utf-8"))
        entry = note.get("entry", {})
        return {
            "metrics": {
                metric["name"]: {key: metric[key] for key in ("value", "low", "high", "n", "on")}
                for metric in note["metrics"]
            },
            "thresholds": {key: float(value) for key, value in note.get("thresholds", {}).items()},
            "trained_on": [f"{name}: {entry['terms'][name]}" for name in entry.get("trained_on", ())],
            "trained_at": note["run"]["day"],
        }
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise InvalidField(f"note {file.name} is not what a training noted: {error}") from error


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",")) if text else ()


def _numbers(key: str, text: str, count: int, kind: type[Any]) -> tuple[Any, ...]:
    try:
        numbers = tuple(kind(word) for word in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise InvalidField(f"{key} {text!r} is not {count} number{'s' if count > 1 else ''}")
    return numbers


def _pairs(key: str, given: list[str] | None) -> dict[str, str]:
    pairs = [text.partition("=") for text in given or []]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise InvalidField(f"{key} {name + equals + value!r} is not KEY=VALUE")
    return {name: value for name, _, value in pairs}


def _tell(accepted: Accepted, stored: Path) -> None:
    proof, pack = accepted.proof, stored.parent.resolve()
    show = output.console.print
    show(f"{accepted.entry['name']} {accepted.entry['version']} is in {pack} as {stored.name}", soft_wrap=True)
    largest = f"at most {max(proof.largest.values()):.2g} apart, {proof.tolerance:g} allowed"
    show(f"equal to the original on {proof.pictures} pictures: {largest}")
    for name, answer in proof.golden.items():
        show(f"  {name}: {answer}", markup=False)
    named = pack.name if pack.parent == PackSettings().root.resolve() else pack
    show(f"to use it on this machine: SCANMILL_MODEL_PACKS={named},starter", soft_wrap=True)
    show(f"on every host: scanmill models goldens {pack}, then register it, then promote", soft_wrap=True)

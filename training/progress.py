"""How far a run is: a small JSON file that others read, rewritten while the run lives; and whoever else listens."""

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

State: TypeAlias = Literal["drawing", "training", "exporting", "scoring", "done"]
BEAT_SECONDS: Final = 2.0
PARTIAL: Final = ".partial"
"""End of the names of files that are not whole yet."""


class Listener(Protocol):
    """Something that wants to know too."""

    def told(self, facts: dict[str, Any]) -> None:
        """Hear of one step: `stage`, `step`, `loss` and more."""

    def tried(self, name: str, parameters: Mapping[str, Any], figures: Mapping[str, float]) -> None:
        """Hear of one combination of a search."""


class Progress:
    """Facts of a run. With a file, they are in it at most two seconds later, and it is rewritten as long as the run lives.

    `state` (drawing, training, exporting, scoring, done), `stage` of `stages` from 1, `step` of `steps` in that stage,
    `loss`, `pictures_per_s`, `eta_s` (seconds of training left), `metrics` when done, `files` (names in the output).
    """

    def __init__(self, file: Path | None = None, out: Path | None = None, listeners: Sequence[Listener] = ()) -> None:
        """Without a file nothing is written."""
        self.file, self.out, self.listeners = file, out, listeners
        self.facts: dict[str, Any] = {"state": "drawing", "stage": 0, "stages": 0, "step": 0, "steps": 0}
        self.facts |= {"loss": None, "pictures_per_s": None, "eta_s": None, "metrics": []}
        self.changing, self.over = threading.Lock(), threading.Event()
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            self.write()
            threading.Thread(target=self.beat, daemon=True).start()

    def tell(self, state: State, **facts: Any) -> None:
        """Change some facts; a new state is in the file at once."""
        turned = state != self.facts["state"]
        with self.changing:
            self.facts |= {"state": state, **facts}
        if turned:
            self.write()
        if "step" in facts:
            for listener in self.listeners:
                listener.told(dict(self.facts))

    def tried(self, name: str, parameters: Mapping[str, Any], figures: Mapping[str, float]) -> None:
        """Tell whoever listens of one combination of a search, and how it did."""
        for listener in self.listeners:
            listener.tried(name, parameters, figures)

    def end(self) -> None:
        """Write a last time and let the file rest."""
        self.over.set()
        self.write()

    def beat(self) -> None:
        """Write until the end."""
        while not self.over.wait(BEAT_SECONDS):
            self.write()

    def write(self) -> None:
        """The facts as they are."""
        if self.file is None:
            return
        with self.changing:
            text = json.dumps(self.facts | {"files": names(self.out)})
            replace(self.file, lambda partial: partial.write_text(text, encoding="utf-8"))


def names(folder: Path | None) -> list[str]:
    """Names of the whole files in a folder."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.is_file() and not entry.name.endswith(PARTIAL))


def replace(file: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that it is there whole or as it was before, whenever the process dies."""
    partial = file.with_name(file.name + PARTIAL)
    write(partial)
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.replace(file)

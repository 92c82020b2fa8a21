"""The demo's pictures: those that come inside the scikit-image wheel, a text file that calls itself a picture, a folder."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from cli.processes import ProcessError

_BUNDLED = ("chelsea.png", "astronaut.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg")
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
_TEXT = b"This is a text file. Its name ends in .jpg, its bytes do not agree.\n" * 20


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture to submit, under the name it is shown by. A file is read when it is asked for, so many cost nothing."""

    name: str
    source: bytes | Path

    @property
    def content(self) -> bytes:
        return self.source.read_bytes() if isinstance(self.source, Path) else self.source


def bundled() -> list[Sample]:
    """One cat (chelsea, her ears leave the picture), four pictures without a cat, one file that is no picture."""
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise ProcessError("the sample pictures come with scikit-image, which is not installed")
    folder = Path(spec.submodule_search_locations[0], "data")
    return [*(_read(folder / name) for name in _BUNDLED), Sample("not_a_picture.jpg", _TEXT)]


def from_folder(folder: Path) -> list[Sample]:
    """Every file below `folder` whose name ends like a picture's, in order of name. Raises ProcessError for none."""
    if folder.is_file():
        return [_read(folder)]
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not found:
        raise ProcessError(f"no pictures ({', '.join(sorted(_SUFFIXES))}) below {folder}")
    return [_read(path, folder) for path in found]


def _read(path: Path, root: Path | None = None) -> Sample:
    return Sample(str(path.relative_to(root)) if root else path.name, path)

"""Folders of the host that a client may name: below a root that whoever runs the service opened, and nowhere else.

The words are checked where a request comes in, on a host that may not have the folder; the folder itself, with every link
on the way to it followed, where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import PathNotAllowed
from storage.keys import LONGEST_KEY, check_key


def check_words(roots: Sequence[Path], named: str) -> None:
    """Hold a path to its words: absolute, plain, at or below a root. Raises PathNotAllowed."""
    if not named.startswith("/"):
        raise PathNotAllowed("not absolute")
    check_key(named[1:], LONGEST_KEY)
    if not any(Path(named).is_relative_to(root) for root in roots):
        raise PathNotAllowed("below no root")


def below_root(roots: Sequence[Path], named: str) -> tuple[Path, str]:
    """A real root, and the path below it of the real folder that is meant, to be walked without following any link.

    Raises PathNotAllowed, also when it is not there.
    """
    found = resolved(roots, named)
    root = next(real for real in (root.resolve() for root in roots) if found.is_relative_to(real))
    return root, "" if found == root else found.relative_to(root).as_posix()


def resolved(roots: Sequence[Path], named: str) -> Path:
    """The real file or folder that is meant, no link left in it. Raises PathNotAllowed, also when it is not there."""
    check_words(roots, named)
    try:
        found = Path(named).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise PathNotAllowed(f"{named} is not there") from error
    if not any(found.is_relative_to(root.resolve()) for root in roots):
        raise PathNotAllowed(f"{named} leads out of the roots")
    return found

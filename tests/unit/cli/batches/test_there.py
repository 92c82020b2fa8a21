"""Words for sources on the service, and what is no such word."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.batches.sources import SourceError
from cli.batches.there import is_there, source


def test_a_folder_and_a_prefix_of_the_service() -> None:
    assert source(Path("server:/data/cats"), None, None, None) == {"folder": "/data/cats"}
    assert source(Path("prefix:2026/may"), ["*.png"], "b1", None) == {
        "prefix": "2026/may",
        "glob": ["*.png"],
        "since": "b1",
    }
    assert source(Path("prefix:"), [], None, None) == {"prefix": ""}


def test_what_lies_here_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefix:odd").mkdir()
    assert source(Path(), None, None, None) is None
    assert not is_there(tmp_path / "prefix:odd")
    assert is_there(Path("prefix:odd"))
    with pytest.raises(SourceError, match="does not exist"):
        is_there(Path("nowhere"))
    with pytest.raises(SourceError, match="--into"):
        source(Path("server:/data"), None, None, "b1")

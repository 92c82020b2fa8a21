"""Counts of exported files, and what `scanmill batch export` refuses before it asks a service for anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.batches.exporting import Exported, count, save
from cli.verbs.batch import app

ID = "01234567-89ab-7def-8123-456789abcdef"


@pytest.mark.parametrize(
    "words",
    [["--errors", "b"], ["--out", "a", "--errors", "b", "--status", "failed"], ["--out", "a", "--errors", "a"]],
)
def test_errors_need_a_file_of_their_own(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMILL_API_URL", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["export", ID, *words]).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_record_with_line_breaks_counts_once(tmp_path: Path) -> None:
    assert save([b"n,custom_id\r\n1,", b'"a\nb"\r\n2,c\r\n'], tmp_path / "all.csv", "csv") == 2
    assert save([b'{"n":1}\n', b'{"n":2}\n'], tmp_path / "all.jsonl", "jsonl") == 2
    assert count(tmp_path / "all.jsonl", "jsonl") == 2


def test_an_answer_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError

    out = tmp_path / "all.jsonl"
    out.write_bytes(b"old")
    with pytest.raises(ConnectionError):
        save(broken(), out, "jsonl")
    assert out.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("exported", "adds_up", "told"),
    [
        (Exported(3, None, 3, "succeeded", snapshot=False), True, "3 lines: all 3 lines of the batch"),
        (Exported(1, 2, 3, "partial", snapshot=False), True, "1 results, 2 errors: all 3 lines of the batch"),
        (Exported(1, 1, 3, "partial", snapshot=False), False, "1 results, 1 errors: NOT the 3 lines of the batch"),
        (
            Exported(1, 1, 3, "running", snapshot=True),
            True,
            "1 results, 1 errors of 3: a snapshot, the batch is running",
        ),
    ],
)
def test_the_count_is_told(exported: Exported, adds_up: bool, told: str) -> None:
    assert (exported.adds_up, exported.told()) == (adds_up, told)

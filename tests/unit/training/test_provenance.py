"""A note says which code, which command and which data."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from training import provenance

ROOT = Path(__file__).parents[3]


def test_folders_go_by_their_option_s_name() -> None:
    words = ["areas", "--data", "cats/mine", "--out=there", "--scale", "0.5", "--progress", "p.json", "--resume"]
    assert provenance.command(words) == "python -m training.run areas --data DATA --out OUT --scale 0.5"


def test_the_digest_is_of_names_and_bytes(tmp_path: Path) -> None:
    found = set()
    for name, content in (("a.txt", "one"), ("a.txt", "two"), ("b.txt", "one")):
        folder = tmp_path / str(len(found)) / "deep"
        folder.mkdir(parents=True)
        (folder / name).write_text(content, "utf-8")
        found.add(provenance.digest(folder.parent))
        assert provenance.digest(folder.parent) in found
    assert len(found) == 3


def told(root: Path) -> str:
    """What the code in a folder says of itself."""
    words = [sys.executable, "-c", "from training.provenance import commit; print(commit())"]
    return subprocess.run(words, cwd=root, env={}, check=True, capture_output=True, text=True).stdout.strip()


def git(root: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_and_whether_files_differ(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "training", tmp_path / "training")
    assert told(tmp_path).startswith("scanmill ")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "all")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert told(tmp_path) == head
    (tmp_path / "training" / "run.py").write_text("", "utf-8")
    assert told(tmp_path) == f"{head}-dirty"

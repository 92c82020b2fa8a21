"""What lies in the house, and what must not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house import tree

LARGEST = 20 * 2**20
SOMEBODYS_MACHINE = re.compile(r"(?<![\w.$}])/(?:home|Users|root|wo[r]k|mnt|opt|srv)/[\w.-]")
UNFINISHED = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
CONFLICT = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)
SECRET = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bsk_[0-9a-f]{8,}_[\w-]{20,}")
WHOLE = ("LICENSE", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "requirements.txt",
         "docker-compose.yml", "Dockerfile.api", "Dockerfile.worker", ".ci/run", ".env.example", ".gitignore", ".dockerignore")  # fmt: skip


@pytest.mark.parametrize(
    "pattern", [SOMEBODYS_MACHINE, UNFINISHED, CONFLICT, SECRET], ids=["path", "unfinished", "conflict", "secret"]
)
def test_nothing_stands_in_a_file_that_must_not(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for path, text in tree.texts()
        for match in pattern.finditer(text)
    ]
    assert found == []


def test_the_patterns_find_what_they_look_for() -> None:
    assert SOMEBODYS_MACHINE.search("open('/ho" + "me/ann/cat.jpg')")
    assert not SOMEBODYS_MACHINE.search("https://example.org/home/x /etc/passwd $HOME/code/x")
    assert SECRET.search("AK" + "IA" + "A" * 16)


@pytest.mark.parametrize("room", tree.ROOMS)
def test_every_room_has_a_sign_on_its_door(room: str) -> None:
    page = tree.ROOT / room / "README.md"
    lines = page.read_text(encoding="utf-8").splitlines()
    sign = lines[0].removeprefix("# ")
    assert len(sign) > 20, f"{room}: the first line says what lives here, and what may not come in"
    assert " " in sign.strip()
    assert 10 <= len(lines) <= 60


def test_the_root_readme_leads_a_newcomer() -> None:
    text = (tree.ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert "make demo" in text[:1_500]
    assert "make test" in text[:1_500]
    for room in tree.ROOMS:
        assert f"{room}/" in text, f"{room} is not on the map"


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{path}: {target}"
        for path, text in tree.texts()
        if path.suffix == ".md"
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
        if not (tree.ROOT / path.parent / target).exists()
    ]
    assert broken == []


def test_paths_that_pages_name_are_there() -> None:
    """`pipeline/stages/x.py` in a page is a promise; `var/` and names in capitals or brackets are not."""
    rooms = "|".join((*tree.ROOMS, "tests", "docs", "requirements"))
    broken = [
        f"{path}: {target}"
        for path, text in tree.texts()
        if path.suffix == ".md" and "cards" not in path.parts
        for target in re.findall(rf"`((?:{rooms})/[\w./-]+)`", text)
        if not re.search(r"[A-Z]{4}", target.replace("README", ""))
        and not (tree.ROOT / target).exists()
        and not (tree.ROOT / path.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("name", WHOLE)
def test_the_house_is_whole(name: str) -> None:
    assert Path(name) in tree.files()


def test_no_file_is_too_large() -> None:
    large = [
        (str(path), path_size) for path in tree.files() if (path_size := (tree.ROOT / path).stat().st_size) > LARGEST
    ]
    assert large == []
    assert (
        sum((tree.ROOT / path).stat().st_size for path in tree.files() if path.parts[:2] == ("models", "starter"))
        <= 2 * LARGEST
    )

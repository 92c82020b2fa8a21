"""A stranger's id becomes a folder below ours: no way out, no two lines in one, the same each time."""

from __future__ import annotations

import string
import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.batches.folders import Folders, file_name

FILES = ("preview.jpg", "cutout.png", "x.bin", "preview.jpg.part")


def of(*custom_ids: str) -> list[str]:
    folders = Folders()
    return [str(folders.of(each)) for each in custom_ids]


def test_an_ordinary_id_is_its_path_without_the_suffix() -> None:
    assert of("cat.jpg", "more/v1.2/cat.jpeg", "noch mehr/Käte (2).png", "7") == [
        "cat", "more/v1.2/cat", "noch mehr/Käte (2)", "7",
    ]  # fmt: skip


def test_ids_that_would_share_a_folder_do_not() -> None:
    found = of("a.jpg", "a.png", "A.jpg", "a", "b/ﬁ.jpg", "b/fi.jpg", "ä.jpg", "a\u0308.jpg")
    assert found[0] == "a" and all(each.startswith(("a~", "A~")) for each in found[1:4])
    assert len({unicodedata.normalize("NFKC", each).casefold() for each in found}) == len(found)


@pytest.mark.parametrize(
    "custom_id",
    ["../../etc/passwd", "/etc/passwd", "..", ".", "...jpg", "a/../../b.jpg", "a//b.jpg", "~/x.jpg", "C:\\x\\y.jpg",
     "a\nb.jpg", ".ssh/keys", "x" * 1_000, "字" * 300, "/".join("abcdefghijkl" * 30), "a/b .jpg", "con:.jpg", "-rf/.jpg", "\u202egpj.exe"],
)  # fmt: skip
def test_no_id_leads_out_of_the_folder_or_hides(custom_id: str, tmp_path: Path) -> None:
    [name] = of(custom_id)
    safely_below(name, tmp_path)


def safely_below(name: str, top: Path) -> None:
    path = PurePosixPath(name)
    assert not path.is_absolute() and len(path.parts) <= 8
    for part in path.parts:
        assert part not in ("", ".", "..") and not part.startswith((".", " ")) and not part.endswith((".", " "))
        assert not set(part) & set('\\:*?"<>|\n\t\0') and len(part.encode()) <= 160
    assert (top / path).resolve().is_relative_to(top)
    (top / path).mkdir(parents=True, exist_ok=True)


def test_a_folder_is_never_named_like_a_file_beside_it() -> None:
    for name in FILES:
        [folder] = of(f"a/{name}.png")
        assert folder.startswith("a/") and not folder.startswith(f"a/{name}/") and folder != f"a/{name}"
        [folder] = of(f"a/{name}/b.png")
        assert f"a/{name}" != str(PurePosixPath(folder).parent)


ALPHABET = st.sampled_from([*string.ascii_letters[:4], "A", "ä", "ß", "\u0131", "İ", ".", "..", "/", "~", "_", " ", "\\", ":", "jpg", "bin"])  # fmt: skip


@given(st.lists(st.lists(ALPHABET, min_size=1, max_size=6).map("".join), unique=True, max_size=12))
def test_lines_never_share_a_folder_and_keep_theirs(custom_ids: list[str]) -> None:
    found = of(*custom_ids)
    assert found == of(*custom_ids)
    assert len({unicodedata.normalize("NFKC", each).casefold() for each in found}) == len(custom_ids)
    assert not any(part.startswith(".") or part in ("", "..") for each in found for part in each.split("/"))


def test_a_file_is_named_by_artifact_and_type() -> None:
    assert file_name("preview", "image/jpeg") == "preview.jpg"
    assert file_name("../x", "application/json") == "_._x.bin"

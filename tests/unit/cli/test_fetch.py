"""`scanmill models fetch` over a real HTTP server that has good manners, or not."""

from __future__ import annotations

import fcntl
import hashlib
import json
import random
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import download as downloading
from cli.download import FetchBroken, FetchRefused, Wanted, copy, download
from cli.main import build
from cli.packs import PackSettings, models
from tests.servers.hostile_http import Authority
from tests.unit.cli.file_server import serving

CONTENT = random.Random(1).randbytes(300_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "PAUSE_S", 0.0)


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    return Wanted(tmp_path / "pack" / "net.onnx", SHA, len(CONTENT))


def quiet(done: int, total: int | None) -> None:
    pass


def get(url: str, wanted: Wanted) -> int:
    return download(url, wanted, quiet, allow_http=True)


def begun(wanted: Wanted, content: bytes) -> None:
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    wanted.part.write_bytes(content)


def left(wanted: Wanted) -> list[str]:
    return sorted(path.name for path in wanted.path.parent.iterdir())


# --- one file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False], ids=["size known", "size unknown"])
@pytest.mark.parametrize("manner", ["good", "no_range"])
def test_a_file_arrives_under_its_name_and_nothing_else_is_left(wanted: Wanted, manner: str, known: bool) -> None:
    wanted = wanted if known else Wanted(wanted.path, wanted.sha256)
    seen: list[tuple[int, int | None]] = []
    with serving(CONTENT, manner) as server:
        assert download(f"{server.url}/net.onnx", wanted, lambda *now: seen.append(now), allow_http=True) == 0
    assert wanted.path.read_bytes() == CONTENT
    assert left(wanted) == ["net.onnx"]
    assert seen[-1] == (len(CONTENT), len(CONTENT)) and seen == sorted(seen)


def test_a_download_goes_on_where_it_broke_off(wanted: Wanted) -> None:
    begun(wanted, CONTENT[:100_000])
    with serving(CONTENT) as server:
        assert get(server.url, wanted) == 100_000
    assert server.asked == ["bytes=100000-"]
    assert wanted.path.read_bytes() == CONTENT


def test_a_server_that_knows_no_ranges_begins_anew(wanted: Wanted) -> None:
    begun(wanted, CONTENT[:100_000])
    with serving(CONTENT, "no_range") as server:
        assert get(server.url, wanted) == 0
    assert wanted.path.read_bytes() == CONTENT


@pytest.mark.parametrize("known", [True, False], ids=["size known", "size unknown"])
def test_a_server_that_dies_midway_is_asked_for_the_rest(wanted: Wanted, known: bool) -> None:
    wanted = wanted if known else Wanted(wanted.path, wanted.sha256)
    with serving(CONTENT, "dies", "dies", "busy", "good") as server:
        get(server.url, wanted)
    assert server.asked == [None, "bytes=150000-", "bytes=225000-", "bytes=225000-"]
    assert wanted.path.read_bytes() == CONTENT


def test_what_arrived_from_a_server_that_is_gone_is_kept_for_the_next_call(wanted: Wanted) -> None:
    with serving(CONTENT, "dies", "silent") as server, pytest.raises(FetchBroken, match="150000 bytes here"):
        get(server.url, wanted)
    assert left(wanted) == [wanted.part.name] and wanted.part.read_bytes() == CONTENT[:150_000]
    with serving(CONTENT) as server:
        assert get(server.url, wanted) == 150_000
    assert wanted.path.read_bytes() == CONTENT


def test_a_part_that_was_whole_is_checked_without_a_byte_more(wanted: Wanted) -> None:
    begun(wanted, CONTENT)
    with serving(CONTENT) as server:
        assert get(server.url, wanted) == len(CONTENT)
    assert server.asked == [] and wanted.path.read_bytes() == CONTENT
    begun(unknown := Wanted(wanted.path.with_name("two.onnx"), SHA), CONTENT)
    with serving(CONTENT) as server:
        get(server.url, unknown)
    assert server.asked == [f"bytes={len(CONTENT)}-"] and unknown.path.read_bytes() == CONTENT


@pytest.mark.parametrize("known", [True, False], ids=["size known", "size unknown"])
@pytest.mark.parametrize("beginning", [b"\0" * 100_000, CONTENT + b"more", b"\0" * len(CONTENT)])
def test_a_bad_beginning_is_thrown_away_and_the_whole_is_fetched(wanted: Wanted, beginning: bytes, known: bool) -> None:
    wanted = wanted if known else Wanted(wanted.path, wanted.sha256)
    begun(wanted, beginning)
    with serving(CONTENT) as server:
        assert get(server.url, wanted) == 0
    assert server.asked[-1] is None and wanted.path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("manners", "told"),
    [
        (["wrong"], "other bytes"),
        (["long"], "300010 bytes"),
        (["short"], "299990 bytes"),
        (["gzip"], "compressed"),
        (["missing"], "404"),
        (["endless"], "more than 300000 bytes"),
        (["dies", "other_part"], "another part"),
        (["redirect:ftp://127.0.0.1/x"], "only"),
        (["redirect:file:///etc/passwd"], "only"),
        (["redirect:/again"], "too often"),
    ],
)
def test_what_is_not_the_file_is_refused_and_removed(wanted: Wanted, manners: list[str], told: str) -> None:
    with serving(CONTENT, *manners) as server, pytest.raises(FetchRefused, match=told):
        get(server.url, wanted)
    assert left(wanted) == []


def test_a_wrong_byte_in_the_rest_is_not_saved_by_a_right_beginning(wanted: Wanted) -> None:
    begun(wanted, CONTENT[:100_000])
    with serving(CONTENT, "wrong") as server, pytest.raises(FetchRefused, match="other bytes"):
        get(server.url, wanted)
    assert server.asked == ["bytes=100000-", None] and left(wanted) == []


def test_a_length_that_is_not_true_does_not_pass_where_the_size_is_unknown(wanted: Wanted) -> None:
    unknown = Wanted(wanted.path, SHA)
    with serving(CONTENT, "short") as server, pytest.raises(FetchRefused, match="other bytes"):
        get(server.url, unknown)
    with serving(CONTENT, "long") as server:  # ten bytes are missing for ever, but its digest is right
        get(server.url, unknown)
    assert wanted.path.read_bytes() == CONTENT


def test_a_file_of_unknown_size_is_bounded_all_the_same(wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "MOST_BYTES", 200_000)
    for manner in ("good", "endless"):
        with serving(CONTENT, manner) as server, pytest.raises(FetchRefused, match=r"200000|fewer"):
            get(server.url, Wanted(wanted.path, SHA))
    assert left(wanted) == []


def test_http_is_refused_unless_it_is_allowed(wanted: Wanted) -> None:
    with serving(CONTENT) as server:
        for url in (server.url, "ftp://127.0.0.1/x", "file:///etc/passwd", "/etc/passwd"):
            with pytest.raises(FetchRefused, match="https"):
                download(url, wanted, quiet)
    assert server.asked == [] and not wanted.path.parent.exists()


def test_a_good_redirect_is_followed(wanted: Wanted) -> None:
    with serving(CONTENT) as there, serving(b"", f"redirect:{there.url}/elsewhere") as here:
        get(here.url, wanted)
    assert wanted.path.read_bytes() == CONTENT


def test_https_needs_no_switch_and_never_leads_to_http(
    wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    tls = authority.server("127.0.0.1")
    with serving(CONTENT, tls=tls) as there, pytest.raises(FetchBroken, match="certificate"):
        download(there.url, wanted, quiet)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    with (
        serving(CONTENT) as plain,
        serving(b"", f"redirect:{plain.url}/net", tls=tls) as there,
        pytest.raises(FetchRefused, match="only https"),
    ):
        download(there.url, wanted, quiet)
    assert plain.asked == [] and left(wanted) == []
    with serving(CONTENT, tls=tls) as behind, serving(b"", f"redirect:{behind.url}/net", tls=tls) as there:
        download(there.url, wanted, quiet)
    assert wanted.path.read_bytes() == CONTENT


def test_nobody_there_is_broken_and_not_refused(wanted: Wanted) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(FetchBroken):
            get(f"http://127.0.0.1:{free.getsockname()[1]}", wanted)


def test_two_at_once_do_not_mix_their_bytes(wanted: Wanted) -> None:
    begun(wanted, b"")
    with wanted.part.open("ab") as other, serving(CONTENT) as server:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(FetchBroken, match="another process"):
            get(server.url, wanted)
    assert server.asked == []


def test_a_copy_is_checked_too(wanted: Wanted, tmp_path: Path) -> None:
    source = tmp_path / "net"
    for content, told in ((CONTENT[:-1] + b"x", "other bytes"), (CONTENT * 2, "more than"), (b"", "other bytes")):
        source.write_bytes(content)
        with pytest.raises(FetchRefused, match=told):
            copy(source, wanted, quiet)
        assert left(wanted) == []
    source.write_bytes(CONTENT)
    copy(source, wanted, quiet)
    assert wanted.path.read_bytes() == CONTENT and left(wanted) == ["net.onnx"]
    with pytest.raises(FetchRefused):
        copy(tmp_path / "nothing", wanted, quiet)


# --- the verb ------------------------------------------------------------------------------------------------------


def table(name: str, file: str, url: str, content: bytes = CONTENT, size: bool = True) -> str:
    return f"""
[[model]]
name = "{name}"
version = "1"
file = "{file}"
sha256 = "{hashlib.sha256(content).hexdigest()}"
{f"bytes = {len(content)}" if size else ""}
runtime = "onnx"
licence = "MIT"
source = "somewhere"
{f'url = "{url}"' if url else ""}
task = "subject"
[model.input]
name = "image"
size = [8, 8]
[model.outputs]
subject = "subject"
"""


class Packs:
    """A folder of packs, and the command on it."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / "public"
        self.folder.mkdir(parents=True)

    def write(self, *tables: str) -> None:
        (self.folder / "manifest.toml").write_text("".join(tables))

    def fetch(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        ended = CliRunner().invoke(
            build("models"), ["models", "fetch", "--json", *words], env={"SCANMILL_MODEL_ROOT": str(self.root)}
        )
        assert ended.exit_code == code, ended.output
        return json.loads(ended.stdout)  # type: ignore[no-any-return]


@pytest.fixture
def packs(tmp_path: Path) -> Packs:
    return Packs(tmp_path / "packs")


def test_a_pack_is_fetched_once_and_then_is_there(packs: Packs) -> None:
    with serving(CONTENT) as server:
        url = f"{server.url}/net.onnx"
        packs.write(
            table("one", "net.onnx", url), table("two", "net.onnx", url), table("three", "other.onnx", url, size=False)
        )
        first = packs.fetch("--allow-http")
        again = packs.fetch("--allow-http")
    assert [(each["file"], each["models"], each["state"], each["bytes"]) for each in first] == [
        ("net.onnx", ["one", "two"], "fetched", len(CONTENT)),
        ("other.onnx", ["three"], "fetched", len(CONTENT)),
    ]
    assert [each["state"] for each in again] == ["present", "present"]
    assert len(server.asked) == 2, "a file that models share is fetched once"
    assert [each.state for each in models(PackSettings(packs="public", root=packs.root))] == ["ok"] * 3


def test_only_the_named_models_are_fetched_and_a_damaged_file_is_replaced(packs: Packs) -> None:
    (packs.folder / "net.onnx").write_bytes(b"damaged")
    with serving(CONTENT) as server:
        packs.write(table("one", "net.onnx", server.url), table("two", "other.onnx", server.url))
        (found,) = packs.fetch("one", "--allow-http")
    assert found["state"] == "fetched" and (packs.folder / "net.onnx").read_bytes() == CONTENT
    assert not (packs.folder / "other.onnx").exists()


def test_a_resumed_download_says_so(packs: Packs) -> None:
    with serving(CONTENT) as server:
        packs.write(table("one", "net.onnx", server.url))
        begun(Wanted(packs.folder / "net.onnx", SHA), CONTENT[:1000])
        (found,) = packs.fetch("--allow-http")
    assert found["resumed_from"] == 1000


@pytest.mark.parametrize(
    ("manner", "words", "code", "state"),
    [("wrong", ["--allow-http"], 1, "refused"), ("silent", ["--allow-http"], 4, "broken"), ("good", [], 1, "refused")],
)
def test_what_failed_has_its_exit_code_and_does_not_stop_the_others(
    packs: Packs, tmp_path: Path, manner: str, words: list[str], code: int, state: str
) -> None:
    with serving(CONTENT, manner) as server:
        packs.write(table("one", "net.onnx", server.url), table("two", "here.onnx", ""))
        (packs.folder / "here.onnx").write_bytes(CONTENT)
        found = packs.fetch(*words, code=code)
    assert [each["state"] for each in found] == [state, "present"] and found[0]["error"]
    assert not (packs.folder / "net.onnx").exists()


def test_a_mirror_s_folder_and_address_are_asked_instead(packs: Packs, tmp_path: Path) -> None:
    packs.write(table("one", "net.onnx", "https://nowhere.invalid/net.onnx"))
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    assert packs.fetch("--mirror", str(mirror), code=1)[0]["state"] == "refused", "with a mirror nothing else is asked"
    (mirror / SHA).write_bytes(CONTENT)
    assert packs.fetch("--mirror", str(mirror), "--into", str(tmp_path / "into"))[0]["state"] == "fetched"
    assert (tmp_path / "into" / "net.onnx").read_bytes() == CONTENT and not (packs.folder / "net.onnx").exists()
    with serving(CONTENT) as server:
        assert (
            packs.fetch("--mirror", f"{server.url}/files/", "--allow-http")[0]["source"]
            == f"{server.url}/files/net.onnx"
        )


def test_used_wrongly(packs: Packs) -> None:
    packs.write(table("one", "net.onnx", ""))
    assert packs.fetch(code=1)[0]["error"].startswith("the manifest has no address")
    for words in (["no_such_model"], ["--pack", "no_such_pack"]):
        ended = CliRunner().invoke(
            build("models"), ["models", "fetch", *words], env={"SCANMILL_MODEL_ROOT": str(packs.root)}
        )
        assert ended.exit_code == 2
    packs.write(table("one", "net.onnx", ""), table("two", "net.onnx", "", b"other"))
    assert packs.fetch(code=1)[0]["error"] == "two digests for one file name"


def test_the_list_shows_runtime_size_and_state_of_a_pack_that_is_not_chosen(packs: Packs) -> None:
    packs.write(table("one", "net.onnx", ""))
    ended = CliRunner().invoke(
        build("models"), ["models", "list", "--pack", "public", "--json"], env={"SCANMILL_MODEL_ROOT": str(packs.root)}
    )
    (row,) = json.loads(ended.stdout)
    assert ended.exit_code == 1
    assert (row["pack"], row["runtime"], row["bytes"], row["state"]) == ("public", "onnx", len(CONTENT), "missing")


BESIDE = Path(__file__).resolve().parents[4] / "shared" / "models"


@pytest.mark.skipif(not BESIDE.is_dir(), reason="no folder of public weights beside the checkout")
def test_the_public_pack_is_what_its_manifest_says(tmp_path: Path) -> None:
    """Every file that the folder beside us has; the rest is refused, not made up."""
    ended = CliRunner().invoke(
        build("models"), ["models", "fetch", "--json", "--mirror", str(BESIDE), "--into", str(tmp_path)]
    )
    found = json.loads(ended.stdout)
    assert {each["file"]: each["state"] for each in found} == {
        each["file"]: "fetched" if (BESIDE / each["file"]).is_file() else "refused" for each in found
    }
    assert sum(each["state"] == "fetched" for each in found) >= 5

"""The verbs: a picture with consent goes in, a dataset comes out, and after a withdrawal and a deletion it does not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from cli.main import build
from tests.integration.api import eyes
from tests.integration.api.harness import Api
from tests.integration.api.pictures import jpeg
from tests.integration.api.server import Server

pytest_plugins = ("tests.integration.api.fixtures",)


def test_from_a_word_to_a_folder_of_pictures(api: Api, own_server: Server, tmp_path: Path) -> None:
    service = {"SCANMILL_API_URL": own_server.start().url, "SCANMILL_API_KEY": api.tokens["a"]}
    eyes.publish(api)
    files = [tmp_path / f"{name}.jpg" for name in "ab"]
    for shade, file in enumerate(files, 1):
        file.write_bytes(jpeg(shade=80 * shade))

    def run(*words: str, code: int = 0) -> Any:
        done = invoked(words, service)
        assert done.exit_code == code, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]

    sent = run("submit", *map(str, files), "--pipeline", "cataract", "--training")
    kept, withdrawn = (each["id"] for each in sent)
    eyes.work(api)
    assert run("consent", "show", kept)[0]["training"] is True
    assert run("consent", "show")[0] == {"training": False, "at": None, "by": None}
    (told,) = run("consent", "allow", "--tenant", "a")
    assert (told["training"], told["by"]) == (True, "operator")
    assert run("consent", "show")[0] == told
    (both,) = run("dataset", "export", "--to", str(tmp_path / "both"), "--since", "2020-01-01")
    assert both["counts"]["exported"] == 2
    assert run("consent", "withdraw", withdrawn)[0]["training"] is False
    (one,) = run("dataset", "export", "--to", str(tmp_path / "one"), "--format", "coco")
    assert (one["counts"]["exported"], one["counts"]["without_consent"]) == (1, 1)
    assert found(tmp_path / "one") == ["SHA256SUMS", "annotations.json", "dataset.json", "images"]
    (image,) = json.loads((tmp_path / "one" / "annotations.json").read_text())["images"]
    assert image["scan_id"] == kept and (tmp_path / "one" / image["file_name"]).is_file()
    assert run("delete", kept) == [{"id": kept, "deleted": True}]
    run("status", kept, code=3)
    run("delete", kept, code=3)
    (none,) = run("dataset", "export", "--to", str(tmp_path / "none"))
    assert (none["counts"]["exported"], none["counts"]["deleted"]) == (0, 1)
    run("dataset", "export", "--to", str(tmp_path / "one"), code=2)
    run("dataset", "export", "--to", str(tmp_path / "teeth"), "--pipeline", "teeth", code=3)
    assert not (tmp_path / "teeth").exists() and not list(tmp_path.glob(".set-*"))
    run("consent", "allow", kept, "--tenant", "a", code=2)
    run("consent", "allow", "--tenant", "nobody", code=1)


def test_a_manifest_s_lines_have_the_batch_s_word_or_their_own(api: Api, own_server: Server, tmp_path: Path) -> None:
    service = {"SCANMILL_API_URL": own_server.start().url, "SCANMILL_API_KEY": api.tokens["a"]}
    for shade, name in enumerate("ab", 1):
        (tmp_path / f"{name}.jpg").write_bytes(jpeg(shade=80 * shade))
    manifest = tmp_path / "lines.jsonl"
    lines = [{"file": "a.jpg"}, {"file": "b.jpg", "consent": {"training": False}}]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    batch = json.loads(invoked(("batch", "create", str(manifest), "--training"), service).stdout)
    assert batch["consent"] == {"training": True}
    items = api.call("GET", f"/v1/batches/{batch['id']}/items").json["items"]
    said = {each["custom_id"]: api.call("GET", f"/v1/scans/{each['scan_id']}").json for each in items}
    assert {name: scan["consent"]["training"] for name, scan in said.items()} == {"a.jpg": True, "b.jpg": False}


def invoked(words: Sequence[str], service: dict[str, str]) -> Result:
    return CliRunner().invoke(build(words[0]), [*words, "--json"], env=service)


def found(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())

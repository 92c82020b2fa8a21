"""A batch as a signed ZIP and as a page, over HTTP: the same bytes each time, all that there is, and nothing more."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import tracemalloc
from pathlib import Path
from zipfile import ZipFile

import psycopg2
import pytest

from api.scanpack.signing import SigningKey, new_key
from cli import scanpack
from db import model_versions, pipelines
from db.model_versions import NewVersion
from storage.keys import artifact_key
from tests.integration.api.harness import SPECIFICATION, Api, make_api, problem
from tests.integration.api.test_batches import export, opened, say, turn, upload

pytest_plugins = ("tests.integration.api.fixtures",)
FINDINGS = {
    "mouth": {"label": "uncertain", "confidence": 0.55, "probabilities": {"normal": 0.55, "abnormal": 0.45}},
    "left_ear": {"outcome": "abstained", "code": "REGION_OUTSIDE_IMAGE"},
}
FINDINGS["mouth"]["needs_review"] = True


@pytest.fixture
def key(api: Api) -> SigningKey:
    """What the app signs with."""
    made = api.here.signing_key = SigningKey.read(new_key())
    return made


@pytest.fixture
def done(api: Api, api_database: str) -> str:
    """Two pictures with findings, one of them without its preview, and a file that is no picture."""
    batch = opened(api, name="<b>portraits</b>")
    upload(api, batch, "one.jpg", fields='{"owner": "=cmd()"}')
    upload(api, batch, "../torn.jpg", b"not a picture", custom_id="up/../<i>torn.jpg")
    upload(api, batch, "two.jpg", custom_id="second", options='{"generate_preview": false}')
    say(api, batch, "finalise")
    turn(api)
    report = {"findings": FINDINGS, "health_score": 71.5, "warnings": [{"code": "SEVERAL_FACES"}]}
    run(api_database, "UPDATE result SET data = %s WHERE data ? 'report'", json.dumps({"report": report}))
    return batch


def run(database: str, sql: str, *values: object) -> None:
    connection = psycopg2.connect(database.replace("postgresql+psycopg2://", "postgresql://"))
    with connection, connection.cursor() as cursor:
        cursor.execute(sql, values)
    connection.close()


def pack_of(api: Api, batch: str) -> bytes:
    response = api.call("GET", f"/v1/batches/{batch}/scanpack")
    assert (response.status_code, response.mimetype) == (200, "application/zip")
    assert response.headers["Content-Disposition"] == f"attachment; filename={batch}.scanpack.zip"
    pack: bytes = response.get_data()
    response.close()
    return pack


def members(pack: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(pack)) as opened_pack:
        return {name: opened_pack.read(name) for name in opened_pack.namelist()}


def test_the_same_batch_gives_the_same_bytes_after_a_restart_too(api: Api, key: SigningKey, done: str) -> None:
    first = pack_of(api, done)
    assert pack_of(api, done) == first
    with ZipFile(io.BytesIO(first)) as opened_pack:
        kept = {(info.date_time, info.create_system, info.external_attr) for info in opened_pack.infolist()}
    assert kept == {((1980, 1, 1, 0, 0, 0), 3, 0o100644 << 16)}
    again = make_api()
    try:
        again.here.signing_key = key
        tokens, again.tokens = again.tokens, api.tokens
        assert tokens and pack_of(again, done) == first
    finally:
        again.here.doorbell.close()
        again.here.database.dispose()


def test_a_pack_holds_what_the_batch_holds_and_verifies(api: Api, key: SigningKey, done: str, tmp_path: Path) -> None:
    file = tmp_path / "pack.zip"
    file.write_bytes(pack_of(api, done))
    verdict = scanpack.verify(file, {key.public.id})
    assert (verdict.damaged, verdict.key, verdict.trusted) == ({}, key.public.id, True)
    found = members(file.read_bytes())
    lines = [json.loads(line) for line in found["results.jsonl"].splitlines()]
    assert lines == export(api, done)
    table = api.call("GET", f"/v1/batches/{done}/export?format=csv").get_data()
    assert found["results.csv"] == table
    [wrong] = [json.loads(line) for line in found["errors.jsonl"].splitlines()]
    assert (wrong["n"], wrong["code"], wrong["stage"]) == (2, "UNSUPPORTED_FORMAT", "submit")
    assert wrong["meaning"].startswith("The file is not a JPEG")
    assert found["pictures/000001-one.jpg/preview.jpg"] == b"preview"
    assert json.loads(found["pipeline.json"])["stages"] == SPECIFICATION["stages"]
    about = json.loads(found["batch.json"])
    assert about["batch"]["counts"]["items"] == 3 and "eta_s" not in about["batch"]
    assert about["labels"] == {
        "mouth": {"uncertain": 2, "no report": 1},
        "left_ear": {"REGION_OUTSIDE_IMAGE": 2, "no report": 1},
    }
    assert about["codes"] == api.call("GET", f"/v1/batches/{done}/errors").json["codes"]
    assert about["pictures"] == {"files": 1, "bytes": 7, "expired": 0, "missing": 0}
    assert (about["signed_by"], about["mock"]) == (key.public.id, False)


def test_a_pack_is_verified_by_hand(api: Api, key: SigningKey, done: str, tmp_path: Path) -> None:
    """With the two programs that docs/scanpack.md names."""
    with ZipFile(io.BytesIO(pack_of(api, done))) as opened_pack:
        opened_pack.extractall(tmp_path)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True, capture_output=True)
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here")
    command = "openssl pkeyutl -verify -pubin -inkey SIGNING-KEY.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    told = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", "SIGNING-KEY.pem", "-outform", "DER"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert hashlib.sha256(told.stdout).hexdigest() == key.public.id
    (tmp_path / "SHA256SUMS").write_bytes(b"")
    assert subprocess.run(command.split(), cwd=tmp_path, check=False, capture_output=True).returncode != 0


def test_nothing_in_a_pack_leads_outside_or_to_another_tenant(api: Api, key: SigningKey, done: str) -> None:
    for name, content in members(pack_of(api, done)).items():
        for word in (b"signature=", b"/v1/files", b"http://", b"https://", b"localhost", b"<script", b"sk_"):
            assert word not in content, (name, word)
        assert str(api.tenants["a"]).encode() not in content


def test_pages_escape_names_mark_doubt_and_add_up(api: Api, key: SigningKey, done: str) -> None:
    page = members(pack_of(api, done))["index.html"].decode()
    assert "&lt;b&gt;portraits&lt;/b&gt;" in page and "<b>portraits" not in page and "<i>torn" not in page
    assert "needs review" in page and "UNSUPPORTED_FORMAT" in page and "Several faces" in page
    assert 'src="pictures/000001-one.jpg/preview.jpg"' in page
    sums = [int(n) for n in re.findall(r'<div class="sum[^"]*"><b[^>]*>(\d+)</b>', page)]
    assert sums[0] == sum(sums[1:]) == 3
    assert page.count("<article") == 3


def test_every_picture_that_a_page_shows_is_in_the_pack(api: Api, key: SigningKey, done: str) -> None:
    found = members(pack_of(api, done))
    shown = set(re.findall(r'(?:src|href)="([^"#]+)"', found["index.html"].decode()))
    assert shown and shown <= found.keys()


def test_without_a_key_nothing_is_signed_and_nothing_pretends(api: Api, done: str, tmp_path: Path) -> None:
    file = tmp_path / "pack.zip"
    file.write_bytes(pack_of(api, done))
    found = members(file.read_bytes())
    assert not found.keys() & {"SIGNING-KEY.pem", "SHA256SUMS.sig"}
    assert json.loads(found["batch.json"])["signed_by"] is None and "Not signed" in found["index.html"].decode()
    assert scanpack.verify(file).damaged == {}
    assert problem(api.call("GET", "/v1/signing-key", None)) == (404, "NOT_FOUND")


def test_the_public_key_is_for_everybody(api: Api, key: SigningKey) -> None:
    told = api.call("GET", "/v1/signing-key", None).json
    assert told == {"algorithm": "Ed25519", "id": key.public.id, "public_key": key.public.pem}


def test_a_batch_that_goes_on_has_no_pack_yet(api: Api) -> None:
    batch = opened(api)
    assert problem(api.call("GET", f"/v1/batches/{batch}/scanpack")) == (409, "NOT_FINISHED")
    assert api.call("GET", f"/v1/batches/{batch}/report").status_code == 200
    say(api, batch, "finalise")
    turn(api)
    found = members(pack_of(api, batch))
    assert found["results.jsonl"] == b"" and "0 lines" in found["index.html"].decode()
    assert problem(api.call("GET", f"/v1/batches/{batch}/scanpack?x=1")) == (422, "INVALID_FIELD")


def test_a_pack_takes_a_bounded_place_and_gives_it_back(api: Api, done: str) -> None:
    for _ in range(api.here.streams.most):
        api.here.streams.acquire()
    assert problem(api.call("GET", f"/v1/batches/{done}/scanpack")) == (503, "OVERLOADED")
    for _ in range(api.here.streams.most):
        api.here.streams.release()
    for _ in range(2 * api.here.streams.most):
        pack_of(api, done)
        api.call("HEAD", f"/v1/batches/{done}/scanpack").close()


def test_a_pack_is_cut_off_when_the_batch_runs_again_or_the_server_stops(api: Api, done: str) -> None:
    def retry() -> None:
        assert say(api, done, "retry", status="succeeded").json["retried"] == 2

    for end in (retry, api.here.stopping.set):
        response = api.app.test_client().get(
            f"/v1/batches/{done}/scanpack", headers={"Authorization": f"Bearer {api.tokens['a']}"}, buffered=False
        )
        parts = iter(response.response)
        assert next(parts)
        end()
        with pytest.raises(ConnectionAbortedError):
            list(parts)
        response.close()
        turn(api)


def test_pictures_that_are_gone_are_counted_not_invented(api: Api, api_database: str, done: str) -> None:
    sha256 = hashlib.sha256(b"preview").hexdigest()
    api.here.storage.delete(artifact_key(api.tenants["a"], sha256))
    for sql, which in (("SELECT 1", "missing"), ("UPDATE artifact SET expired_at = now()", "expired")):
        run(api_database, sql)
        found = members(pack_of(api, done))
        told = json.loads(found["batch.json"])["pictures"]
        assert told == {"files": 0, "bytes": 0, "expired": 0, "missing": 0, which: 1}
        assert "1 picture is no more" in found["index.html"].decode()


def test_uploaded_bytes_are_neither_packed_nor_shown(api: Api, api_database: str, done: str) -> None:
    run(api_database, "UPDATE result_artifact SET name = 'original'")
    assert not [name for name in members(pack_of(api, done)) if name.startswith("pictures/")]
    page = api.call("GET", f"/v1/batches/{done}/report").get_data(as_text=True)
    assert "no picture" in page and "/v1/files" not in page


def test_a_mock_models_answers_are_marked(api: Api, api_database: str, done: str) -> None:
    mock = {"report": {"findings": {}, "warnings": [{"code": "MOCK_MODEL"}]}}
    run(api_database, "UPDATE result SET data = %s WHERE data ? 'report'", json.dumps(mock))
    found = members(pack_of(api, done))
    about = json.loads(found["batch.json"])
    assert (about["mock"], about["mock_lines"]) == (True, 2)
    assert "Mock models answered here" in found["index.html"].decode()
    assert "Mock models answered here" in api.call("GET", f"/v1/batches/{done}/report").get_data(as_text=True)


def test_models_come_with_what_the_registry_knows(api: Api) -> None:
    entry = {"name": "m", "licence": "Apache-2.0", "metrics": {"accuracy": 0.9}}
    stages = [{**SPECIFICATION["stages"][0], "models": {"m": "d1", "lost": "d2"}}, *SPECIFICATION["stages"][1:]]
    with api.here.database.begin() as connection:
        model_versions.add(connection, NewVersion("m", "1.0.0", "d1", "starter", "f" * 64, 9, entry, card="# m"))
        model_versions.add(connection, NewVersion("m", "2.0.0", "d3", "starter", "e" * 64, 9, entry))
        pipelines.publish(connection, {**SPECIFICATION, "stages": stages})
    try:
        batch = opened(api)
        say(api, batch, "finalise")
        turn(api)
        found = members(pack_of(api, batch))
        card = json.loads(found["models/m.json"])
        assert (card["version"], card["digest"], card["entry"]) == ("1.0.0", "d1", entry)
        assert found["models/m.md"] == b"# m" and "card" not in card and "models/lost.md" not in found
        assert json.loads(found["models/lost.json"])["entry"] is None
    finally:
        with api.here.database.begin() as connection:
            pipelines.publish(connection, SPECIFICATION)


@pytest.fixture
def long(api: Api, api_database: str) -> str:
    """A batch of 8,050 lines that were refused."""
    batch = opened(api, name="long")
    run(
        api_database,
        """INSERT INTO batch_item (batch_id, n, custom_id, code)
           SELECT %s, n, 'line ' || n, 'CORRUPT_IMAGE' FROM generate_series(1, 8050) n""",
        batch,
    )
    run(api_database, "UPDATE batch SET items = 8050, refused = 8050 WHERE id = %s", batch)
    say(api, batch, "finalise")
    turn(api)
    return batch


def test_a_long_batch_has_pages_and_is_packed_in_bounded_memory(api: Api, key: SigningKey, long: str) -> None:
    """8,050 lines are 41 pages and 7 MB; a page of 200 lines is all that is held."""
    found = members(pack_of(api, long))
    tracemalloc.start()
    response = api.app.test_client().get(
        f"/v1/batches/{long}/scanpack", headers={"Authorization": f"Bearer {api.tokens['a']}"}, buffered=False
    )
    total = sum(map(len, response.response))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    response.close()
    assert total > 6 * 2**20
    assert peak < 3 * 2**20
    assert len(found["errors.jsonl"].splitlines()) == 8_050
    names = {name for name in found if name.endswith(".html")}
    assert names == {"index.html", *(f"page-{number}.html" for number in range(2, 42))}
    last = found["page-41.html"].decode()
    assert last.count("<article") == 50 and "line 8050" in last and 'href="index.html"' in last


def page_of(api: Api, batch: str, query: str = "") -> tuple[str, dict[str, str]]:
    response = api.call("GET", f"/v1/batches/{batch}/report{query}")
    assert (response.status_code, response.mimetype) == (200, "text/html")
    return response.get_data(as_text=True), dict(response.headers)


def test_the_online_page_shows_pictures_by_links_that_work(api: Api, done: str) -> None:
    page, headers = page_of(api, done)
    assert "&lt;b&gt;portraits" in page and page.count("<article") == 3 and "needs review" in page
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "img-src 'self';" in policy and headers["Cache-Control"] == "no-store"
    [link] = set(re.findall(r'src="([^"]+)"', page))
    assert api.call("GET", link.replace("&amp;", "&"), None).get_data() == b"preview"
    assert api.call("GET", link.replace("signature=", "signature=0").replace("&amp;", "&"), None).status_code == 404


def test_the_online_page_is_filtered_and_turned(api: Api, done: str, long: str) -> None:
    for query, names in (
        ("?status=refused", 1),
        ("?code=UNSUPPORTED_FORMAT", 1),
        ("?status=succeeded&status=refused", 3),
    ):
        assert page_of(api, done, query)[0].count("<article") == names
    assert problem(api.call("GET", f"/v1/batches/{done}/report?status=x")) == (422, "INVALID_FIELD")
    assert problem(api.call("GET", f"/v1/batches/{done}/report?cursor=x")) == (422, "INVALID_FIELD")
    first, _ = page_of(api, long)
    assert 'href="?cursor=100"' in first and "8050" in first and "previous" not in first
    second, _ = page_of(api, long, "?cursor=100")
    assert "lines 101 to 200" in second and 'href="?cursor=200"' in second and ">previous<" in second
    chosen, _ = page_of(api, long, "?status=refused&cursor=8000")
    assert 'href="?status=refused"' in chosen and ">next<" not in chosen and ">previous<" not in chosen

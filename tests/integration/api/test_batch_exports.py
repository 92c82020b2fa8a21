"""A batch as files over HTTP: Parquet, results apart from errors, artifacts by line, and retries that may be repeated."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.exports import row_of
from api.parquet import BATCH, ROWS, SCHEMA, as_parquet
from tests.integration.api.harness import Api, problem
from tests.integration.api.test_batches import export, opened, say, shown, turn, upload

pytest_plugins = ("tests.integration.api.fixtures",)


@pytest.fixture
def done(api: Api) -> str:
    """Three lines at their end: one that succeeded, one that failed, one that was refused."""
    batch = opened(api)
    upload(api, batch, "ok.jpg", fields='{"owner": "=cmd()", "deep": {"n": [1]}}')
    upload(api, batch, "torn.jpg", b"no picture")
    upload(api, batch, "bad.jpg")
    say(api, batch, "finalise")
    turn(api)
    spoil(api, batch, "bad.jpg")
    return batch


def spoil(api: Api, batch: str, name: str) -> None:
    """A line's scan fails now, as far as ledger and counts can tell."""
    with psycopg2.connect(libpq()) as connection, connection.cursor() as cursor:
        cursor.execute(
            """WITH bad AS (
                   UPDATE scan SET status = 'failed', code = 'STAGE_TIMEOUT', finished_at = clock_timestamp()
                   WHERE id = (SELECT scan_id FROM batch_item WHERE batch_id = %s AND custom_id = %s)
                   RETURNING tenant_id, batch_id)
               INSERT INTO count_delta (tenant_id, batch_id, status, delta)
               SELECT tenant_id, batch_id, 'succeeded', -1 FROM bad UNION ALL
               SELECT tenant_id, batch_id, 'failed', 1 FROM bad""",
            (batch, name),
        )
    connection.close()


def libpq() -> str:
    return os.environ["SCANMILL_DATABASE_URL"].replace("postgresql+psycopg2://", "postgresql://")


def parquet(api: Api, batch: str, query: str = "") -> pa.Table:
    answer = api.call("GET", f"/v1/batches/{batch}/export?format=parquet{query}")
    assert answer.mimetype == "application/vnd.apache.parquet"
    return pq.read_table(io.BytesIO(answer.get_data()))


def test_parquet_holds_what_the_table_holds_with_types(api: Api, done: str) -> None:
    table = parquet(api, done)
    assert table.schema.equals(SCHEMA)
    text = api.call("GET", f"/v1/batches/{done}/export?format=csv").get_data(as_text=True)
    rows, lines = list(csv.DictReader(io.StringIO(text))), table.to_pylist()
    assert table.column_names == list(rows[0])
    assert [line["n"] for line in lines] == [1, 2, 3] == [int(row["n"]) for row in rows]
    assert [line["status"] for line in lines] == ["succeeded", "refused", "failed"]
    assert json.loads(lines[0]["fields"]) == {"owner": "=cmd()", "deep": {"n": [1]}}
    assert lines[0]["finished_at"] == datetime.fromisoformat(rows[0]["finished_at"])
    assert (lines[1]["finished_at"], lines[1]["scan_id"], lines[1]["code"]) == (None, None, "UNSUPPORTED_FORMAT")


def test_an_empty_batch_is_a_file_without_rows(api: Api) -> None:
    assert parquet(api, opened(api)).num_rows == 0


def made_up(rows: int) -> Iterator[dict[str, Any]]:
    for n in range(1, rows + 1):
        report = {"health_score": n / 7, "findings": {"mouth": {"label": "normal"}, "left_eye": {"code": "UNSURE"}}}
        line = {"n": n, "custom_id": f"{n}.jpg", "scan_id": None, "status": "succeeded", "code": None, "stage": None}
        yield row_of({**line, "finished_at": "2026-01-02T03:04:05.678901+00:00", "report": report, "fields": None})


def test_parquet_comes_in_row_groups_while_it_is_read() -> None:
    taken = 0

    def watched() -> Iterator[dict[str, Any]]:
        nonlocal taken
        for row in made_up(2 * ROWS + 1):
            taken += 1
            yield row

    parts = as_parquet(watched())
    first = next(parts)
    assert first.startswith(b"PAR1") and taken <= ROWS + BATCH
    whole = pq.ParquetFile(io.BytesIO(first + b"".join(parts)))
    assert (whole.metadata.num_rows, whole.metadata.num_row_groups) == (2 * ROWS + 1, 3)
    row = whole.read_row_group(2).to_pylist()[0]
    assert (row["health_score"], row["findings"]) == ((2 * ROWS + 1) / 7, [("mouth", "normal"), ("left_eye", "UNSURE")])


def test_parquet_that_broke_off_is_no_parquet() -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield from made_up(ROWS + 1)
        raise ConnectionAbortedError

    got = []
    with pytest.raises(ConnectionAbortedError):
        got.extend(as_parquet(broken()))
    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(io.BytesIO(b"".join(got)))


def test_pyarrow_comes_when_asked_for_and_needs_no_numpy() -> None:
    program = """
import sys
sys.modules["numpy"] = None
from api.exports import WRITERS
assert "pyarrow" not in sys.modules
line = dict.fromkeys(("scan_id", "code", "stage", "finished_at", "report", "fields"))
print(len(b"".join(WRITERS["parquet"][1]([{**line, "n": 1, "custom_id": "a", "status": "queued"}]))))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 500


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_results_and_errors_are_the_lines_and_no_line_is_in_both(api: Api, done: str, form: str) -> None:
    parts = {}
    for part in ("results", "errors", "all"):
        content = api.call("GET", f"/v1/batches/{done}/export?format={form}&part={part}").get_data()
        parts[part] = names(form, content)
    assert parts == {
        "results": ["ok.jpg"],
        "errors": ["torn.jpg", "bad.jpg"],
        "all": ["ok.jpg", "torn.jpg", "bad.jpg"],
    }
    same = [line["custom_id"] for line in api.call("GET", f"/v1/batches/{done}/errors").json["items"]]
    assert parts["errors"] == same


def names(form: str, content: bytes) -> list[str]:
    if form == "parquet":
        return [str(name) for name in pq.read_table(io.BytesIO(content))["custom_id"].to_pylist()]
    if form == "csv":
        return [row["custom_id"] for row in csv.DictReader(io.StringIO(content.decode()))]
    return [json.loads(line)["custom_id"] for line in content.splitlines()]


@pytest.mark.parametrize("query", ["part=half", "part=errors&status=failed", "format=xlsx"])
def test_an_export_that_makes_no_sense_is_refused(api: Api, query: str) -> None:
    answer = api.call("GET", f"/v1/batches/{opened(api)}/export?{query}")
    assert problem(answer) == (422, "INVALID_FIELD")


def test_artifacts_are_listed_by_line_page_by_page_and_can_be_fetched(api: Api, done: str) -> None:
    first = api.call("GET", f"/v1/batches/{done}/artifacts?limit=2").json
    rest = api.call("GET", f"/v1/batches/{done}/artifacts?limit=2&cursor={first['next_cursor']}").json
    lines = first["items"] + rest["items"]
    assert [line["custom_id"] for line in lines] == ["ok.jpg", "torn.jpg", "bad.jpg"]
    assert rest["next_cursor"] is None
    assert [[file["name"] for file in line["artifacts"]] for line in lines] == [["preview"], [], ["preview"]]
    file = lines[0]["artifacts"][0]
    link = api.call("GET", f"/v1/scans/{lines[0]['scan_id']}/artifacts/preview?redirect=0").json
    assert link["sha256"] == file["sha256"] and file["size"] == len(b"preview")
    none = api.call("GET", f"/v1/batches/{done}/artifacts?name=cutout&name=face").json["items"]
    assert [line["artifacts"] for line in none] == [[], [], []]
    assert api.call("GET", f"/v1/batches/{done}/artifacts?cursor=999999999999999").json["items"] == []
    assert problem(api.call("GET", f"/v1/batches/{done}/artifacts?cursor=x")) == (422, "INVALID_FIELD")


def test_a_repeated_retry_leaves_lines_alone_that_failed_again(api: Api, done: str) -> None:
    asked = {"status": "failed", "before": shown(api, done)["as_of"]}
    answer = say(api, done, "retry", **asked).json
    assert (answer["retried"], answer["more"], answer["before"]) == (1, False, asked["before"])
    turn(api)
    spoil(api, done, "bad.jpg")
    second = {line["custom_id"]: line["scan_id"] for line in export(api, done)}
    assert say(api, done, "retry", **asked).json["retried"] == 0
    assert {line["custom_id"]: line["scan_id"] for line in export(api, done)} == second
    later = say(api, done, "retry", status="failed").json
    assert later["retried"] == 1 and later["before"] > asked["before"]


def test_a_moment_to_come_counts_as_now(api: Api, done: str) -> None:
    future = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    answer = say(api, done, "retry", before=future).json
    assert answer["retried"] == 1 and answer["before"] < future
    assert say(api, done, "retry", before="1970-01-01T00:00:00Z").json["retried"] == 0


@pytest.mark.parametrize("moment", [7, "yesterday", "2026-01-02T03:04:05", "", None])
def test_a_moment_without_its_offset_is_refused(api: Api, moment: object) -> None:
    answer = say(api, opened(api), "retry", before=moment)
    assert (problem(answer), answer.json["errors"][0]["field"]) == ((422, "INVALID_FIELD"), "before")

"""What must hold after any fault: nothing lost, nothing doubled, nothing that names a missing file."""

from __future__ import annotations

import hashlib
from uuid import UUID

from db.sql import row, rows
from storage.keys import artifact_key
from tests.stack import Stack


def check(stack: Stack, tenant_id: UUID, scan_ids: list[UUID]) -> None:
    """Assert the invariants for finished scans of one tenant."""
    scans = [stack.scan(tenant_id, scan_id) for scan_id in scan_ids]
    for scan in scans:
        assert scan["status"] in {"succeeded", "partial", "rejected"}, (scan["status"], scan["code"])
        for artifact in scan["artifacts"]:
            content = stack.storage.get(artifact_key(tenant_id, artifact["sha256"]), artifact["sha256"])
            assert len(content) == artifact["size"] and hashlib.sha256(content).hexdigest() == artifact["sha256"]
    with stack.database.begin() as connection:
        for scan_id in scan_ids:
            events = rows(connection, "SELECT seq, kind, data FROM event WHERE scan_id = :id ORDER BY seq", id=scan_id)
            assert [e.seq for e in events] == list(range(1, len(events) + 1)), "events have gaps"
            ends = [e.data["stage"] for e in events if e.kind == "stage"]
            assert len(ends) == len(set(ends)), f"a stage ended twice: {ends}"
            final = [e for e in events if e.kind == "status" and e.data["status"] in {s["status"] for s in scans}]
            assert len(final) == 1, "not exactly one final status"
        open_runs = row(
            connection,
            "SELECT count(*) AS n FROM stage_run WHERE tenant_id = :t AND state IN ('blocked', 'ready', 'leased')",
            t=tenant_id,
        )
        recount = row(connection, "SELECT count(*) AS n FROM scan WHERE tenant_id = :t", t=tenant_id)
        counted = row(
            connection,
            """SELECT coalesce(sum(n), 0) AS n FROM (SELECT n FROM scan_count WHERE tenant_id = :t
               UNION ALL SELECT delta FROM count_delta WHERE tenant_id = :t) c""",
            t=tenant_id,
        )
    assert open_runs is not None and open_runs.n == 0
    assert recount is not None and counted is not None and recount.n == counted.n == len(scan_ids)

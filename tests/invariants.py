"""What must be true of any ledger at any moment, whatever was killed: one read-only query per invariant.

Each query selects the rows that break it. ``violations`` runs them all; the numbers are the checker's (I1 to I14).
"""

from __future__ import annotations

from db.session import Database
from db.sql import rows
from pipeline.contracts import RunState, ScanStatus
from pipeline.progress import Ending, verdict

ALWAYS = {
    "I3 events are numbered 1..n without gaps, n being the scan's own count": """
        SELECT s.id FROM scan s LEFT JOIN event e ON e.scan_id = s.id GROUP BY s.id
        HAVING count(e.seq) <> s.event_seq OR coalesce(max(e.seq), 0) <> s.event_seq""",
    "I3 an ended scan has exactly one terminal event, an open one has none": """
        SELECT s.id FROM scan s LEFT JOIN event e ON e.scan_id = s.id AND e.kind = 'status'
            AND e.data ->> 'status' NOT IN ('queued', 'running') GROUP BY s.id
        HAVING count(e.seq) <> (s.status NOT IN ('queued', 'running'))::int""",
    "I3 the terminal event says what the scan says": """
        SELECT s.id FROM scan s JOIN event e ON e.scan_id = s.id AND e.kind = 'status' AND e.seq = s.event_seq
        WHERE (e.data ->> 'status', e.data ->> 'code') IS DISTINCT FROM (s.status, s.code)""",
    "I3 a run that ended by itself has exactly one event": """
        SELECT r.id FROM stage_run r JOIN stage st ON st.id = r.stage_id
        LEFT JOIN event e ON e.scan_id = r.scan_id AND e.kind = 'stage' AND e.data ->> 'stage' = st.name
        GROUP BY r.id HAVING count(e.seq) <> (r.state NOT IN ('blocked', 'ready', 'leased', 'cancelled')
                                              AND r.code IS DISTINCT FROM 'SWITCHED_OFF')::int""",
    "I2 an ended scan has no open run": """
        SELECT r.id FROM stage_run r JOIN scan s ON s.id = r.scan_id
        WHERE s.finished_at IS NOT NULL AND r.state IN ('blocked', 'ready', 'leased')""",
    "I2 an admitted scan that has not ended has an open run": """
        SELECT s.id FROM scan s WHERE s.admitted_at IS NOT NULL AND s.finished_at IS NULL
          AND NOT EXISTS (SELECT FROM stage_run r WHERE r.scan_id = s.id AND r.state IN ('blocked', 'ready', 'leased'))""",
    "I2 a blocked run waits for something that is open": """
        SELECT r.id FROM stage_run r JOIN stage st ON st.id = r.stage_id WHERE r.state = 'blocked' AND NOT EXISTS (
            SELECT FROM stage_run n JOIN stage ns ON ns.id = n.stage_id
            WHERE n.scan_id = r.scan_id AND ns.name = ANY(st.needs || st.optional)
              AND n.state IN ('blocked', 'ready', 'leased'))""",
    "I3 whatever began had all it needs": """
        SELECT r.id FROM stage_run r JOIN stage st ON st.id = r.stage_id
        JOIN stage ns ON ns.pipeline_id = st.pipeline_id JOIN stage_run n ON n.scan_id = r.scan_id AND n.stage_id = ns.id
        WHERE r.state IN ('ready', 'leased', 'ok', 'abstained', 'rejected', 'failed')
          AND (ns.name = ANY(st.needs) AND n.state <> 'ok'
               OR ns.name = ANY(st.optional) AND n.state IN ('blocked', 'ready', 'leased'))""",
    "I6 a webhook is told of an end that happened, and as it happened": """
        SELECT d.id FROM webhook_delivery d JOIN scan s ON d.about = 'scan ' || s.id
        WHERE s.finished_at IS NULL OR (d.type, d.data ->> 'code') IS DISTINCT FROM ('scan.' || s.status, s.code)""",
    "I4 one result per fingerprint and profile": """
        SELECT tenant_id, work FROM result GROUP BY tenant_id, work, profile HAVING count(*) > 1""",
    "I4 an answer has its result, and says the same": """
        SELECT r.id FROM stage_run r LEFT JOIN result x ON x.id = r.result_id
        WHERE r.state IN ('ok', 'rejected', 'abstained') <> (x.id IS NOT NULL)
           OR x.id IS NOT NULL AND (x.outcome, x.code) IS DISTINCT FROM (r.state, r.code)""",
    "I5 a finished answer is of this run's fingerprint": """
        SELECT r.id FROM stage_run r JOIN result x ON x.id = r.result_id WHERE r.work IS NOT NULL AND x.work <> r.work""",
    "I7 attempts and charges are within their bounds": """
        SELECT id FROM stage_run WHERE attempts > 100 OR charged > 4 OR charged > 1 + attempts
           OR charged = 4 AND state NOT IN ('failed', 'cancelled')""",
    "I8 of a cancelled scan nothing is open and nothing started later": """
        SELECT s.id FROM scan s WHERE s.cancel_requested_at IS NOT NULL AND (s.status <> 'cancelled' OR EXISTS (
            SELECT FROM stage_run r WHERE r.scan_id = s.id
              AND (r.state IN ('blocked', 'ready', 'leased') OR r.started_at > s.cancel_requested_at)))""",
    "I9 who holds no lease has no owner, who holds one has both": """
        SELECT id FROM stage_run WHERE (state = 'leased') <> (owner IS NOT NULL AND lease_until IS NOT NULL)""",
    "I10 counts, folded and not, are a recount, deleted scans among them": """
        SELECT * FROM (SELECT tenant_id, status, sum(n) AS n FROM (
                SELECT tenant_id, status, n FROM scan_count UNION ALL SELECT tenant_id, status, delta FROM count_delta) c
            GROUP BY 1, 2) counted
        FULL JOIN (SELECT tenant_id, status, count(*) AS n FROM (
                SELECT tenant_id, status FROM scan UNION ALL SELECT tenant_id, 'deleted' FROM deletion) s
            GROUP BY 1, 2) real USING (tenant_id, status)
        WHERE coalesce(counted.n, 0) <> coalesce(real.n, 0)""",
    "I10 a batch's counts, folded and not, are a recount of its scans": """
        SELECT * FROM (SELECT batch_id, status, sum(n) AS n FROM (
                SELECT batch_id, status, n FROM scan_count UNION ALL SELECT batch_id, status, delta FROM count_delta) c
            WHERE batch_id IS NOT NULL GROUP BY 1, 2) counted
        FULL JOIN (SELECT batch_id, status, count(*) AS n FROM (
                SELECT batch_id, status FROM scan UNION ALL SELECT batch_id, 'deleted' FROM deletion) s
            WHERE batch_id IS NOT NULL GROUP BY 1, 2) real USING (batch_id, status)
        WHERE coalesce(counted.n, 0) <> coalesce(real.n, 0)""",
    "I10 a batch's lines are numbered 1..n, each with a scan of it, a code, or a scan that was deleted": """
        SELECT b.id FROM batch b LEFT JOIN batch_item i ON i.batch_id = b.id LEFT JOIN scan s ON s.id = i.scan_id
        GROUP BY b.id HAVING count(i.n) <> b.items OR coalesce(max(i.n), 0) <> b.items OR count(i.code) <> b.refused
            OR bool_or(i.code IS NOT NULL AND s.id IS NOT NULL)
            OR count(*) FILTER (WHERE i.n IS NOT NULL AND i.code IS NULL AND s.id IS NULL)
               <> (SELECT count(*) FROM deletion WHERE batch_id = b.id)
            OR bool_or(s.batch_id <> b.id OR s.tenant_id <> b.tenant_id)
            OR count(s.id) <> (SELECT count(*) FROM scan WHERE batch_id = b.id)""",
    "an ended batch has no open scan": """
        SELECT b.id FROM batch b JOIN scan s ON s.batch_id = b.id
        WHERE b.finished_at IS NOT NULL AND s.finished_at IS NULL""",
    "I11 nothing refers to another tenant's": """
        SELECT r.id FROM stage_run r JOIN scan s ON s.id = r.scan_id LEFT JOIN result x ON x.id = r.result_id
            LEFT JOIN result_artifact l ON l.result_id = x.id LEFT JOIN artifact a ON a.id = l.artifact_id
            LEFT JOIN stage_run w ON w.id = r.waits_for
        WHERE r.tenant_id <> s.tenant_id OR x.tenant_id <> s.tenant_id OR a.tenant_id <> s.tenant_id
           OR w.tenant_id <> s.tenant_id""",
    "nothing accepted names bytes that are being removed": """
        SELECT e.sha256 FROM erasure e WHERE e.condemned AND (
            EXISTS (SELECT FROM scan s WHERE s.input_sha256 = e.sha256 AND s.tenant_id = e.tenant_id
                    AND s.input_kind = 'upload')
            OR EXISTS (SELECT FROM artifact a WHERE a.tenant_id = e.tenant_id AND a.sha256 = e.sha256))""",
    "I12 only a ready run waits, and for one of equal work": """
        SELECT r.id FROM stage_run r JOIN stage_run w ON w.id = r.waits_for
        WHERE r.state <> 'ready' OR w.work <> r.work OR w.waits_for IS NOT NULL AND w.state = 'ready'""",
    "I14 all runs of a scan are of its own pipeline version, each stage once": """
        SELECT s.id FROM scan s JOIN stage_run r ON r.scan_id = s.id JOIN stage st ON st.id = r.stage_id
        GROUP BY s.id HAVING bool_or(st.pipeline_id <> s.pipeline_id)
            OR count(*) <> (SELECT count(*) FROM stage WHERE pipeline_id = s.pipeline_id)""",
    "times do not run backwards": """
        SELECT id FROM scan WHERE started_at < created_at OR finished_at < started_at
           OR (finished_at IS NOT NULL) <> (status NOT IN ('queued', 'running'))""",
}

SETTLED = {
    "I12 no follower of a run that has ended is left": """
        SELECT f.id FROM stage_run f LEFT JOIN stage_run l ON l.id = f.waits_for
        WHERE f.waits_for IS NOT NULL AND (l.id IS NULL OR l.state NOT IN ('ready', 'leased'))""",
}
"""True after ``settle_followers`` has been called once more."""


def violations(database: Database, *, settled: bool = False) -> list[str]:
    """Every invariant that does not hold now, with the first rows that break it."""
    with database.begin() as connection:
        broken = [
            f"{name}: {found[:3]}"
            for name, query in (ALWAYS | (SETTLED if settled else {})).items()
            if (found := rows(connection, query))
        ]
        ended = rows(
            connection,
            """SELECT s.id, s.status, s.code, array_agg(r.state ORDER BY st.position) AS states,
                      array_agg(r.code ORDER BY st.position) AS codes
               FROM scan s JOIN stage_run r ON r.scan_id = s.id JOIN stage st ON st.id = r.stage_id
               WHERE s.cancel_requested_at IS NULL GROUP BY s.id""",
        )
    for scan in ended:
        runs = [Ending(RunState(state), code) for state, code in zip(scan.states, scan.codes, strict=True)]
        said, found_verdict = ScanStatus(scan.status), verdict(runs)
        expected = (found_verdict.status, found_verdict.code) if found_verdict else None
        if (expected or (said, scan.code)) != (said, scan.code) or (expected is None) == said.terminal:
            broken.append(f"I6 a scan's end is the verdict over its runs: {scan.id} is {said}, not {expected}")
    return broken

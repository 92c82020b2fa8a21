"""A picture that kills or hangs its worker: it ends alone, by its own code, and its neighbours end well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from db.sql import rows
from pipeline.contracts import Lane
from tests.stack import Servers, Stack, opened


@pytest.fixture(scope="module")
def service(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {"SCANMILL_EXTRA_PIPELINES": '["tests.pipelines:OBEDIENT"]'}
    with opened(servers, tmp_path_factory.mktemp("stack"), **settings) as stack:
        stack.start("control")
        stack.await_published("obedient")
        yield stack


@pytest.fixture
def stack(service: Stack) -> Iterator[Stack]:
    """Without a worker; the one that a test starts ends with it."""
    yield service
    service.kill("worker")


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("order", "code"), [("crash", "POISON_INPUT"), ("hang", "STAGE_TIMEOUT")])
def test_a_poison_picture_ends_alone(stack: Stack, order: str, code: str) -> None:
    tenant = stack.tenant(f"poisoned by {order}")
    names = [f"picture {n}" for n in range(6)]
    options = [{"name": name, **({"second": order} if name == "picture 3" else {})} for name in names]
    ids = [
        stack.submit(tenant, name.encode(), system="obedient", lane=Lane.BULK, options=each)
        for name, each in zip(names, options, strict=True)
    ]
    stack.start("worker", "--slots", "2", "--allow-cpu")
    scans = stack.wait(tenant, ids, 150)
    assert [(s["status"], s["code"]) for n, s in enumerate(scans) if n != 3] == [("succeeded", None)] * 5
    assert (scans[3]["status"], scans[3]["code"]) == ("failed", code)
    with stack.database.begin() as connection:
        attempts = {
            r.scan_id: r.attempts
            for r in rows(
                connection,
                """SELECT r.scan_id, r.attempts FROM stage_run r JOIN stage s ON s.id = r.stage_id
                   WHERE s.name = 'second' AND r.tenant_id = :t""",
                t=tenant,
            )
        }
    assert attempts[ids[3]] <= 4, "once in company and at most three times alone"
    assert all(attempts[each] <= 2 for n, each in enumerate(ids) if n != 3), "neighbours lose one attempt at most"

"""Undisturbed and disturbed runs of the same pictures, each for a tenant of its own so that nothing is reused."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from tests.faults.checker import check
from tests.photos import cat, not_a_cat
from tests.stack import Stack, canonical


def nothing() -> None:
    """No disturbance."""


def reports(
    stack: Stack, *, before: Callable[[], object] = nothing, during: Callable[[], object] = nothing
) -> list[str]:
    """Scan a cat and something else, disturb, check every invariant; the canonical reports."""
    tenant = stack.tenant(f"tenant {uuid.uuid4()}")
    before()
    ids = [stack.submit(tenant, photo()) for photo in (cat, not_a_cat)]
    during()
    scans = stack.wait(tenant, ids, 90)
    check(stack, tenant, ids)
    return [canonical(scan) for scan in scans]

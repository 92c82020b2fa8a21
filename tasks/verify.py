"""Verification from outside: model versions are examined in a child process, so that a native crash is an answer too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.errors import VerificationCrashed, VerificationTimeout

EACH_S = 60.0
START_S = 60.0
"""Seconds that one version may take, and the child until its first one."""

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Job:
    """A version to examine: see ``pipeline.models.examine``. ``alike``: another runtime's digest, to compare with instead."""

    name: str
    digest: str
    beside: str | None = None
    relabel: bool = False
    needs_goldens: bool = True
    alike: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Good when there is no ``code``. ``again``: nothing is known, because something of ours was away."""

    code: str | None
    detail: str
    again: bool = False


def verify(
    jobs: Sequence[Job], *, ledger: bool, fault_plan: str = "", env: str = "production", each_s: float = EACH_S
) -> list[Verdict]:
    """A verdict per job, in order. ``ledger``: look for versions in database and storage too, not in the packs alone."""
    verdicts: list[Verdict] = []
    while len(verdicts) < len(jobs):
        left = jobs[len(verdicts) :]
        head = {"ledger": ledger, "fault_plan": fault_plan, "env": env}
        verdicts += _run([json.dumps(head), *(json.dumps(asdict(job)) for job in left)], len(left), each_s)
    return verdicts


def _run(lines: Sequence[str], wanted: int, each_s: float) -> list[Verdict]:
    """Verdicts of one child: one at least, since the job at which it died has one too."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "tasks.verify_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,
    )
    late = False
    try:
        told, _ = child.communicate("\n".join(lines) + "\n", timeout=START_S + each_s * wanted)
    except subprocess.TimeoutExpired:
        late = True
        child.kill()
        told, _ = child.communicate()
    finally:
        child.kill()
        child.wait()
    verdicts = list(_read(told))[:wanted]
    if len(verdicts) == wanted:
        return verdicts
    if late:
        return [*verdicts, Verdict(VerificationTimeout.code, f"not within {each_s:g} s")]
    return [*verdicts, Verdict(VerificationCrashed.code, f"the process ended with status {child.returncode}")]


def _read(told: str) -> Iterator[Verdict]:
    for line in told.splitlines():
        try:
            yield Verdict(**json.loads(line))
        except (ValueError, TypeError):
            return

"""A batch as it goes: a bar with rate, time left and the codes of failures so far, until it has ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli import output
from cli.batches.service import ENDED, Batches

POLL_S = 1.0
SHOWN = ("succeeded", "partial", "rejected", "failed", "cancelled", "refused", "deleted")


def bar() -> Progress:
    """A bar on stderr; on what is no terminal it shows nothing."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[told]}"),
        console=output.console,
        disable=not output.console.is_terminal,
    )


def follow(batches: Batches, batch_id: str, timeout_s: float) -> dict[str, Any]:
    """The batch once it has ended. A pause is waited through. Raises TimeoutError."""
    until = time.monotonic() + timeout_s
    with bar() as progress:
        task = progress.add_task("scanning", total=None, told="")
        while True:
            found = batches.get(batch_id)
            counts = found["counts"]
            done = sum(counts[name] for name in SHOWN)
            progress.update(task, completed=done, total=counts["items"], told=told(found), description=found["state"])
            if found["state"] in ENDED:
                return found
            if time.monotonic() > until:
                raise TimeoutError(f"batch {batch_id} is {found['state']} with {done} of {counts['items']} lines done")
            time.sleep(POLL_S)


def told(batch: Mapping[str, Any]) -> str:
    """Rate, time left and ends so far, in words."""
    left = batch["eta_s"]
    eta = "" if left is None else f", {_span(left['from'])} to {_span(left['to'])} left"
    ends = ", ".join(f"{n} {name}" for name in SHOWN if (n := batch["counts"][name]))
    return f"{batch['per_second']:.1f}/s{eta}{f' ({ends})' if ends else ''}"


def _span(seconds: float) -> str:
    """Seconds for people."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"

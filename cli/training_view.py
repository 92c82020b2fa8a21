"""A training to look at: a bar on a terminal, a line now and then elsewhere, and what it left at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from cli import output

LINE_S = 10.0
"""Seconds between lines where there is no terminal."""

Show = Callable[[str, Mapping[str, Any]], None]
"""Told of the state and the progress as often as anybody likes."""


@contextmanager
def watching(recipe: str, as_json: bool) -> Iterator[Show]:
    """Shows a training while the block lasts."""
    if as_json:
        yield lambda _state, _progress: None
    elif output.console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
        with Progress(*columns, console=output.console, transient=True) as bars:
            bar = bars.add_task(recipe, total=None, told="")
            yield lambda state, progress: bars.update(
                bar, description=f"{recipe}: {state}", told=told(progress), **_measure(progress)
            )
    else:
        yield _lines(recipe)


def told(progress: Mapping[str, Any]) -> str:
    """Stage, step, loss, pace and the time that is left, as far as they are known."""
    parts = []
    if progress.get("steps"):
        stages = f"stage {progress['stage']} of {progress['stages']}, " if progress.get("stages", 1) > 1 else ""
        parts.append(f"{stages}step {progress.get('step', 0)} of {progress['steps']}")
    if progress.get("loss") is not None:
        parts.append(f"loss {progress['loss']:.4g}")
    if progress.get("pictures_per_s"):
        parts.append(f"{progress['pictures_per_s']:.0f} pictures/s")
    if progress.get("eta_s"):
        parts.append(f"about {_time(progress['eta_s'])} left")
    return ", ".join(parts)


def summary(training: Mapping[str, Any]) -> None:
    """How it ended, its scores, its files and versions."""
    why = " ".join(filter(None, (training.get("code"), training.get("detail"))))
    named = " ".join(filter(None, (training["recipe"], training.get("id"))))
    output.console.print(f"{named}: {training['state']} {why}", markup=False, soft_wrap=True)
    progress = training.get("progress", {})
    if metrics := progress.get("metrics"):
        output.console.print(_metrics(metrics))
    elif words := told(progress):
        output.console.print(f"  {words}", markup=False)
    if not training.get("versions") and progress.get("then"):
        output.console.print(f"  then: {progress['then']}", markup=False, soft_wrap=True, highlight=False)
    for file in training.get("files", ()):
        output.console.print(f"  {file['name']}  {file['size']:,} bytes", markup=False, soft_wrap=True)
    for each in training.get("versions", ()):
        name = f"{each['name']} {each['version']}"
        output.console.print(f"  registered {name}; to use it: scanmill models promote {name}", soft_wrap=True)


def table(trainings: list[dict[str, Any]]) -> Table:
    """One line per training."""
    shown = Table("id", "recipe", "state", "code", "progress", "asked", box=None, pad_edge=False)
    for each in trainings:
        when = str(each["created_at"])[:19]
        shown.add_row(each["id"], each["recipe"], each["state"], each["code"] or "", told(each["progress"]), when)
    return shown


def _metrics(metrics: list[Mapping[str, Any]]) -> Table:
    shown = Table("score", "value", "95 %", "n", "on", box=None, pad_edge=False)
    for each in metrics:
        low, high = each.get("low"), each.get("high")
        interval = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
        value = each.get("value")
        cells = (str(each.get("name", "")), "" if value is None else f"{value:.3f}", interval)
        shown.add_row(*cells, str(each.get("n", "")), str(each.get("on", "")))
    return shown


def _measure(progress: Mapping[str, Any]) -> dict[str, Any]:
    """The bar's length and place: over one stage, as later ones have other sizes."""
    return {"total": progress["steps"], "completed": progress.get("step", 0)} if progress.get("steps") else {}


def _lines(recipe: str) -> Show:
    before: dict[str, Any] = {"state": None, "at": 0.0}

    def show(state: str, progress: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if state != before["state"] or now - before["at"] >= LINE_S:
            before.update(state=state, at=now)
            output.console.print(f"{recipe}: {state} {told(progress)}".rstrip(), highlight=False, markup=False)

    return show


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"

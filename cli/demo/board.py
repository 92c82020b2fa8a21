"""The demo on a terminal: a live board of stages and their counts, then a table of results."""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from api.report.cards import subject
from cli.demo.follow import Followed, Progress

_STATES = ("ok", "skipped", "abstained", "rejected", "failed", "leased", "ready", "blocked")
_COLOURS = {"ok": "green", "succeeded": "green", "partial": "yellow", "abstained": "yellow", "rejected": "magenta"}
_COLOURS |= {"refused": "magenta", "failed": "red", "leased": "cyan", "running": "cyan", "skipped": "dim"}
_WIDTH = 28


def board(progress: Progress) -> RenderableType:
    """One line per stage: a bar, and how many scans are where."""
    counts = _counts(progress)
    table = Table(box=None, pad_edge=False, show_header=False)
    for stage in progress.stages:
        table.add_row(stage, _bar(counts[stage]), _words(counts[stage]))
    head = Text(f"{progress.done} of {len(progress.followed)} pictures answered, {progress.seconds:.1f} s")
    return Group(head, table)


def line(progress: Progress) -> str:
    """The same in one line, for a log."""
    running = Counter(
        stage.name
        for each in progress.followed
        if each.scan is not None
        for stage in each.scan.stages
        if stage.state == "leased"
    )
    at = ", ".join(f"{name} {count}" for name, count in running.items())
    return f"{progress.seconds:5.1f} s  {progress.done}/{len(progress.followed)} answered{'  in ' + at if at else ''}"


def results(progress: Progress) -> Table:
    """What became of each picture."""
    table = Table("picture", "status", "code", "health", "findings", pad_edge=False, box=None, header_style="bold")
    for each in progress.followed:
        score = each.scan.health_score if each.scan else None
        table.add_row(
            Text(each.sample.name),
            Text(each.status, style=_COLOURS.get(each.status, "")),
            Text(code_of(each) or ""),
            "–" if score is None else f"{score:.0f}",
            _findings(each),
        )
    return table


def code_of(each: Followed) -> str | None:
    """The code that says why, of a refusal or of a scan."""
    if each.refusal is not None:
        return each.refusal.code
    return each.scan.code if each.scan else None


def _findings(each: Followed) -> Text:
    if each.scan is None:
        return Text(each.refusal.detail if each.refusal else "", style="dim")
    text = Text()
    for region, finding in each.scan.findings.items():
        answered = finding.get("label")
        if finding.get("outcome") == "skipped":
            continue  # nothing to say of a region that nobody looked at
        said = f"{answered} {finding['confidence']:.0%}" if answered else str(finding.get("code") or "no answer")
        text.append(f"{', ' if text else ''}{region.replace('_', ' ')} ", style="dim")
        text.append(said, style="" if answered else "yellow")
    return text or Text(subject(each.scan.report or {}), style="dim")


def _counts(progress: Progress) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {stage: Counter() for stage in progress.stages}
    for each in progress.followed:
        for stage in each.scan.stages if each.scan else ():
            counts.setdefault(stage.name, Counter())[stage.state] += 1
    return counts


def _bar(counts: Counter[str]) -> Text:
    total = sum(counts.values())
    bar, drawn, seen = Text(), 0, 0
    for state in _STATES:
        seen += counts[state]
        end = round(_WIDTH * seen / total) if total else 0
        style = _COLOURS.get(state, "dim")
        bar.append(("━" if state not in ("blocked", "ready") else "╌") * (end - drawn), style=style)
        drawn = end
    return bar


def _words(counts: Counter[str]) -> Text:
    text = Text()
    for state in _STATES:
        if counts[state]:
            said = {"leased": "running", "ready": "queued", "blocked": "waiting"}.get(state, state)
            text.append(f"{'  ' if text else ''}{counts[state]} {said}", style=_COLOURS.get(state, "dim"))
    return text

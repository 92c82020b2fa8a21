"""A plan for doing a batch again, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

Json = Mapping[str, Any]


def reprocess(found: Json) -> Table:
    """Stages that are computed or differ, then the sums; whatever is not named is reused whole."""
    table = Table("stage", "because", "computed", "reused", "skipped", "seconds", box=None, pad_edge=False)
    for stage in found["stages"]:
        if stage["changed"] or stage["follows"] or stage["computed"]["most"]:
            spans = [_span(stage[figure]) for figure in ("computed", "reused", "skipped")]
            table.add_row(stage["name"], _because(stage), *spans, _seconds(stage["seconds"]))
    table.add_section()
    sums = [_span(found[figure]) for figure in ("computed", "reused")]
    table.add_row("stage runs in all", "" if found["exact"] else "scaled up from a sample", *sums, "", "")
    table.add_row("lines", f"{found['scans']:,} of {found['lines']:,} are scanned")
    for name, words in (("refused", "were refused and stay so"), ("input_missing", "have no picture any more")):
        if found[name]:
            table.add_row("", f"{found[name]:,} {words}")
    if found["gone"]:
        table.add_row("not any more", ", ".join(found["gone"]))
    table.add_row("work", _seconds(found["work_s"]))
    table.add_row("time", f"{_seconds(found['time_s'])} on {found['slots']} slots with nothing else to do")
    return table


def _because(stage: Json) -> str:
    if stage["changed"]:
        return f"other {', '.join(stage['changed'])}" if stage["changed"] != ["new"] else "is new"
    return f"follows {', '.join(stage['follows'])}" if stage["follows"] else "no answer is kept"


def _span(span: Mapping[str, int]) -> str:
    least, most = span["least"], span["most"]
    if least == most:
        return f"{most:,}"
    return f"at most {most:,}" if least == 0 else f"{least:,} to {most:,}"


def _seconds(value: Mapping[str, float] | None) -> str:
    """From … to …, in the unit that reads best."""
    if value is None:
        return "not known"
    size, unit = (60.0, "min") if value["to"] >= 120 else (1.0, "s")
    return f"{value['from'] / size:,.1f} to {value['to'] / size:,.1f} {unit}" if value["to"] else "0 s"

"""Batches for people: tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from cli.batches.filling import Filled

FEW = 10
Json = Mapping[str, Any]


def counts(batch: Json, filled: Filled | None = None) -> Table:
    """Its state and counts, which add up; beneath, what never left this machine."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("batch", str(batch["id"]))
    table.add_row("state", f"{batch['state']} {batch['code'] or ''}")
    for name, n in batch["counts"].items():
        if n or name == "items":
            table.add_row(name, f"{n:,}")
    if batch["source"] and (unchanged := batch["listed"] - batch["items"]):
        table.add_row("unchanged", f"{unchanged:,}")
    if filled is not None:
        for name, n in (("sent before", filled.known), ("unchanged", filled.unchanged)):
            if n:
                table.add_row(name, f"{n:,}")
        for name, reason in list(filled.unreadable.items())[:FEW]:
            table.add_row("[bold red]unreadable[/bold red]", f"{name}: {reason}")
    return table


def plan(found: Json) -> Table:
    """What a source holds and will take."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("lines", f"{found['lines']:,} ({found['bytes'] / 1e6:,.1f} MB)")
    table.add_row("to scan", f"{found['scans']:,}")
    table.add_row("same bytes", f"{found['duplicates']:,} (computed once)")
    if found["modes"]:
        table.add_row("colours", ", ".join(f"{n:,} {mode}" for mode, n in found["modes"].items()))
    if found["near"] is not None:
        table.add_row("look alike", f"{found['near']['pictures']:,} pictures in {found['near']['pairs']:,} pairs")
        for pair in found["near"]["nearest"][:FEW]:
            table.add_row(f"  {pair['distance']} of 64 bits", escape(f"{pair['a']}  {pair['b']}"))
    for code, n in found["bad"].items():
        table.add_row(f"[bold red]{code}[/bold red]", escape(f"{n:,}: {', '.join(found['named'][code][:FEW])}"))
    for label, key, unit, size in (
        ("time", "time_s", "min", 60.0),
        ("work", "work_s", "min", 60.0),
        ("storage", "stored_bytes", "MB", 1e6),
    ):
        value = found[key]
        told = "not known" if value is None else f"{value['from'] / size:,.1f} to {value['to'] / size:,.1f} {unit}"
        table.add_row(label, f"{told} (from {found['samples']} samples)")
    return table


def listing(found: Sequence[Json]) -> Table:
    """One line a batch."""
    table = Table("batch", "name", "state", "items", "created", box=None, pad_edge=False)
    for batch in found:
        table.add_row(batch["id"], batch["name"] or "", batch["state"], f"{batch['items']:,}", batch["created_at"][:19])
    return table


def errors(found: Json) -> Table:
    """Codes with their counts, then the first lines."""
    table = Table("code", "status", "lines", "for example", box=None, pad_edge=False)
    for code in found["codes"]:
        names = [line["custom_id"] for line in found["items"] if line["code"] == code["code"]]
        table.add_row(code["code"], code["status"], f"{code['n']:,}", ", ".join(names[:3]))
    return table


def difference(found: Json) -> Table:
    """Flips per region, what else changed, and the verdict."""
    heads = ("region", "compared", "flipped", "mean shift", "greatest", "maps alike")
    table = Table(*heads, box=None, pad_edge=False)
    for region, each in found["regions"].items():
        names = ("mean_shift", "greatest_shift", "mean_likeness")
        figures = ["" if each[name] is None else f"{each[name]:.4f}" for name in names]
        table.add_row(region, f"{each['compared']:,}", f"{each['flipped']:,}", *figures)
    table.add_section()
    table.add_row(
        "lines",
        f"{found['lines']:,}",
        f"{sum(one['n'] for one in found['statuses'] if one['before'] != one['after']):,}",
    )
    table.add_row("only in one", f"{found['only_before'] + found['only_after']:,}")
    verdict = "within the limits" if found["pass"] else f"exceeded: {', '.join(found['exceeded'])}"
    table.add_row("verdict", verdict)
    return table

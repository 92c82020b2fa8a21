"""A model card as Markdown: what it is for, what it learned from, what it scored, what it cannot do."""

from collections.abc import Mapping
from typing import Any, Final

from training.entries.entry import Entry
from training.slices import HOW, LEAST

PARTS: Final = ("train", "validation", "test")
UNRECORDED: Final = "made before commits were recorded"
FIRST: Final = {"skin_acne": "skin_condition", "skin_hair": "skin_condition"}
"""The recipe that must have run into the same folder before, where it is not the distilled body's."""
ALONE: Final = ("landmarks", "eyes", "cataract_fast", "cataract_strong", "patches", "patchcore", "skin_condition")
"""Recipes that begin with none, or say on their card where they have their beginning from."""


def card(entry: Entry, measured: Mapping[str, Any]) -> str:
    """The whole card."""
    sections = [
        ("What for, and what not", [f"- For: {entry.good_for}.", f"- Not for: {entry.not_for}."]),
        ("How", [measured["run"].get("how", entry.how)]),
        ("Scores on pictures it has not seen", scores(measured)),
        ("Slices", sliced(measured)),
        ("Calibration", calibration(entry, measured)),
        ("Right and wrong", judged(measured)),
        ("Known weaknesses", [f"- {line}" for line in entry.weak]),
        ("Data and terms", data(entry, measured)),
        ("Made with", made(entry, measured)),
    ]
    heading = [
        f"# {entry.name}: {entry.title}",
        "",
        f"**Version {entry.version}. Demonstration weights, not a medical device; train on your own data before relying on them.**",
        "",
    ]
    return "\n".join([*heading, *(line for name, lines in sections for line in (f"## {name}", "", *lines, ""))])


def curve_file(entry: Entry) -> str:
    """Name of the curve's drawing beside the card."""
    return f"{entry.name}.reliability.svg"


def scores(measured: Mapping[str, Any]) -> list[str]:
    """The figures with 95 % bootstrap intervals."""
    rows = [
        f"| {m['name']} | {m['value']:.3f} | {m['low']:.3f} to {m['high']:.3f} | {m['n']} | {m['on']} |"
        for m in measured["metrics"]
    ]
    return [
        "| figure | value | 95 % interval | n | on |",
        "|---|---|---|---|---|",
        *rows,
        *([] if "scored" not in measured else ["", again(measured["scored"])]),
    ]


def again(scored: Mapping[str, Any]) -> str:
    """How to get the same figures of the same bytes."""
    return f"Scored from the shipped file, SHA-256 `{scored['sha256']}`, with {scored['with']}: `{scored['command']}`."


def sliced(measured: Mapping[str, Any]) -> list[str]:
    """Every figure by slice; too small slices are counted only."""
    rows = measured.get("slices", [])
    if not rows:
        return ["Not measured."]
    lines = [
        f"Intervals are by bootstrap, 95 %. Below {LEAST} items nothing is claimed. *Below* and *above* mark a slice whose "
        "interval lies wholly on one side of the whole's figure; with this many slices one or two do by chance. Slices "
        "overlap, and sources differ in more than their name. Pose and head are known only where a face is labelled, fur also "
        "where the animal has a mask: those pictures are easier than the others.",
    ]
    for figure in dict.fromkeys(row["figure"] for row in rows):
        lines += ["", f"**{figure}**", "", "| by | slice | value | 95 % interval | n | beside the whole |"]
        lines += ["|---|---|---|---|---|---|", *(slice_row(row) for row in rows if row["figure"] == figure)]
    used = [by for by in HOW if any(row["by"] == by for row in rows)]
    return [*lines, "", "How a picture comes into a slice:", "", *(f"- {by}: {HOW[by]}." for by in used)]


def slice_row(row: Mapping[str, Any]) -> str:
    """One line of the table."""
    name = f"| {row['by'] or 'the whole'} | {row['slice']} "
    if row["value"] is None:
        return name + f"| | too few | {row['n']} | |"
    interval = f"{row['low']:.3f} to {row['high']:.3f}"
    return name + f"| {row['value']:.3f} | {interval} | {row['n']} | {row['beside']} |"


def calibration(entry: Entry, measured: Mapping[str, Any]) -> list[str]:
    """Whether what it says comes true as often as it says."""
    curve = measured.get("reliability")
    if not curve:
        return ["Not measured: it states no chances, or nobody has asked yet."]
    error = curve["error"]
    return [
        f"Of: {curve['of']}. Expected calibration error in ten equal bins: **{error['value']:.3f}** "
        f"({error['low']:.3f} to {error['high']:.3f}, n {curve['n']}).",
        "",
        f"![Stated chance and what came true]({curve_file(entry)})",
        "",
        "| stated | on average | came true | 95 % interval | n |",
        "|---|---|---|---|---|",
        *(
            f"| {one['from']} to {one['to']} | {one['said']:.2f} | {one['was']:.2f} "
            f"| {one['low']:.2f} to {one['high']:.2f} | {one['n']:,} |"
            for one in curve["bins"]
        ),
    ]


def judged(measured: Mapping[str, Any]) -> list[str]:
    """How often which kind of answer was given, and where to see some."""
    found = measured.get("outcomes", [])
    if not found:
        return ["Not counted."]
    right, wrong = (sum(one["n"] for one in found if one["right"] == want) for want in (True, False))
    return [
        f"Right: {right:,}, wrong: {wrong:,}. The rule: {measured['right']}.",
        "",
        "| what happened | | n |",
        "|---|---|---|",
        *(f"| {one['kind']} | {'right' if one['right'] else 'wrong'} | {one['n']:,} |" for one in found),
        "",
        "Twelve right and twelve wrong ones, drawn by lot, are on the page that `make models-report DATA=folder` makes. "
        "Their pictures are in no repository.",
    ]


def data(entry: Entry, measured: Mapping[str, Any]) -> list[str]:
    """Sets, terms, sizes, split."""
    sizes = measured.get("sizes", {})
    rows = []
    for name in (*entry.trained_on, *entry.scored_on):
        counts = [f"{sizes[name][part]:,}" if name in sizes else "" for part in PARTS]
        rows.append(f"| {name} | {entry.terms[name]} | {' | '.join(counts)} |")
    return [
        "| set | terms | train | validation | test |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"Split: {entry.split}",
    ]


def made(entry: Entry, measured: Mapping[str, Any]) -> list[str]:
    """How to make it again."""
    run = measured["run"]
    fitted = f" Temperature {measured['temperature']}." if "temperature" in measured else ""
    return [
        "```",
        *commands(entry, run),
        "```",
        "",
        f"Commit: {commit(run)}.",
        f"Seed {run['seed']}, {run['minutes']} minutes for its own recipe on {run['machine']}, {run['with']}.{fitted}",
        *[stage(one) for one in run.get("stages", [])],
        *([run["remark"]] if "remark" in run else []),
        *[f"Beside it lies the same network as `{file}`." for file in entry.also_files],
    ]


def commit(run: Mapping[str, Any]) -> str:
    """The commit that made the file, or what the history tells of it."""
    if "commit" in run:
        return f"`{run['commit']}`"
    return (
        f"{UNRECORDED}; the file came into the repository with `{run['came_with']}`"
        if "came_with" in run
        else UNRECORDED
    )


def commands(entry: Entry, run: Mapping[str, Any]) -> list[str]:
    """The recorded command; of a run from before they were recorded, what today's recipes would be called with."""
    pack = "python -m training.pack --out OUT --pack models/starter"
    if "command" in run:
        return [run["command"], pack]
    budget = f"--budget {run['budget']}" + (f" --scale {run['scale']:g}" if run["scale"] != 1 else "")
    first = "" if entry.recipe in ALONE else FIRST.get(entry.recipe, "body")
    body = [f"python -m training.run {first} --data DATA --out OUT --teacher TEACHER {budget}"] if first else []
    if run.get("start"):
        body = [f"python -m training.revive {entry.recipe} --pack models/starter --data DATA --to START"]
        budget += " --start START"
    return [
        *body,
        f"python -m training.run {entry.recipe} --data DATA --out OUT --teacher TEACHER --truth TRUTH {budget}",
        pack,
    ]


def stage(one: Mapping[str, Any]) -> str:
    """One stage of the training loop, in words."""
    why = (
        "the validation part saw nothing better"
        if one.get("ended") == "no better"
        else "as many as fitted into the time"
    )
    planned = "" if one["done"] == one["steps"] else f" (of {one['steps']:,} planned: {why})"
    return f"{one['done']:,} steps{planned} of {one['batch']} pictures at {one['size']} px, peak rate {one['rate']:g}."

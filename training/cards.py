"""A model card as Markdown: what it is for, what it learned from, what it scored, what it cannot do."""

from typing import Any, Final

from training.entries.entry import Entry

FIRST: Final = {"landmarks": "", "skin_condition": "", "skin_acne": "skin_condition", "skin_hair": "skin_condition"}
"""The recipe that must have run into the same folder before; of those not named the distilled body's, of some none."""


def card(entry: Entry, measured: dict[str, Any]) -> str:
    """The whole card."""
    return "\n".join(
        [
            f"# {entry.name}: {entry.title}",
            "",
            f"**Version {entry.version}. Demonstration weights, not a medical device; train on your own data before relying on them.**",
            "",
            f"- For: {entry.good_for}.",
            f"- Not for: {entry.not_for}.",
            "",
            "## How",
            "",
            entry.how,
            "",
            *scores(measured),
            "",
            "## Known weaknesses",
            "",
            *[f"- {line}" for line in entry.weak],
            "",
            "## Data and terms",
            "",
            "| set | terms |",
            "|---|---|",
            *[f"| {name} | {entry.terms[name]} |" for name in (*entry.trained_on, *entry.scored_on)],
            "",
            f"Split: {entry.split}",
            "",
            *made(entry, measured),
        ]
    )


def scores(measured: dict[str, Any]) -> list[str]:
    """The figures with 95 % bootstrap intervals."""
    rows = [
        f"| {m['name']} | {m['value']:.3f} | {m['low']:.3f} to {m['high']:.3f} | {m['n']} | {m['on']} |"
        for m in measured["metrics"]
    ]
    return [
        "## Scores on pictures it has not seen",
        "",
        "| figure | value | 95 % interval | n | on |",
        "|---|---|---|---|---|",
        *rows,
    ]


def made(entry: Entry, measured: dict[str, Any]) -> list[str]:
    """How to make it again."""
    run = measured["run"]
    fitted = f" Temperature {measured['temperature']}." if "temperature" in measured else ""
    return [
        "## Made with",
        "",
        "```",
        *commands(entry, run),
        "```",
        "",
        f"Seed {run['seed']}, {run['minutes']} minutes for its own recipe on {run['machine']}, {run['with']}.{fitted}",
        *[f"{stage(one)}" for one in run["stages"]],
        *([run["remark"]] if "remark" in run else []),
        "",
    ]


def commands(entry: Entry, run: dict[str, Any]) -> list[str]:
    """Body, the recipe with its budget, and the pack."""
    budget = f"--budget {run['budget']}" + (f" --scale {run['scale']:g}" if run["scale"] != 1 else "")
    first = FIRST.get(entry.recipe, "body")
    body = [f"python -m training.run {first} --data DATA --out OUT --teacher TEACHER {budget}"] if first else []
    if run.get("start"):
        body = [f"python -m training.revive {entry.recipe} --pack models/starter --data DATA --to START"]
        budget += " --start START"
    return [
        *body,
        f"python -m training.run {entry.recipe} --data DATA --out OUT --teacher TEACHER --truth TRUTH {budget}",
        "python -m training.pack --out OUT --pack models/starter",
    ]


def stage(one: dict[str, Any]) -> str:
    """One stage of the training loop, in words."""
    planned = "" if one["done"] == one["steps"] else f" (of {one['steps']:,} planned: as many as fitted into the time)"
    return f"{one['done']:,} steps{planned} of {one['batch']} pictures at {one['size']} px, peak rate {one['rate']:g}."

"""A report in the words and numbers of a page. Nothing here knows where pictures lie: whoever asks says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.errors import PLAIN_CODES, taxonomy

SENTENCES = {code: (error.__doc__ or "").strip() for code, error in taxonomy().items()} | PLAIN_CODES
"""Code → what it means, in a sentence."""
Report = Mapping[str, Any]
Address = Callable[[str], str | None]
"""Name of an artifact → where a page finds it; None: there is none."""


@dataclass(frozen=True, slots=True)
class RegionCard:
    """One area: what was said of it, and the addresses of its pictures."""

    name: str
    label: str | None
    confidence: float | None
    needs_review: bool
    probabilities: list[tuple[str, float]]
    code: str | None
    sentence: str
    crop: str | None
    heatmap: str | None


@cache
def environment() -> Environment:
    """The pages' templates, read once: everything is escaped, and a name that is missing is an error."""
    loader = PackageLoader("api.report", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def findings(report: Report, stages: Sequence[str]) -> dict[str, Any]:
    """What was found per region, in the order of the stages that found it."""
    order = {name.removeprefix("classify_"): place for place, name in enumerate(stages)}
    found = report.get("findings") or {}
    return dict(sorted(found.items(), key=lambda pair: order.get(pair[0], len(order))))


def region(name: str, finding: Mapping[str, Any], address: Address) -> RegionCard:
    """A finding as a card."""
    code = finding.get("code")
    probabilities = sorted((finding.get("probabilities") or {}).items(), key=lambda pair: -pair[1])
    return RegionCard(
        name=name.replace("_", " "),
        label=finding.get("label"),
        confidence=finding.get("confidence"),
        needs_review=bool(finding.get("needs_review")),
        probabilities=[(label.replace("_", " "), value) for label, value in probabilities],
        code=code,
        sentence=SENTENCES.get(code or "", ""),
        crop=address(f"crop_{name}"),
        heatmap=address(f"heatmap_{name}"),
    )


def warnings(report: Report) -> list[str]:
    """What a reader should know before believing the rest; regions without an answer say so themselves."""
    return [
        f"{warning['code'].replace('_', ' ').capitalize()}{': ' + where.replace('_', ' ') if where else ''}"
        for warning in report.get("warnings") or []
        if (where := warning.get("region", "")) is not None and warning["code"] != "REGION_NOT_ANSWERED"
    ]


def reason(report: Report) -> str:
    """The rule that a verdict names, where it names one."""
    told = [stage.get("detail", {}).get("reason") for stage in (report.get("stages") or {}).values()]
    return next((str(found).replace("_", " ") for found in told if found), "")


def subject(report: Report) -> str:
    """How sure the first model is that the picture shows what this system looks at; empty when it was not asked."""
    found = report.get("subject")
    if not isinstance(found, Mapping):
        return ""
    breed = found.get("breed")
    more = f", {breed['label'].replace('_', ' ')} {breed['probability']:.0%}" if breed else ""
    return f"{found['subject']} {found['probability']:.1%} (at least {found['threshold']:.0%} is needed){more}"


def is_mock(report: Report) -> bool:
    """Whether a model that only pretends has answered."""
    return any(warning.get("code") == "MOCK_MODEL" for warning in report.get("warnings") or [])

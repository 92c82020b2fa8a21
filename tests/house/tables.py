"""The tables in docs/ that are made from the code: `make docs` writes them, test_docs.py compares them.

A table stands between ``<!-- make docs: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase
from pydantic import AliasChoices, SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

import tasks.metrics
from api.drift_metrics import DriftMetrics
from api.metrics import Metrics
from api.metrics import _Ledger as LedgerMetrics
from api.operations import OPERATIONS
from api.rescat.words import CODES
from api.webhook_metrics import WebhookMetrics
from cli.main import VERBS
from pipeline import errors
from pipeline.setting_names import SEED_NAMES
from tests.house import licences

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("api", "bench", "cli", "db", "pipeline", "storage", "tasks", "training", "workers")
_MARK = re.compile(r"(<!-- make docs: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def modules() -> Iterator[str]:
    """Dotted names of every module of the house."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def settings_classes() -> list[type[BaseSettings]]:
    """Every settings class, in order of its module. Only modules that define one are imported."""
    found = []
    for name in modules():
        path = ROOT / (name.replace(".", "/") + ".py")
        if path.exists() and "(BaseSettings)" in path.read_text(encoding="utf-8"):
            module = importlib.import_module(name)
            found += [each for each in vars(module).values() if _is_settings(each) and each.__module__ == name]
    return found


def _is_settings(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseSettings) and value is not BaseSettings


def settings() -> str:
    """One section per settings class: variable, default, meaning."""
    return "\n".join(_settings_of(each) for each in settings_classes())


def variables(cls: type[BaseSettings]) -> dict[str, Any]:
    """The environment variable of each field, with the field."""
    prefix = str(cls.model_config.get("env_prefix", ""))
    return {_variable(field, f"{prefix}{name}").upper(): field for name, field in cls.model_fields.items()}


def _variable(field: Any, usual: str) -> str:
    alias = field.validation_alias
    return str(alias.choices[0] if isinstance(alias, AliasChoices) else alias or usual)


def _settings_of(cls: type[BaseSettings]) -> str:
    place = cls.__module__.replace(".", "/") + ".py"
    lines = [
        f"### {cls.__name__} (`{place}`)",
        "",
        _first_line(cls),
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {_default(field.get_default(call_default_factory=False))} | {_cell(field.description or '')}{_seeds(name)} |"
        for name, field in variables(cls).items()
    ]
    return "\n".join(lines) + "\n"


def _seeds(name: str) -> str:
    """The seed's name of a variable, which is read as well."""
    return f" (or `{SEED_NAMES[name]}`)" if name in SEED_NAMES else ""


def _default(value: object) -> str:
    if value is PydanticUndefined:
        return "required"
    if value is None or (isinstance(value, str | list | tuple | frozenset) and not value):
        return "none"
    if isinstance(value, SecretStr):
        return "none"
    if isinstance(value, Path):
        value = value.relative_to(ROOT) if value.is_relative_to(ROOT) else value
    if isinstance(value, str) and value == importlib.import_module("socket").gethostname():
        return "the host's name"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def codes() -> str:
    """Every code with its sentence, and what it means for whoever sees it."""
    lines = ["| code | HTTP | may go away by itself | a stage run ends | sentence |", "|---|---|---|---|---|"]
    ours = {code: cls for code, cls in errors.taxonomy().items() if cls.__module__.startswith("pipeline.")}
    for code, cls in sorted(ours.items()):
        ends = "–" if issubclass(cls, errors.RequestError) else f"`{cls.outcome}`"
        lines.append(f"| `{code}` | {cls.status} | {'yes' if cls.retryable else 'no'} | {ends} | {_first_line(cls)} |")
    lines += [f"| `{code}` | – | no | – | {sentence} |" for code, sentence in sorted(errors.PLAIN_CODES.items())]
    return "\n".join(lines) + "\n"


def endpoints() -> str:
    """Every operation of the API."""
    lines = ["| method | path | scope | what it does |", "|---|---|---|---|"]
    lines += [
        f"| {each.method} | `{each.path}` | {f'`{each.scope}`' if each.scope else 'open'} | {_cell(each.summary)} |"
        for each in OPERATIONS
    ]
    return "\n".join(lines) + "\n"


def rescat() -> str:
    """The cat seed's codes, with those of ours that they stand for."""
    lines = ["| seed's code | ours |", "|---|---|"]
    lines += [f"| `{code}` | {', '.join(f'`{error.code}`' for error in ours)} |" for code, ours in CODES.items()]
    return "\n".join(lines) + "\n"


def metrics() -> str:
    """Every metric with its kind, labels and help."""
    lines = ["| metric | kind | labels | meaning | where |", "|---|---|---|---|---|"]
    lines += [
        f"| `{name}` | {kind} | {labels} | {_cell(text)} | {where} |" for name, kind, labels, text, where in rows()
    ]
    return "\n".join(lines) + "\n"


def rows() -> list[tuple[str, str, str, str, str]]:
    """Name as Prometheus shows it, kind, labels, help and process of every metric."""
    found = []
    for where, collectors in (
        ("API", [each for each in vars(Metrics()).values() if isinstance(each, MetricWrapperBase)]),
        ("workers", _of_workers()),
    ):
        for collector in collectors:
            family = next(iter(collector.describe()))
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in collector._labelnames) or "–"
            found.append((name, family.type, labels, family.documentation, where))
    webhooks = WebhookMetrics({"delivered": 0.0, "failed": 0.0, "waiting_s": 0.0})
    for family in (
        *LedgerMetrics({"succeeded": 0}, {}, {"queued": 0}).collect(),
        *webhooks.collect(),
        *DriftMetrics({}).collect(),
    ):
        labels = ", ".join(
            f"`{label}`" for label in sorted({key for sample in family.samples for key in sample.labels})
        )
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found.append((name, family.type, labels or "–", family.documentation, "API, from the ledger"))
    return sorted(found)


def _of_workers() -> list[MetricWrapperBase]:
    assert tasks.metrics
    return [each for each in set(REGISTRY._collector_to_names) if isinstance(each, MetricWrapperBase)]


def commands() -> str:
    """Every verb of the command line."""
    lines = ["| command | what it does |", "|---|---|"]
    lines += [f"| `scanmill {verb}` | {_cell(sentence)} |" for verb, sentence in VERBS.items()]
    return "\n".join(lines) + "\n"


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "codes": codes,
    "endpoints": endpoints,
    "metrics": metrics,
    "commands": commands,
    "rescat": rescat,
    "licences": licences.table,
}


def filled(text: str) -> str:
    """A page with every table in it made anew."""
    return _MARK.sub(lambda match: f"{match[1]}\n{TABLES[match[2]]()}\n{match[3]}", text)


def pages() -> Iterable[Path]:
    """The pages that hold tables."""
    return sorted((ROOT / "docs").glob("*.md"))


def _first_line(cls: type) -> str:
    return _cell((cls.__doc__ or "").strip().splitlines()[0])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    for page in pages():
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")

"""The command as a whole: its verbs, how fast it is, what each verb brings in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import VERBS, build
from cli.supervisor import ROOT

README = (Path(ROOT) / "cli" / "README.md").read_text()
GROUPS = {"keys", "models", "batch", "training", "webhooks", "consent", "dataset", "drift", "corrections"}
TAKES_JSON = set(VERBS) - GROUPS


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SCANMILL_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**clean, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_loads_and_stands_in_the_readme(verb: str) -> None:
    shown = CliRunner().invoke(build(verb), [verb, "--help"])
    assert shown.exit_code == 0, shown.output
    assert f"`{verb}" in README
    assert ("--json" in shown.output) == (verb in TAKES_JSON)


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("keys", ["create", "list", "revoke"]),
        ("models", ["list", "versions", "register", "goldens", "verify", "promote", "rollback"]),
        ("batch", ["plan", "create", "list", "status", "errors", "diff"]),
        ("batch", ["finalise", "pause", "resume", "cancel", "priority", "retry", "reprocess"]),
        ("consent", ["show", "allow", "withdraw"]),
        ("dataset", ["export"]),
        ("training", ["recipes", "list", "status", "cancel", "resume", "fetch"]),
        ("webhooks", ["create", "list", "show", "update", "delete", "rotate", "test", "deliveries", "redeliver"]),
        ("drift", ["status", "check", "alerts", "close", "reviews"]),
        ("corrections", ["add", "export"]),
    ],
    ids=[
        "keys",
        "models",
        "batch",
        "batch that steers",
        "consent",
        "dataset",
        "training",
        "webhooks",
        "drift",
        "corrections",
    ],
)
def test_every_verb_of_a_group_takes_json(verb: str, words: list[str]) -> None:
    for word in words:
        assert "--json" in CliRunner().invoke(build(verb), [verb, word, "--help"]).output


def test_help_lists_every_verb_and_imports_none() -> None:
    shown = run("--help")
    assert shown.returncode == 0 and all(verb in shown.stdout for verb in VERBS)
    brought = subprocess.run(
        [sys.executable, "-c", "import sys; from cli.main import build; build(None); print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout.split()
    assert not {"sqlalchemy", "httpx", "celery", "numpy", "flask"} & set(brought)


@pytest.mark.parametrize("verb", ["api", "submit", "keys", "migrate", "models", "status"])
def test_verbs_of_the_api_image_bring_no_ml_runtime(verb: str) -> None:
    code = f"import sys; from cli.main import build; build({verb!r}); print(*sys.modules)"
    brought = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout.split()
    assert not {"numpy", "cv2", "onnxruntime", "PIL", "skimage"} & set(brought)


@pytest.mark.parametrize("verb", ["api", "control", "worker"])
def test_a_process_refuses_to_start_without_its_urls_in_one_line(verb: str) -> None:
    refused = run(verb)
    assert refused.returncode == 2
    assert "SCANMILL_" in refused.stderr and "is not set" in refused.stderr
    assert refused.stderr.count("\n") == 1 and refused.stdout == ""


def test_client_verbs_say_who_did_not_answer() -> None:
    failed = run("status", "x", "--json", SCANMILL_API_URL="http://127.0.0.1:9")
    assert failed.returncode == 4 and "127.0.0.1:9" in failed.stdout


def test_an_unknown_verb_is_a_usage_error() -> None:
    assert run("sumbit").returncode == 2

"""The command `scanmill`: one module per verb, and only the asked verb's module is imported.

So `--help` is fast, and a verb brings only what it needs: the API's image has no ML runtime, and needs none to run
`scanmill api`. The verbs that are not asked for stand in the help with their sentence from `VERBS`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import typer

VERBS = {
    "demo": "Scan real pictures on this machine and show what comes out.",
    "report": "Scan a folder of pictures on this machine and write one page of what came out.",
    "up": "Run the whole service on this machine, with embedded servers.",
    "submit": "Submit pictures.",
    "status": "Show a scan.",
    "cancel": "Cancel a scan.",
    "delete": "Delete a scan, its files and its picture.",
    "consent": "Say whether pictures may be used for training.",
    "dataset": "Export the pictures that may be used for training.",
    "trend": "Show how an asset's scores went from picture to picture.",
    "webhooks": "Have events sent to an address: create, test, look, send again.",
    "batch": "Scan many pictures: plan, send, steer, retry, compare, export, pack.",
    "drift": "See what has changed lately, close alerts, find scans worth a look.",
    "corrections": "Say what a finding should have been; export it for training.",
    "verify": "Check a scanpack: every file, its signature, and whose it is.",
    "keys": "Create, list and revoke API keys.",
    "models": "Show, fetch, take in, verify, promote and roll back models.",
    "train": "Train a network, here or on the service.",
    "training": "Show, follow, cancel and resume the service's trainings.",
    "migrate": "Bring the database to the newest schema.",
    "api": "Run the HTTP service.",
    "control": "Run the process that admits work and re-opens expired leases.",
    "worker": "Run workers: one Celery group per slot.",
    "flower": "Run Flower on loopback, behind a password.",
    "doctor": "Check settings, servers, clocks and storage.",
}


def build(asked: str | None) -> typer.Typer:
    """The application with `asked` complete and every other verb as a name with its sentence."""
    whole = typer.Typer(
        name="scanmill",
        help="Image scans through chains of machine-learning stages. Exit codes: see cli/README.md.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    whole.callback()(_callback)
    for verb, sentence in VERBS.items():
        if verb == asked:
            module = importlib.import_module(f"cli.verbs.{verb}")
            grouped = len(module.app.registered_commands) > 1 or verb in ("keys", "models", "dataset")
            whole.add_typer(module.app, name=verb if grouped else None, help=sentence if grouped else None)
        else:
            whole.command(verb, help=sentence)(_placeholder)
    return whole


def app(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with an exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    asked = next((word for word in words if not word.startswith("-")), None)
    build(asked)(words, prog_name="scanmill")


def _callback() -> None:
    """Options of the whole command would stand here."""


def _placeholder() -> None:
    raise AssertionError("a verb that is run is always loaded")

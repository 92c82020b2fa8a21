"""How every verb ends: one exit code per kind of end, JSON on standard output when asked, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from cli.client_errors import ApiError, Unreachable
from cli.processes import ProcessError
from pipeline.errors import ScanmillError
from pipeline.setting_names import SEED_NAMES

_LOG_WIDTH = 120  # where there is no terminal to ask
console = Console(stderr=True, width=None if sys.stderr.isatty() else _LOG_WIDTH)
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


class Exit(IntEnum):
    """Exit codes; scripts may rely on them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_ANSWERED = 3
    UNREACHABLE = 4
    NOT_ALLOWED = 5
    INTERRUPTED = 130


_OF_STATUS = {401: Exit.NOT_ALLOWED, 403: Exit.NOT_ALLOWED, 503: Exit.UNREACHABLE}
_OF_SCAN = {"succeeded": Exit.OK, "failed": Exit.FAILED}


def of_scan(status: str) -> Exit:
    """A scan's or training's exit code: partial, rejected and cancelled are NOT_ANSWERED; one under way is OK."""
    if status in ("queued", "running", "interrupted"):
        return Exit.OK
    return _OF_SCAN.get(status, Exit.NOT_ANSWERED)


def of_refusal(error: ApiError) -> Exit:
    """A refused request's exit code: 4xx is NOT_ANSWERED unless it is about who asks."""
    return _OF_STATUS.get(error.status, Exit.NOT_ANSWERED if error.status < 500 else Exit.FAILED)


def emit(value: Any, as_json: bool, text: Callable[[], object]) -> None:
    """Print `value` as one line of JSON on standard output, or call `text`, which prints for people."""
    if as_json:
        sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    else:
        text()


def fail(end: Exit, message: str, as_json: bool = False, **details: Any) -> NoReturn:
    """End the verb with a message on stderr, and as a JSON object on stdout when asked."""
    if as_json:
        emit({"error": message, "exit_code": int(end), **details}, as_json=True, text=lambda: None)
    console.print(message, style="bold red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(int(end))


@contextmanager
def exits(as_json: bool = False) -> Iterator[None]:
    """Turn the errors that a verb may meet into one clear message and an exit code."""
    try:
        yield
    except ApiError as error:
        fail(of_refusal(error), str(error), as_json, code=error.code, status=error.status)
    except Unreachable as error:
        fail(Exit.UNREACHABLE, str(error), as_json)
    except ValidationError as error:
        fail(Exit.USAGE, settings_message(error), as_json)
    except ProcessError as error:
        fail(Exit.FAILED, str(error), as_json)
    except ScanmillError as error:
        fail(Exit.FAILED, f"{error.code}: {error or error.public_message}", as_json, code=error.code)
    except KeyboardInterrupt:
        fail(Exit.INTERRUPTED, "interrupted", as_json)


def settings_message(error: ValidationError) -> str:
    """Missing or wrong settings in one line, by the names of their variables; values are not repeated."""
    problems = [
        f"{_variable(found['loc'])} {'is not set' if found['type'] == 'missing' else found['msg']}".strip()
        for found in error.errors()
    ]
    return "settings: " + "; ".join(problems)


def _variable(place: tuple[int | str, ...]) -> str:
    """The variable of a field that went wrong; a check over several fields names them itself."""
    name = "_".join(map(str, place)).upper()
    ours = name if not name or name.startswith("SCANMILL_") else f"SCANMILL_{name}"
    return f"{ours} (or {SEED_NAMES[ours]})" if ours in SEED_NAMES else ours

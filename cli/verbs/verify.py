"""`scanmill verify`: whether a scanpack is what was made, and by whom. Needs no service and no network."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.scanpack.signing import BadKey, PublicKey
from cli import output, scanpack
from cli.output import Exit, Json
from cli.scanpack import Verdict

app = typer.Typer()
_ID = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


@app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A scanpack.")],
    key: Annotated[
        list[str] | None, typer.Option(help="A public key you trust: its PEM file, or its id; several times.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every file of a scanpack, its signature, and whose it is: 0 good, 1 damaged, 3 not signed by a key you trust."""
    trusted = [_key_id(each, as_json) for each in key or []]
    try:
        verdict = scanpack.verify(file, trusted)
    except OSError as error:
        output.fail(Exit.USAGE, f"{file}: {error.strerror or error}", as_json)
    output.emit({"file": str(file), **asdict(verdict)}, as_json, lambda: _tell(verdict))
    raise typer.Exit(int(_end(verdict)))


def _key_id(given: str, as_json: bool) -> str:
    """A key's id, from itself or from the file with the key."""
    if match := _ID.fullmatch(given):
        return match[1]
    try:
        return PublicKey.read(Path(given).read_text(encoding="ascii")).id
    except (OSError, ValueError) as error:
        reason = str(error) if isinstance(error, BadKey) else "it is no readable file, and no id of 64 digits"
        output.fail(Exit.USAGE, f"--key {given}: {reason}", as_json)


def _end(verdict: Verdict) -> Exit:
    if verdict.damaged:
        return Exit.FAILED
    return Exit.OK if verdict.trusted else Exit.NOT_ANSWERED


def _tell(verdict: Verdict) -> None:
    say = output.console.print
    for name, what in verdict.damaged.items():
        say(f"[bold red]DAMAGED[/bold red]  {name or 'the file'}: {what}", highlight=False)
    if verdict.damaged:
        return
    say(f"{verdict.files:,} files with {verdict.bytes:,} bytes are what {'was signed' if verdict.key else 'is listed'}")
    if verdict.key is None:
        say("[yellow]not signed[/yellow]: nothing shows who made it, or that all of it is as it was")
    elif verdict.trusted:
        say(f"[green]signed[/green] by key {verdict.key}, which you trust", highlight=False)
    else:
        say(f"[yellow]signed by key {verdict.key}[/yellow], which is none that you named with --key", highlight=False)

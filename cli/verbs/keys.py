"""`scanmill keys create|list|revoke`: works on the database itself, so the first key needs no key."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from api.scanpack.signing import SigningKey, new_key
from cli import output
from cli.access import ALL_SCOPES, ledger
from cli.output import Exit, Json
from db import tenants
from db.tenants import KeyRow

app = typer.Typer(no_args_is_help=True)
Tenant = Annotated[str, typer.Option(help="Whose keys.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    tenant: Tenant = "default",
    scope: Annotated[list[str] | None, typer.Option(help="scans:read, scans:write or admin; several times.")] = None,
    expires: Annotated[int | None, typer.Option(metavar="DAYS", min=1, help="Days until it ends.")] = None,
    as_json: Json = False,
) -> None:
    """Create a key and print it: the one time that it can be seen."""
    scopes = frozenset(scope or ["scans:read", "scans:write"])
    if not scopes <= ALL_SCOPES:
        output.fail(Exit.USAGE, f"unknown scope: {', '.join(sorted(scopes - ALL_SCOPES))}", as_json)
    with output.exits(as_json), ledger() as database, database.begin() as connection:
        tenant_id = tenants.create_tenant(connection, tenant)
        key_id, token = tenants.create_key(connection, tenant_id, name, scopes, expires)
    answer = {"id": key_id, "key": token, "tenant": tenant, "scopes": sorted(scopes)}
    output.emit(answer, as_json, lambda: typer.echo(token))


@app.command("signing")
def signing(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where it goes; never over one that is there.")],
) -> None:
    """Make the private key that scanpacks are signed with, for SCANMILL_SIGNING_KEY; prints its id."""
    made = new_key()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        output.fail(Exit.USAGE, f"{file}: {error.strerror}")
    with os.fdopen(descriptor, "w") as opened:
        opened.write(made)
    typer.echo(SigningKey.read(made).public.id)


@app.command("list")
def show(tenant: Tenant = "default", as_json: Json = False) -> None:
    """List a tenant's keys, without their secrets."""
    with output.exits(as_json), ledger() as database, database.begin() as connection:
        tenant_id = tenants.tenant_by_name(connection, tenant)
        found = tenants.list_keys(connection, tenant_id) if tenant_id else []
    output.emit([asdict(key) for key in found], as_json, lambda: output.console.print(_table(found)))


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The middle part of sk_<id>_….")],
    tenant: Tenant = "default",
    as_json: Json = False,
) -> None:
    """Revoke a key at once."""
    with output.exits(as_json), ledger() as database, database.begin() as connection:
        tenant_id = tenants.tenant_by_name(connection, tenant)
        done = tenant_id is not None and tenants.revoke_key(connection, tenant_id, key_id)
    if not done:
        output.fail(Exit.FAILED, f"tenant {tenant} has no valid key {key_id}", as_json)
    output.emit({"id": key_id, "revoked": True}, as_json, lambda: output.console.print(f"revoked {key_id}"))


def _table(keys: list[KeyRow]) -> Table:
    table = Table("id", "name", "scopes", "created", "expires", "revoked", "last used", box=None, pad_edge=False)
    for key in keys:
        times = (key.created_at, key.expires_at, key.revoked_at, key.last_used_at)
        shown = ["" if time is None else time.isoformat(" ", "minutes") for time in times]
        table.add_row(key.id, key.name, " ".join(key.scopes), *shown)
    return table

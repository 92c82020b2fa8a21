"""`scanmill consent show|allow|withdraw`: whether pictures may be used for training."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import output
from cli.access import ledger
from cli.connection import connect
from cli.output import Exit, Json
from db import consent, tenants
from db.consent import Word

app = typer.Typer(no_args_is_help=True)
Scan = Annotated[str | None, typer.Argument(metavar="[ID]", help="A scan; without one, the tenant whose key this is.")]
Tenant = Annotated[
    str | None, typer.Option(help="A tenant by its name, on the database itself: for who runs the installation.")
]
OPERATOR = "operator"
"""Stands where a key's id would, for a word that came by no key."""


@app.command("show")
def show(scan_id: Scan = None, tenant: Tenant = None, as_json: Json = False) -> None:
    """Show what was said, when, and by which key."""
    _tell(scan_id, tenant, training=None, as_json=as_json)


@app.command("allow")
def allow(scan_id: Scan = None, tenant: Tenant = None, as_json: Json = False) -> None:
    """Allow it. A picture is used only where its tenant and its scan both allow it."""
    _tell(scan_id, tenant, training=True, as_json=as_json)


@app.command("withdraw")
def withdraw(scan_id: Scan = None, tenant: Tenant = None, as_json: Json = False) -> None:
    """Withdraw it, at any time: no dataset that is made from then on has the picture."""
    _tell(scan_id, tenant, training=False, as_json=as_json)


def _tell(scan_id: str | None, tenant: str | None, *, training: bool | None, as_json: bool) -> None:
    if scan_id is not None and tenant is not None:
        output.fail(Exit.USAGE, "give a scan or a tenant, not both", as_json)
    with output.exits(as_json):
        told = _of_service(scan_id, training) if tenant is None else _of_ledger(tenant, training, as_json)
    words = {True: "allowed", False: "not allowed", None: "nothing said, so not allowed"}[told["training"]]
    said = f" since {told['at']} by {told['by']}" if told["at"] else ""
    output.emit(told, as_json, lambda: output.console.print(f"training: {words}{said}", highlight=False))


def _of_service(scan_id: str | None, training: bool | None) -> dict[str, Any]:
    with connect() as client:
        if training is not None:
            return client.consent(training, scan_id)
        return client.get(scan_id).raw["consent"] if scan_id else client.tenant_consent()


def _of_ledger(name: str, training: bool | None, as_json: bool) -> dict[str, Any]:
    with ledger() as database, database.begin() as connection:
        tenant_id = tenants.tenant_by_name(connection, name)
        if tenant_id is None:
            output.fail(Exit.FAILED, f"there is no tenant {name}", as_json)
        if training is None:
            return consent.of_tenant(connection, tenant_id)
        return consent.say_for_tenant(connection, tenant_id, Word(training, OPERATOR))

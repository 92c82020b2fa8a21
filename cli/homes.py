"""Where embedded servers keep their files: a folder that the user they run as can reach, without touching its parents."""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from cli.processes import Account, ProcessError, run_as

_POINTER = "elsewhere"
_LASTING, _PASSING = "/var/tmp", "/tmp"  # parents of folders that mkdtemp makes


def prepare_home(wanted: Path, account: Account | None) -> Path:
    """A private folder for a server's files: `wanted`, or one in a temporary place when `account` cannot get there.

    The other place is written down beside `wanted`, so that the next start finds the same data.
    """
    _private_folder(wanted, account)
    if account is None or _reaches(account, wanted):
        return wanted
    pointer = wanted.with_name(f"{wanted.name}.{_POINTER}")
    if pointer.is_file():
        known = Path(pointer.read_text().strip())
        if _is_ours(known, account):
            return known
    home = _temporary_home(wanted.name, account)
    pointer.write_text(f"{home}\n")
    return home


def forget_home(wanted: Path) -> None:
    """Delete a server's folder, and the other place if there is one."""
    pointer = wanted.with_name(f"{wanted.name}.{_POINTER}")
    if pointer.is_file():
        shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)
        pointer.unlink()
    shutil.rmtree(wanted, ignore_errors=True)


def program(package: str, inside: str, account: Account | None, home: Path, probe: str, libraries: str = "") -> Path:
    """A program out of an installed wheel that `account` can run; copied into `home` when the wheel lies in a private place.

    `inside` is its path in the package, `libraries` a folder beside the package that it links to.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ProcessError(f"the Python package {package} is not installed: it brings the embedded server")
    folder = Path(spec.submodule_search_locations[0])
    if _runs(account, folder / inside, probe):
        return folder / inside
    if account is None:
        raise ProcessError(f"{folder / inside} does not run on this machine")
    copy = _copy_wheel(folder, inside, libraries, account, home / "programs")
    if not _runs(account, copy / inside, probe):
        raise ProcessError(f"{folder / inside} does not run as user {account.name}, not even from {copy}")
    return copy / inside


def _copy_wheel(folder: Path, inside: str, libraries: str, account: Account, target: Path) -> Path:
    top = Path(inside).parts[0]
    shutil.copytree(folder / top, target / folder.name / top, dirs_exist_ok=True)
    if libraries:
        shutil.copytree(folder.parent / libraries, target / libraries, dirs_exist_ok=True)
    for place, _, files in os.walk(target):
        os.chown(place, account.uid, account.gid)
        for name in files:
            os.chown(Path(place, name), account.uid, account.gid)
    return target / folder.name


def _private_folder(path: Path, account: Account | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _reaches(account: Account, path: Path) -> bool:
    return run_as(account, ["/bin/sh", "-c", 'cd "$1" && test -w .', "sh", path]).returncode == 0


def _runs(account: Account | None, path: Path, probe: str) -> bool:
    try:
        return run_as(account, [path, probe]).returncode == 0
    except OSError:
        return False


def _is_ours(path: Path, account: Account) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return path.is_dir() and not path.is_symlink() and status.st_uid == account.uid


def _temporary_home(name: str, account: Account) -> Path:
    for base in (_LASTING, _PASSING, tempfile.gettempdir()):
        if not Path(base).is_dir():
            continue
        home = Path(tempfile.mkdtemp(prefix=f"scanmill-{name}-", dir=base))
        os.chown(home, account.uid, account.gid)
        if _reaches(account, home):
            return home
        home.rmdir()
    raise ProcessError(f"user {account.name} reaches no temporary folder to keep {name} in")

"""Where a run's numbers come from: the code, the command, the data."""

import hashlib
import platform
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
FOLDERS: Final = ("data", "out", "teacher", "truth", "start")
"""Options that name a place on this machine; a note names the option instead."""
PRIVATE: Final = ("progress", "mlflow")
"""Options that change nothing in what is learned; left out."""


def commit() -> str:
    """The checked-out commit, with `-dirty` if a file differs from it; without git the package's version."""
    words = ("git", "-C", str(HERE), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    try:
        found = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        found = ""
    return found or f"scanmill {version('scanmill')}"


def command(words: Sequence[str] | None = None) -> str:
    """The command line of this process, or one with these words, folders by their option's name: `--data DATA`."""
    said, waiting = [], list(sys.argv[1:] if words is None else words)
    while waiting:
        option, equals, value = waiting.pop(0).partition("=")
        name = option.removeprefix("--")
        if name in (*FOLDERS, *PRIVATE):
            value = value if equals else waiting.pop(0)
            said += [option, name.upper()] if name in FOLDERS else []
        elif option != "--resume":
            said.append(option + equals + value)
    return " ".join(["python -m training.run", *said])


def environment() -> str:
    """Python and every installed package with its version, one a line, as `pip freeze` has it; no name of the machine."""
    packages = {one.metadata["Name"]: one.version for one in distributions()}
    lines = [f"# Python {platform.python_version()} on {platform.system()} {platform.machine()}"]
    return "\n".join([*lines, *(f"{name}=={packages[name]}" for name in sorted(packages, key=str.lower))]) + "\n"


def digest(folder: Path) -> str:
    """SHA-256 over the paths and bytes of all files in a folder, in order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor() as threads:
        found = list(threads.map(lambda path: hashlib.sha256(path.read_bytes()).hexdigest(), files))
    lines = (f"{one}  {path.relative_to(folder).as_posix()}\n" for one, path in zip(found, files, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()

"""`python -m training.report --data DATA --pack models/starter --out var/models-report`."""

import argparse
from pathlib import Path

from training.place import Place
from training.report.page import write


def main() -> None:
    """Write the page and say where it is. Without --data it has no pictures, and says so."""
    parser = argparse.ArgumentParser(prog="python -m training.report", description=__doc__)
    parser.add_argument("--data", type=Path, default=None, help="folder of labelled sets, for the pictures")
    parser.add_argument("--pack", type=Path, default=Path("models/starter"), help="folder of the pack")
    parser.add_argument("--out", type=Path, default=Path("var/models-report"), help="folder for the page")
    given = parser.parse_args()
    place = None if given.data is None else Place(given.data, given.pack)
    page = write(given.pack, place, given.out / "index.html")
    print(f"{page}: {page.stat().st_size / 1e6:.1f} MB, needs nothing beside it")


if __name__ == "__main__":
    main()

"""``python -m tests.golden.regenerate``: write what the starter pack answers today. Look at the diff before you keep it."""

from __future__ import annotations

import json

from tests.golden.cases import FOLDER, pictures, scanned, starter_room

if __name__ == "__main__":
    room = starter_room()
    FOLDER.mkdir(exist_ok=True)
    for name in pictures():
        report = scanned(room, name)["build_report"].data["report"]
        text = json.dumps(report, indent=1, sort_keys=True) + "\n"
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
        print(name, report["health_score"], report["stages"]["validate_subject"]["code"] or "ok")

"""Who may import whom: the contracts of pyproject.toml hold, they can fail, and what must not load does not load."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import tree

RUNTIMES = ("numpy", "cv2", "PIL", "onnx", "onnxruntime", "ai_edge_litert", "lightgbm", "tensorflow", "keras", "torch")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over a copy of the house, or the house itself."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=folder, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(folder), "COLUMNS": "200"},
    )  # fmt: skip


def test_every_contract_is_kept() -> None:
    ended = lint(tree.ROOT)
    assert ended.returncode == 0, ended.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The house's code, to break."""
    folder = tmp_path_factory.mktemp("house")
    for path in [*tree.code(), Path("pyproject.toml")]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree.ROOT / path, folder / path)
    return folder


def test_every_contract_can_be_broken(copy: Path) -> None:
    """One forbidden import of each kind, all at once."""
    broken = {
        "db/settings.py": "import storage.base\nimport pipeline.stages.fetch_input",
        "storage/settings.py": "import pipeline.models.room\nimport sqlalchemy",
        "api/settings.py": "import tasks.control\nimport numpy",
        "pipeline/contracts.py": "import onnxruntime\nimport flask\nimport celery\nimport boto3",
        "pipeline/imaging/__init__.py": "import pipeline.run",
        "pipeline/stages/fetch_input.py": "import pipeline.stages.decode_image",
        "pipeline/systems/cat_face.py": "import pipeline.systems.twin",
        "pipeline/systems/twin.py": "",
    }
    for name, text in broken.items():
        with (copy / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{text}\n")
    ended = lint(copy)
    assert ended.returncode == 1
    contracts = [line for line in ended.stdout.splitlines() if line.endswith((" KEPT", " BROKEN"))]
    assert [line for line in contracts if " KEPT" in line] == []
    assert len(contracts) >= 10


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("api.app", RUNTIMES),
        ("cli.main", (*RUNTIMES, "flask", "celery", "sqlalchemy", "boto3")),
        ("cli.verbs.batch", (*RUNTIMES, "PIL", "flask")),
        ("pipeline.contracts", (*RUNTIMES, "pydantic", "sqlalchemy")),
        ("pipeline.errors", (*RUNTIMES, "pydantic", "sqlalchemy")),
        ("pipeline.sniff", RUNTIMES),
        ("workers.supervisor", RUNTIMES),
        ("pipeline.imaging.decode_server", ("numpy", "onnx", "onnxruntime", "tensorflow", "pydantic")),
    ],
)
def test_loading_one_does_not_load_the_other(module: str, forbidden: tuple[str, ...]) -> None:
    script = f"import sys, {module}; print(' '.join(sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tree.ROOT, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert set(forbidden) & set(ended.stdout.split()) == set()

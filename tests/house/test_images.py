"""The images: small, without root, without secrets, with exactly one ONNX Runtime and nothing that trains."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house import licences, tree
from training.convert import parent

TRAINING = {"tensorflow", "tensorflow-cpu", "keras", "torch", "tf2onnx"}
RUNTIMES = {"onnxruntime", "onnxruntime-gpu"}
APART = ("mlflow", "torch")
"""What no image has, locked beside requirements.txt."""
PIXELS = {
    *RUNTIMES,
    "ai-edge-litert",
    "lightgbm",
    "numpy",
    "onnx",
    "opencv-python-headless",
    "pillow",
    "rembg",
    "scikit-image",
}
IMAGES = {"Dockerfile.api": "api", "Dockerfile.worker": "worker"}


def dockerfile(name: str) -> str:
    return (tree.ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")


@cache
def locked(name: str = "requirements.txt") -> dict[str, str]:
    """Version of every package of a lock."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (tree.ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_small_and_harmless(name: str) -> None:
    text = dockerfile(name)
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["python:3.11-slim", "python:3.11-slim"]
    assert re.search(r"^USER ([1-9]\d*):([1-9]\d*)$", text, re.MULTILINE)
    assert text.rindex("USER ") > text.rindex("COPY ")
    assert not re.search(r"^(?:ENV|ARG).*(?:PASSWORD|SECRET|TOKEN|_KEY)", text, re.MULTILINE | re.IGNORECASE)
    assert 'ENTRYPOINT ["scanmill"]' in text


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_takes_the_versions_of_the_lock(name: str) -> None:
    installs = re.findall(r"uv pip install ([^&\n]+)", dockerfile(name))
    assert installs
    for install in installs:
        assert "-c requirements.txt" in install or "--no-deps -e ." in install


@pytest.mark.parametrize(("name", "purpose"), IMAGES.items())
def test_an_image_gets_the_files_it_copies(name: str, purpose: str) -> None:
    """What COPY names is there, and .dockerignore lets it through."""
    allowed = re.findall(r"^!(\S+)$", (tree.ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    sources = [
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile(name), re.MULTILINE)
        for word in line.split()[:-1]
    ]
    assert f"requirements/{purpose}.in" in sources
    for source in sources:
        assert (tree.ROOT / source).exists(), source
        assert any(
            source == each or source.startswith(f"{each}/") or each.startswith(f"{source}/") for each in allowed
        ), source


@pytest.mark.parametrize(("name", "purpose"), IMAGES.items())
def test_an_image_holds_the_rooms_that_its_commands_import(name: str, purpose: str) -> None:
    rooms = {
        "api": {"api", "cli", "db", "pipeline", "storage", "tasks"},
        "worker": {"api", "cli", "db", "pipeline", "storage", "tasks", "workers"},
    }
    copied = set(re.findall(r"^COPY (\w+) \./\1$", dockerfile(name), re.MULTILINE))
    assert copied - {"models"} == rooms[purpose]
    assert "training" not in copied


def test_the_api_has_no_pixels_and_few_packages() -> None:
    assert licences.closure("api") & (PIXELS | TRAINING) == set()
    assert len(licences.direct("api")) <= 18


def test_the_worker_has_nothing_that_trains() -> None:
    assert licences.closure("worker") & TRAINING == set()


def test_what_trains_comes_into_an_image_only_when_it_is_asked_for() -> None:
    text = dockerfile("Dockerfile.worker")
    assert re.search(r"^ARG TRAINING=no$", text, re.MULTILINE)
    [step] = [line for line in text.splitlines() if line.startswith("RUN ") and "training.in" in line]
    assert re.search(r'if \[ "\$TRAINING" = yes \]; then .*cp -r .*requirements\.txt; *fi', step)
    allowed = (tree.ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for source in re.findall(r"source=([\w./]+)", step):
        assert (tree.ROOT / source).exists()
        assert f"!{source.split('/')[0]}" in allowed
    assert TRAINING & licences.closure("training"), "the list that it takes holds what trains"


def test_the_worker_has_the_library_that_lightgbm_links_against() -> None:
    assert "lightgbm" in licences.closure("worker")
    final = dockerfile("Dockerfile.worker").rpartition("FROM ")[2]
    assert re.search(r"apt-get install .*\blibgomp1\b", final)


def test_the_demo_has_nothing_that_trains_and_nothing_that_tests() -> None:
    assert licences.closure("demo") & {*TRAINING, "rembg", "pytest", "mypy", "ruff", "swift"} == set()


@pytest.mark.parametrize(
    ("package", "extra"),
    [("onnxruntime", "requirements/onnxruntime.in"), ("onnxruntime-gpu", "requirements/onnxruntime-gpu.txt")],
)
def test_a_worker_has_exactly_one_onnx_runtime(package: str, extra: str) -> None:
    """What the list of each ORT_PACKAGE names, added to the worker's closure, holds one of the two."""
    text = dockerfile("Dockerfile.worker")
    assert re.search(rf"{package}\) *list={re.escape(extra)}", text)
    names = set(re.findall(r"^([a-z][\w.-]*)", (tree.ROOT / extra).read_text(encoding="utf-8"), re.MULTILINE))
    together = {canonicalize_name(name) for name in names} | licences.closure("worker")
    assert together & RUNTIMES == {package}


def test_both_runtimes_are_of_one_version() -> None:
    assert locked("requirements/onnxruntime-gpu.txt")["onnxruntime-gpu"] == locked()["onnxruntime"]
    shared = set(locked("requirements/onnxruntime-gpu.txt")) & set(locked())
    assert {name: locked("requirements/onnxruntime-gpu.txt")[name] for name in shared} == {
        name: locked()[name] for name in shared
    }


def test_the_lock_holds_everything_with_hashes() -> None:
    text = (tree.ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert len(re.findall(r"^[\w.-]+==\S+ \\\n {4}--hash=sha256:", text, re.MULTILINE)) == len(locked())
    for page in sorted((tree.ROOT / "requirements").glob("*.in")):
        wanted = {canonicalize_name(each.name) for each in licences.direct(page.stem)}
        held = locked(f"requirements/{page.stem}.txt") if page.stem in APART else locked()
        assert wanted - {"onnxruntime-gpu"} <= set(held), page.name
    assert len({"tensorflow", "tensorflow-cpu"} & set(locked())) == 1
    assert locked()["opencv-python-headless"].startswith("4.")
    assert int(locked()["gunicorn"].split(".")[0]) < 27


@pytest.mark.parametrize("name", APART)
def test_what_no_image_has_is_locked_apart_with_hashes(name: str) -> None:
    text = (tree.ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    apart = locked(f"requirements/{name}.txt")
    assert len(re.findall(r"^[\w.-]+==\S+ \\\n {4}--hash=sha256:", text, re.MULTILINE)) == len(apart)
    assert set(apart) & set(locked()) == set()


def test_what_pytorch_asks_for_is_locked() -> None:
    apart = locked("requirements/torch.txt")
    version = re.search(r"torch==([\d.]+)", (tree.ROOT / "requirements" / "install.sh").read_text(encoding="utf-8"))
    assert version
    assert f"torch=={version[1]}" in parent._TORCH
    if find_spec("torch"):
        asked = {canonicalize_name(Requirement(each).name) for each in requires("torch") or [] if ";" not in each}
        assert asked <= {*apart, *locked()}


def test_the_lock_is_what_this_environment_has() -> None:
    """Whoever tests with other versions than the lock's tests something else."""
    assert {name: licences.distribution(name).version for name in licences.closure("demo")} == {
        name: locked()[name] for name in licences.closure("demo")
    }


@pytest.mark.timeout(600)
def test_the_api_runs_with_its_own_packages_alone(tmp_path: Path) -> None:
    """The steps of Dockerfile.api, in a folder of its own: it imports, and there is no ML runtime to import."""
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile("Dockerfile.api"), re.MULTILINE):
        for word in source.split():
            copy = shutil.copytree if (tree.ROOT / word).is_dir() else shutil.copy
            (tmp_path / word).parent.mkdir(exist_ok=True)
            copy(tree.ROOT / word, tmp_path / word)
    python = tmp_path / "venv" / "bin" / "python"
    _install(tmp_path, python)
    script = (
        "import importlib.util as u, api.app; "
        f"found = [name for name in {sorted(('numpy', 'cv2', 'PIL', 'onnx', 'onnxruntime', 'lightgbm', 'keras', 'tensorflow', 'torch'))} if u.find_spec(name)]; "
        "assert not found, found; print(api.app.__file__)"
    )
    ended = subprocess.run([str(python), "-c", script], cwd="/", capture_output=True, text=True, check=True)
    assert ended.stdout.startswith(str(tmp_path))
    for verb in ("api", "migrate", "keys", "doctor"):
        subprocess.run([str(python.with_name("scanmill")), verb, "--help"], cwd="/", capture_output=True, check=True)


def _install(folder: Path, python: Path) -> None:
    """A new environment with what the API's list brings, linked from this one, which has the lock's versions: no network."""
    subprocess.run([sys.executable, "-m", "venv", "venv"], cwd=folder, check=True)
    [packages] = (folder / "venv" / "lib").glob("python*/site-packages")
    for old in packages.glob("setuptools*"):  # Python 3.11 puts one of its own there, too old for our pyproject.toml
        shutil.rmtree(old)
    for name in (*licences.closure("api"), "setuptools"):
        package = licences.distribution(name)
        for top in {file.parts[0] for file in package.files or []} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(package.locate_file(top))))
    words = ["install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps", "-e", "."]
    subprocess.run([python, "-m", "pip", *words], cwd=folder, check=True)

"""`.pt` files that are pickles, or TorchScript with more in it than tensors. PyTorch is not needed to refuse them."""

from __future__ import annotations

import pickle  # noqa: TID251  the trap is one
from pathlib import Path

import pytest

from tests.hostile.models.traps import Runs, archive, refused, torchscript


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def test_the_trap_is_armed(canary: Path) -> None:
    pickle.loads(pickle.dumps(Runs(canary))).close()
    assert canary.exists()


def test_a_plain_pickle_is_refused_and_does_not_run(tmp_path: Path, canary: Path) -> None:
    refused(tmp_path / "trap.pt", pickle.dumps(Runs(canary)), r"a plain pickle.*torch\.jit\.save", (8, 8))
    assert not canary.exists()


def test_a_checkpoint_is_refused_and_does_not_run(tmp_path: Path, canary: Path) -> None:
    content = archive({"net/data.pkl": pickle.dumps(Runs(canary), 2), "net/version": b"3\n"})
    refused(tmp_path / "trap.pt", content, r"a checkpoint.*torch\.jit\.save", (8, 8))
    assert not canary.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_runs_code_inside_torchscript_is_refused(tmp_path: Path, canary: Path, protocol: int) -> None:
    content = torchscript(pickle.dumps(Runs(canary), protocol))
    refused(tmp_path / "trap.pt", content, r"its pickle (asks for|holds STACK_GLOBAL)", (8, 8))
    assert not canary.exists()


@pytest.mark.parametrize("member", ["net/constants.pkl", "net/code/__torch__/net.py.debug_pkl"])
def test_every_pickle_of_it_is_looked_at(tmp_path: Path, canary: Path, member: str) -> None:
    refused(tmp_path / "trap.pt", torchscript(**{member: pickle.dumps(Runs(canary), 2)}), "its pickle asks for", (8, 8))


OTHERS = {
    "a global beside torch's own": (torchscript(b"\x80\x02ctorch\nload\n."), "asks for 'torch load'"),
    "an instance": (torchscript(b"(i__torch__\nNet\n."), "holds INST"),
    "a broken pickle": (torchscript(b"\x80\x02c"), "pickle is damaged"),
    "code that opens files": (torchscript(code=b"x = torch.from_file('/etc/passwd')"), "calls 'from_file'"),
    "operators of a library": (torchscript(code=b"y = ops.evil.run(x)"), r"calls 'ops\.evil'"),
    "another file": (torchscript(**{"net/run.sh": b""}), "'net/run.sh', which is no part of TorchScript"),
    "another folder": (torchscript(**{"other/version": b""}), "several folders"),
    "a way outside": (torchscript(**{"net/../../x.py": b""}), "leads outside"),
}


@pytest.mark.parametrize("trap", OTHERS)
def test_what_torchscript_never_holds_is_refused(tmp_path: Path, trap: str) -> None:
    content, sentence = OTHERS[trap]
    refused(tmp_path / "trap.pt", content, sentence, (8, 8))


@pytest.mark.parametrize("suffix", [".pkl", ".joblib", ".pt2", ".npz"])
def test_other_pickles_are_refused_by_name(tmp_path: Path, suffix: str) -> None:
    refused(tmp_path / f"trap{suffix}", b"PK\x03\x04", "run code when they are loaded")

#!/usr/bin/env bash
# Install what PURPOSE needs into .venv: requirements/PURPOSE.in, at the versions that requirements.txt locks.
# With uv every file is checked against the lock's hashes; pip holds the versions only, because it takes no hashes
# from constraints.      Usage: PYTHON=python3.11 requirements/install.sh demo|test
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:?demo or test}
list=requirements/$purpose.in
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }

python_of_choice() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3 python}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Python 3.11, 3.12 or 3.13 is needed; name one with PYTHON=/path/to/python" >&2
    return 1
}

make_venv() { # the tool's name, then the command that makes it
    local tool=$1
    shift
    say "making .venv with $("$python" --version) and $tool"
    "$@"
}

with_uv() {
    { [ -x .venv/bin/python ] || make_venv uv uv venv --quiet --python "$python" .venv; } &&
        say "installing what \`make $purpose\` needs ($size; minutes at the first time)" &&
        uv pip install --quiet --python .venv/bin/python -r "$list" -c requirements.txt &&
        say "installing the command scanmill" &&
        uv pip install --quiet --python .venv/bin/python --no-build-isolation --no-deps -e .
}

with_pip() {
    .venv/bin/python -m pip --version >/dev/null 2>&1 || make_venv pip "$python" -m venv .venv
    sed -e '/^ *--hash=/d' -e '/^ *#/d' -e 's/ \\$//' requirements.txt >.venv/constraints.txt
    say "installing what \`make $purpose\` needs ($size; minutes at the first time)"
    .venv/bin/python -m pip install --quiet -r "$list" -c .venv/constraints.txt
    say "installing the command scanmill"
    .venv/bin/python -m pip install --quiet --no-build-isolation --no-deps -e .
}

# PyTorch reads TorchScript files. It comes only if pip finds a build of this version in a folder that it was told of
# (PIP_FIND_LINKS), without any index.
with_torch() {
    local torch="torch==2.13.0" pip=("$python" -m pip --python .venv/bin/python install --quiet)
    if "${pip[@]}" --no-index --no-deps --dry-run "$torch" >/dev/null 2>&1 &&
        say "installing $torch" &&
        "${pip[@]}" -r requirements/torch.txt &&
        "${pip[@]}" --no-index --no-deps "$torch"; then
        return
    fi
    say "no build of $torch without the network: tests of TorchScript files will be skipped"
}

python=$(python_of_choice)
case $purpose in demo) size="about 700 MB" ;; *) size="about 2.5 GB" ;; esac
if uv --version >/dev/null 2>&1; then
    done_with_uv=yes
    with_uv || done_with_uv=no
else
    done_with_uv=no
fi
if [ "$done_with_uv" = no ]; then with_pip; fi
if [ "$purpose" = test ]; then with_torch; fi
touch ".venv/.$purpose-ready"
if [ "$purpose" = test ]; then touch .venv/.demo-ready; fi # test.in holds demo.in

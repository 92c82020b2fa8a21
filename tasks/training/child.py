"""``python -m tasks.training.child PARENT MODULE …``: becomes ``python -m MODULE …``, killed when PARENT dies.

The wish to die with the parent survives exec. It is spoken here, and not between fork and exec, because the parent has
threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the training, unless the parent is gone already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
    os.execv(sys.executable, [sys.executable, "-P", "-m", *sys.argv[2:]])


if __name__ == "__main__":
    main()

"""The pictures that the mesh is held to. ``python -m tests.golden.mesh_pictures FOLDER`` writes them as PNG.

The astronaut comes with scikit-image (NASA, public domain) and is always there. The others may not be copied here: they
are named, with the SHA-256 of their file, and left out where they are missing. grace_hopper is the US Navy's, public
domain; the Faces are Caltech 101's (Fei-Fei Li et al., CC BY 4.0), stored smaller.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image
from skimage import data

from pipeline.imaging.codec import encode_png
from tests.public_weights import PICTURES

if TYPE_CHECKING:
    from numpy.typing import NDArray

CALTECH = "noncat_caltech101/train/Faces__image_{}.jpg"
FILES = {
    "grace_hopper": ("grace_hopper.bmp", "c43444bf3b1b1e3080551ca194bd231da4b67f20fc91454502915a6b806b614f"),
    "face_0257": (CALTECH.format("0257"), "a68b09ddd0c6139191c474cb18c3577de216095c796d50cd7109868359746983"),
    "face_0093": (CALTECH.format("0093"), "9d7360fc55ab7279f988a90abb35867be70d0196a09d860d941fa1a1365041d0"),
    "face_0205": (CALTECH.format("0205"), "01177557b34b642d346c3f75f244650819002b9e432e724a72395713c63ea652"),
    "face_0007": (CALTECH.format("0007"), "0b5bd1667157234db4ce6a6b96db5f07835875cf405f7da48c118e7d8b3c88a0"),
    "face_0056": (CALTECH.format("0056"), "3049b074e78a460098ecbb26a74e3aeb1983d64201634c7e2ea770170da93c1e"),
    "face_0100": (CALTECH.format("0100"), "89fc4d7cc10df92c68102beec1b03c96a6753c1ca97fa4bbdd7d6f2497c2366d"),
    "face_0116": (CALTECH.format("0116"), "2b28299005a0e26cb5d210f4c2cd940ab4727b86bd7c837473e007a38e58c108"),
    "face_0148": (CALTECH.format("0148"), "0b45c5f2cb9cc0c5c823b9f207d95c833ddf4b000f3f1161228af3d54a95a378"),
}


def astronauts() -> dict[str, NDArray[Any]]:
    """One portrait as it is, mirrored, half as large, cut off beside the face, and tilted by 30 degrees."""
    whole = data.astronaut()
    tilt = cv2.getRotationMatrix2D((224.0, 128.0), 30.0, 1.0)
    found = {
        "astronaut": whole,
        "astronaut_mirrored": whole[:, ::-1],
        "astronaut_small": whole[::2, ::2],
        "astronaut_at_the_edge": whole[90:400, 190:500],
        "astronaut_tilted": cv2.warpAffine(whole, tilt, (512, 512), flags=cv2.INTER_NEAREST),
    }
    return {name: np.ascontiguousarray(picture) for name, picture in found.items()}


def others() -> dict[str, NDArray[Any]]:
    """What is at hand of the others, RGB; a file with other bytes counts as missing."""
    found = {}
    for name, (file, sha256) in FILES.items():
        for path in (folder / file for folder in PICTURES):
            if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
                found[name] = np.asarray(Image.open(path).convert("RGB"))
    return found


if __name__ == "__main__":
    for name, picture in {**astronauts(), **others()}.items():
        (Path(sys.argv[1]) / f"{name}.png").write_bytes(encode_png(picture))

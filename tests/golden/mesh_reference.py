"""What MediaPipe's own code says of the pictures: run it in an environment of its own, which this project has not.

    python -m tests.golden.mesh_pictures FOLDER
    python3.11 -m venv apart && apart/bin/pip install mediapipe==0.10.21
    apart/bin/python tests/golden/mesh_reference.py FOLDER tests/golden/expected/face_mesh.npz

Static image mode, so that no picture is tracked from the one before. Of each picture it keeps the 468 points [468,3]
in pixels, as float32, and of the detector for near faces box and six points [8,2] in pixels: left top, right bottom, then
as the network orders them.
"""

import sys
from pathlib import Path

import mediapipe  # type: ignore[import-not-found]
import numpy as np
from PIL import Image


def main(folder: Path, target: Path) -> None:
    """Write the points of every PNG in a folder."""
    face_mesh, face_detection = mediapipe.solutions.face_mesh, mediapipe.solutions.face_detection
    found = {}
    for path in sorted(folder.glob("*.png")):
        picture = np.asarray(Image.open(path).convert("RGB"))
        height, width = picture.shape[:2]
        with face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=False) as network:
            (face,) = network.process(picture).multi_face_landmarks
        points = np.array([[point.x * width, point.y * height, point.z * width] for point in face.landmark], np.float32)
        with face_detection.FaceDetection(model_selection=0) as network:
            seen = network.process(picture).detections[0].location_data
        box = seen.relative_bounding_box
        corners = [(box.xmin, box.ymin), (box.xmin + box.width, box.ymin + box.height)]
        corners += [(point.x, point.y) for point in seen.relative_keypoints]
        found[path.stem] = points
        found[f"{path.stem}_face"] = (np.array(corners) * [width, height]).astype(np.float32)
    np.savez_compressed(target, **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""What anomalib's own code says of the same features: run it in an environment of its own, which this project has not.

    python -m tests.golden.patchcore_features features.npz
    python3.11 -m venv apart && apart/bin/pip install anomalib==2.7.0 onnx onnxscript
    apart/bin/python tests/golden/patchcore_reference.py features.npz tests/golden/expected/patchcore

``PatchcoreModel`` gets the features as they are in place of its backbone's, scaled as our memory scales them, and its
coreset without a projection, since that is drawn by chance; the rest is its own. ``patchcore.npz`` keeps the features,
the chosen patches from the first on, scores, nearest distances [N,14,14], and every eighth pixel of the maps.

``patchcore.onnx`` is what ``Patchcore.to_onnx`` writes: a tiny backbone with random weights, its preparation and its
post-processor inside. Only the exporter's notes on where its lines of code lie are taken out. ``patchcore.npz`` has what
the network said of two pictures before it was exported.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from anomalib.data import ImageBatch  # type: ignore[import-not-found]
from anomalib.models import Patchcore  # type: ignore[import-not-found]
from anomalib.models.components import KCenterGreedy  # type: ignore[import-not-found]
from anomalib.models.image.patchcore.torch_model import PatchcoreModel  # type: ignore[import-not-found]

BACKBONE, LAYER, SIDE = "test_efficientnet", "blocks.0", 32
CHOSEN = 100


class Given(torch.nn.Module):
    """In place of a backbone: the features, whatever the picture."""

    def __init__(self, features: torch.Tensor) -> None:
        super().__init__()
        self.features = features

    def forward(self, _: torch.Tensor) -> dict[str, torch.Tensor]:
        """One layer."""
        return {LAYER: self.features}


def compared(known: np.ndarray, asked: np.ndarray) -> dict[str, np.ndarray]:
    """Coreset, scores, distances and maps of features [N,h,w,K]."""
    patches = known.reshape(-1, known.shape[-1]).astype(np.float32)
    scale = (1 / (patches.std(axis=0) + 1e-3)).astype(np.float32)
    sampler = KCenterGreedy(torch.from_numpy(patches * scale)[:, None], CHOSEN / len(patches) + 1e-6)
    torch.manual_seed(0)
    indices = sampler.select_coreset_idxs()
    model = PatchcoreModel([LAYER], BACKBONE, pre_trained=False, num_neighbors=9).eval()
    model.feature_extractor = Given(torch.from_numpy(asked.astype(np.float32) * scale).permute(0, 3, 1, 2))
    model.feature_pooler = torch.nn.Identity()
    model.memory_bank = sampler.embedding[indices].squeeze(1)
    found = model(torch.zeros(len(asked), 3, 224, 224))
    rows = model.reshape_embedding(model.feature_extractor.features)
    away, _ = model.nearest_neighbors(rows, n_neighbors=1)
    return {
        "chosen": np.array(indices),
        "scores": found.pred_score.numpy(),
        "distances": away.numpy().reshape(asked.shape[:3]),
        "maps": found.anomaly_map[:, 0, ::8, ::8].numpy(),
    }


def exported(pictures: np.ndarray, target: Path) -> dict[str, np.ndarray]:
    """Remember six pictures, judge the scale by two others, export; what the network says of those two."""
    torch.manual_seed(0)
    prepared = Patchcore.configure_pre_processor(image_size=(SIDE, SIDE))
    model = Patchcore(BACKBONE, [LAYER], pre_trained=False, coreset_sampling_ratio=0.05, pre_processor=prepared)
    images = torch.from_numpy(pictures.astype(np.float32) / 255).permute(0, 3, 1, 2)
    core, judge = model.model.train(), model.post_processor
    core(model.pre_processor(images[:-2]))
    core.subsample_embedding(0.05)
    model.eval()
    seen = core(model.pre_processor(images[-2:]))
    masks = torch.stack([torch.zeros(SIDE, SIDE), torch.ones(SIDE, SIDE)]).bool()
    batch = ImageBatch(image=images[-2:], gt_label=torch.tensor([0, 1]), gt_mask=masks,
                       pred_score=seen.pred_score, anomaly_map=seen.anomaly_map)  # fmt: skip
    judge.on_validation_batch_end(None, None, batch)
    judge.on_validation_epoch_end(None, None)
    with torch.no_grad():
        said = model(images[-2:])
    with tempfile.TemporaryDirectory() as folder:
        file = model.to_onnx(folder, input_size=(SIDE, SIDE), external_data=False)
        network = onnx.load(file)
    for part in (network.graph, *network.graph.node, *network.graph.value_info, *network.graph.initializer):
        part.ClearField("metadata_props")
    onnx.save(network, target)
    return {"export_scores": said.pred_score.numpy(), "export_maps": said.anomaly_map[:, 0].numpy()}


def main(source: Path, target: Path) -> None:
    """Write both files."""
    given = np.load(source)
    with torch.no_grad():
        found = compared(given["known"], given["asked"])
    np.savez_compressed(target.with_suffix(".npz"), **given, **found,
                        **exported(given["pictures"], target.with_suffix(".onnx")))  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

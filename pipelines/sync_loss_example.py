"""A generator in one line learns by `SyncLoss` alone which image belongs to a sound: it may blend nine, and finds the one in time.

    syncqc score clips --out manifest.parquet
    python pipelines/sync_loss_example.py manifest.parquet

A real generator makes the images from the sound, and adds this loss, lightly weighted, to that of its reconstruction.
"""

from __future__ import annotations

import sys
from pathlib import Path

from syncqc.loaders.segments import SegmentDataset
from syncqc.loaders.settings import LoaderSettings
from syncqc.loaders.sync_loss import SyncLoss

REACH = 4


def train(manifest: Path, n_steps: int = 15) -> tuple[list[float], list[float]]:
    """The loss at every step, and how much of the image from -4 ... 4 images away the generator takes in the end."""
    import torch

    segments = SegmentDataset(manifest, settings=LoaderSettings(n_images=60, images="none", crops=True))
    sync_loss = SyncLoss("ic-syncnet.small")
    blend = torch.zeros(2 * REACH + 1, requires_grad=True)
    optimiser = torch.optim.Adam([blend], lr=0.5)
    losses = []
    for step in range(n_steps):
        item = segments.item(step % len(segments), epoch=step)
        assert item is not None  # only with on_error="skip"
        crops = item["crops"][None].float() / 255
        generated = sum(share * crops[:, k : k + 52] for k, share in enumerate(blend.softmax(dim=0)))
        loss = sync_loss(generated, item["sound"][None], sound_begins_at=-REACH * 640, is_sound=item["is_sound"][None])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses, blend.softmax(dim=0).tolist()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python pipelines/sync_loss_example.py MANIFEST")
    found, shares = train(Path(sys.argv[1]))
    print("loss  ", " ".join(f"{value:.2f}" for value in found))
    print("shares", " ".join(f"{share:.2f}" for share in shares))

from __future__ import annotations

import pickle

import pytest
import torch

from syncqc.errors import UsageError
from syncqc.loaders.collate import collate, collate_as
from syncqc.loaders.item import Item, mel_span


def item(n: int, context: int = 1, height: int = 4, **more: object) -> Item:
    """An item of n images, every number of which is n."""
    columns = mel_span(n)[1]
    return {
        "row": n,
        "clip_id": f"clip {n}",
        "part_index": 0,
        "track_index": 0,
        "first_image": 3,
        "n_images": n,
        "offset_frames": -1,
        "sound": torch.full(((n + 2 * context) * 640,), float(n)),
        "is_sound": torch.ones((n + 2 * context) * 640, dtype=torch.bool),
        "sound_begins_at": -640 * context,
        "images": torch.full((n, 3, height, 6), n, dtype=torch.uint8),
        "crops": torch.full((n, 3, 2, 4), n, dtype=torch.uint8),
        "landmarks": torch.full((n, 5, 2), float(n)),
        "mel": torch.full((columns, 80), float(n)),
        "is_mel": torch.ones(columns, dtype=torch.bool),
        "mel_begins_at": -8,
    } | more  # type: ignore[return-value]


# Windows of 7 images: the last begins at 2, at column round(6.4) - 8 = -2, and ends before 30: 38 columns; of 10 images 48.
FITS = {"pad": (10, 48), "cut": (7, 38)}


@pytest.mark.parametrize(("fit", "expected"), FITS.items(), ids=FITS.keys())
def test_shapes(fit: str, expected: tuple[int, int]) -> None:
    frames, columns = expected
    batch = collate_as(fit)([item(7), item(10)])
    shapes = {name: tuple(value.shape) for name, value in batch.items() if isinstance(value, torch.Tensor)}
    assert shapes == {
        "row": (2,), "part_index": (2,), "track_index": (2,), "first_image": (2,), "n_images": (2,), "offset_frames": (2,),
        "sound": (2, (frames + 2) * 640), "is_sound": (2, (frames + 2) * 640), "images": (2, frames, 3, 4, 6),
        "crops": (2, frames, 3, 2, 4), "landmarks": (2, frames, 5, 2), "mel": (2, columns, 80), "is_mel": (2, columns),
        "is_image": (2, frames),
    }  # fmt: skip
    assert (batch["clip_id"], batch["sound_begins_at"], batch["mel_begins_at"], batch["n_left_out"]) == (["clip 7", "clip 10"], -640, -8, 0)
    assert (batch["images"].dtype, batch["row"].dtype) == (torch.uint8, torch.int64)


def test_padding_is_zero_and_marked() -> None:
    batch = collate([item(7), item(10)])
    assert batch["n_images"].tolist() == [7, 10]
    assert batch["is_image"].sum(dim=1).tolist() == [7, 10]
    assert batch["is_image"][0, :7].all()
    for name, n in (("images", 7), ("crops", 7), ("landmarks", 7), ("sound", 9 * 640), ("is_sound", 9 * 640), ("mel", 38), ("is_mel", 38)):
        kept, padding = batch[name][0, :n], batch[name][0, n:]
        assert kept.all(), name
        assert not padding.any(), name
        assert batch[name][1].all(), name


def test_cutting_leaves_no_padding() -> None:
    batch = collate([item(7), item(10)], "cut")
    assert batch["n_images"].tolist() == [7, 7]
    assert batch["is_image"].all()
    assert (batch["images"][1] == 10).all()
    assert batch["is_sound"].all()


def test_files_that_could_not_be_read_are_left_out_and_counted() -> None:
    batch = collate([None, item(7), None])
    assert (batch["clip_id"], batch["n_left_out"]) == (["clip 7"], 2)
    with pytest.raises(UsageError, match="none of the 2 files of a batch could be read"):
        collate([None, None])


def test_pictures_of_different_sizes_are_no_batch() -> None:
    with pytest.raises(UsageError, match=r"images of different sizes cannot be one batch: \[\(3, 4, 6\), \(3, 8, 6\)\]; set size_px"):
        collate([item(7), item(7, height=8)])


def test_a_number_that_is_not_known_is_marked() -> None:
    batch = collate([item(7, shift_frames=3, label=0.0), item(7, shift_frames=None, label=1.0)])
    assert batch["shift_frames"].tolist() == [3, 0]
    assert batch["is_shift_frames_known"].tolist() == [True, False]
    assert batch["label"].tolist() == [0.0, 1.0]


def test_it_travels_to_workers() -> None:
    assert pickle.loads(pickle.dumps(collate_as("cut")))([item(7), item(10)])["images"].shape[1] == 7

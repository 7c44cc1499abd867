from __future__ import annotations

import logging
from collections import Counter

import numpy as np
import pytest
from torch.utils.data import DataLoader

from syncqc.errors import ClipError, UsageError
from syncqc.loaders.collate import collate
from syncqc.loaders.pairs import PairDataset, PairSettings
from syncqc.loaders.settings import LoaderSettings

SOUND_ALONE = LoaderSettings(images="none")
PICTURES = LoaderSettings()


def two_clips(world, **columns: object):
    """Clip a with rows [0, 30) and [30, 60) and clip b with one row; a's sound is 2 images early in its file."""
    for name in "ab":
        world.clip(name, 60)
    rows = [world.row("a", 30, 0, clip_offset_frames=2), world.row("a", 30, 30, part_index=1, clip_offset_frames=2), world.row("b", 60)]
    return world.manifest([row | columns for row in rows])


def first_sample(world, pair) -> int:
    """Number of the pair's first sample in its file, halfway through the pair, where rounding cannot matter."""
    numbers = world.sample_numbers(pair["sound"])
    np.testing.assert_allclose(np.diff(numbers), 1, atol=1)
    return int(np.median(numbers - np.arange(len(numbers))))


def test_each_kind_is_what_it_says(shared) -> None:
    data = PairDataset(two_clips(shared), settings=PICTURES, pairs=PairSettings(n_images=7))
    kinds = Counter()
    for epoch in range(8):
        for row in range(3):
            pair = data.pair(row, epoch)
            kinds[pair["kind"]] += 1
            segment = data.data.index[row]
            first = pair["first_image"]
            assert [shared.number_of(image) for image in pair["images"]] == list(range(first, first + 7))
            assert segment.first_image <= first <= segment.first_image + segment.n_images - 7
            assert pair["is_sound"].all()
            sounding = data.data.index[pair["sound_row"]]
            # Where the sound's first image lies in the clip that it is of, once put right.
            heard = first_sample(shared, pair) / 640 + sounding.shift_frames
            assert heard == pytest.approx(round(heard), abs=0.01)
            assert sounding.first_image <= round(heard) <= sounding.first_image + sounding.n_images - 7
            assert pair["offset_frames"] == sounding.shift_frames
            if pair["kind"] == "foreign":
                assert (pair["label"], pair["shift_frames"]) == (0.0, None)
                assert pair["sound_clip_id"] == sounding.clip_id != pair["clip_id"]
                continue
            assert (pair["sound_row"], pair["sound_clip_id"]) == (row, pair["clip_id"])
            # > 0: what is heard with an image belongs to a later one, it comes early.
            assert pair["shift_frames"] == round(heard) - first
            assert pair["label"] == float(pair["kind"] == "own")
            assert (pair["shift_frames"] == 0) if pair["kind"] == "own" else (2 <= abs(pair["shift_frames"]) <= 15)
    assert set(kinds) == {"own", "shifted", "foreign"}


def test_shares_and_shifts_are_as_asked_for(shared) -> None:
    pairs = PairSettings(n_images=5, own_share=0.4, foreign_share=0.2, min_shift_frames=3, max_shift_frames=6)
    data = PairDataset(two_clips(shared), settings=SOUND_ALONE, pairs=pairs)
    drawn = [data.pair(row, epoch) for epoch in range(40) for row in range(3)]
    kinds = Counter(pair["kind"] for pair in drawn)
    assert kinds["own"] == pytest.approx(48, abs=16)
    assert kinds["foreign"] == pytest.approx(24, abs=14)
    shifts = {pair["shift_frames"] for pair in drawn if pair["kind"] == "shifted"}
    assert shifts == {-6, -5, -4, -3, 3, 4, 5, 6}


def test_pairs_depend_on_seed_and_epoch_alone(shared) -> None:
    def drawn(seed: int, epoch: int) -> list[tuple[object, ...]]:
        data = PairDataset(two_clips(shared), settings=SOUND_ALONE, pairs=PairSettings(seed=seed))
        data.set_epoch(epoch)
        return [(pair["kind"], pair["first_image"], pair["shift_frames"], pair["sound_row"]) for pair in data]

    assert drawn(0, 0) == drawn(0, 0)
    assert len({tuple(drawn(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_sound_that_is_not_there_is_never_drawn(shared) -> None:
    # 1 s of silence was put in at the beginning: of the 30 images of the row the last 5 have sound.
    shared.clip("a", 60)
    shared.clip("b", 60)
    rows = [shared.row("a", 30, resynced_path=str(shared.folder / "a.mkv"), resync_pad_s=1.0), shared.row("b", 60)]
    data = PairDataset(shared.manifest(rows, "padded.parquet"), settings=SOUND_ALONE, pairs=PairSettings(own_share=1, foreign_share=0))
    assert {data.pair(0, epoch)["first_image"] for epoch in range(6)} == {25}
    # Shifted sound needs a second place: none of the images has one in reach.
    short = PairSettings(own_share=0, foreign_share=0, max_shift_frames=25)
    shifted = PairDataset(shared.folder / "padded.parquet", settings=SOUND_ALONE, pairs=short)
    assert {(pair["first_image"] + pair["shift_frames"]) for epoch in range(6) if (pair := shifted.pair(0, epoch))} == {25}


def test_too_little_sound_is_an_error_or_skipped(shared, caplog: pytest.LogCaptureFixture) -> None:
    shared.clip("mute", 60, has_sound=False)
    shared.clip("b", 60)
    path = shared.manifest([shared.row("mute"), shared.row("b")], "mute.parquet")
    own = PairSettings(own_share=1, foreign_share=0)
    with pytest.raises(ClipError, match=r"mute\.mkv: the row has too little sound for a pair of 5 images \(own\)"):
        PairDataset(path, settings=SOUND_ALONE, pairs=own)[0]
    with pytest.raises(ClipError, match="none of 5 other rows has enough sound"):
        PairDataset(path, settings=SOUND_ALONE, pairs=PairSettings(own_share=0, foreign_share=1))[1]
    data = PairDataset(path, settings=LoaderSettings(images="none", on_error="skip"), pairs=own)
    with caplog.at_level(logging.WARNING):
        (batch,) = DataLoader(data, 2, collate_fn=collate)
    assert (batch["clip_id"], batch["n_left_out"], data.data.n_skipped) == (["b"], 1, 1)
    assert "left out: " in caplog.text


def test_a_row_without_room_for_a_shift_is_paired_with_foreign_sound(shared) -> None:
    pairs = PairSettings(n_images=29, own_share=0, foreign_share=0)
    data = PairDataset(two_clips(shared), settings=SOUND_ALONE, pairs=pairs)
    assert [data[row]["kind"] for row in range(3)] == ["foreign", "foreign", "shifted"]


def test_batches(shared) -> None:
    data = PairDataset(two_clips(shared), settings=LoaderSettings(size_px=(24, 32)))
    (batch,) = DataLoader(data, 3, collate_fn=collate)
    assert batch["images"].shape == (3, 5, 3, 24, 32)
    assert batch["sound"].shape == (3, 5 * 640)
    assert batch["label"].tolist() == [float(kind == "own") for kind in batch["kind"]]
    assert batch["shift_frames"].shape == (3,)


REFUSED = {
    "no images": ({"n_images": 0}, "n_images must be at least 1"),
    "no shift": ({"min_shift_frames": 0}, "shifts must rise from at least 1, not from 0 to 15"),
    "falling shifts": ({"min_shift_frames": 9, "max_shift_frames": 8}, "not from 9 to 8"),
    "shares above one": ({"own_share": 0.7, "foreign_share": 0.4}, "together at most 1, not 0.7 and 0.4"),
    "a share below nothing": ({"foreign_share": -0.1}, "shares must be at least 0"),
}


@pytest.mark.parametrize(("values", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_drawn_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        PairSettings(**values)


def test_manifests_without_pairs_are_refused(shared) -> None:
    shared.clip("a", 60)
    path = shared.manifest([shared.row("a", 30), shared.row("a", 30, 30)], "one.parquet")
    with pytest.raises(UsageError, match="holds one clip alone"):
        PairDataset(path, settings=SOUND_ALONE)
    with pytest.raises(UsageError, match="offset must be 'clip' or 'row'"):
        PairDataset(path, settings=LoaderSettings(offset="none"))

from __future__ import annotations

import io
from collections import Counter
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from syncqc.errors import UsageError
from syncqc.loaders.segments import SegmentDataset
from syncqc.loaders.settings import LoaderSettings
from syncqc.loaders.stream import SegmentStream, merged


class Rows:
    """As much of a `SegmentDataset` as a stream asks for; rows in `broken` cannot be read."""

    def __init__(self, n: int, broken: frozenset[int] = frozenset(), digest: str = "a") -> None:
        self.n, self.broken, self._digest = n, broken, digest
        self.index = self

    def __len__(self) -> int:
        return self.n

    def item(self, row: int, epoch: int):
        empty = torch.zeros(0)
        found = {"row": row, "clip_id": str(row), "n_images": 0, "epoch": epoch, "sound": empty, "is_sound": empty, "sound_begins_at": 0}
        return None if row in self.broken else found

    def digest(self) -> str:
        return self._digest


def taken(items) -> list[int]:
    return [item["row"] for item in items]


def rows_of(batches) -> list[int]:
    return [row for batch in batches for row in batch["row"].tolist()]


@given(n=st.integers(1, 60), world=st.integers(1, 5), epoch=st.integers(0, 3), is_equal=st.booleans())
def test_ranks_have_every_row_once(n: int, world: int, epoch: int, is_equal: bool) -> None:
    shares = []
    for rank in range(world):
        stream = SegmentStream(Rows(n), seed=4, rank=rank, world_size=world, equal=is_equal)
        stream.set_epoch(epoch)
        shares.append(taken(stream))
    counts = Counter(row for share in shares for row in share)
    assert set(counts.values()) <= {1}
    assert len(counts) == (n - n % world if is_equal else n)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= (0 if is_equal else 1)


@pytest.mark.parametrize("world", [1, 3])
@pytest.mark.parametrize("n_workers", [0, 1, 2])
def test_workers_of_all_ranks_have_every_row_once(world: int, n_workers: int) -> None:
    found = [rows_of(SegmentStream(Rows(23), rank=rank, world_size=world).batches(2, n_workers=n_workers)) for rank in range(world)]
    assert sorted(row for share in found for row in share) == list(range(23))


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int, shuffle: bool = True) -> list[int]:
        stream = SegmentStream(Rows(30), seed=seed, shuffle=shuffle, rank=0, world_size=1)
        stream.set_epoch(epoch)
        return taken(stream)

    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
    assert order(1, 0, shuffle=False) == list(range(30))


@settings(max_examples=30)
@given(n=st.integers(1, 40), world=st.integers(1, 3), data=st.data())
def test_an_epoch_goes_on_where_it_was_left(n: int, world: int, data: st.DataObject) -> None:
    seen: list[int] = []
    for rank in range(world):
        first = SegmentStream(Rows(n), seed=2, rank=rank, world_size=world)
        seen += taken(islice(first, data.draw(st.integers(0, n))))
        kept = io.BytesIO()
        torch.save(first.state_dict(), kept)
        kept.seek(0)
        second = SegmentStream(Rows(n), seed=2, rank=rank, world_size=world)
        second.load_state_dict(torch.load(kept, weights_only=True))
        seen += [] if first.epoch else taken(second)
    assert sorted(seen) == list(range(n))


WORKERS = [(0, 0), (2, 2), (2, 0), (1, 2)]


@pytest.mark.parametrize(("before", "after"), WORKERS)
def test_an_epoch_goes_on_with_any_number_of_workers(before: int, after: int) -> None:
    seen = []
    for rank in range(2):
        first = SegmentStream(Rows(41), rank=rank, world_size=2)
        batches = first.batches(2, n_workers=before)
        seen += rows_of(islice(batches, 4))
        state = first.state_dict()
        batches.close()
        second = SegmentStream(Rows(41), rank=rank, world_size=2)
        second.load_state_dict(state)
        # The workers were ahead of what was handed out; that comes again.
        seen += rows_of(second.batches(3, n_workers=after))
    assert sorted(seen) == list(range(41))


def test_other_ranks_go_on_from_all_their_states() -> None:
    streams = [SegmentStream(Rows(50), rank=rank, world_size=3) for rank in range(3)]
    seen = [row for number, stream in enumerate(streams) for row in taken(islice(stream, 2 + 5 * number))]
    state = merged([stream.state_dict() for stream in streams])
    for rank in range(2):
        stream = SegmentStream(Rows(50), rank=rank, world_size=2)
        stream.load_state_dict(state)
        seen += taken(stream)
    assert sorted(seen) == list(range(50))


def test_at_its_end_the_next_epoch_begins() -> None:
    stream = SegmentStream(Rows(9), rank=0, world_size=1)
    epochs = [taken(stream), taken(stream), rows_of(stream.batches(4)), rows_of(stream.batches(4, n_workers=1))]
    assert [sorted(rows) for rows in epochs] == [list(range(9))] * 4
    assert len({tuple(rows) for rows in epochs}) == 4
    assert stream.epoch == 4
    assert [item["epoch"] for item in stream] == [4] * 9


@pytest.mark.parametrize("n_workers", [0, 2])
def test_what_cannot_be_read_is_left_out(n_workers: int) -> None:
    stream = SegmentStream(Rows(9, broken=frozenset({2, 5})), rank=0, world_size=1)
    assert sorted(rows_of(stream.batches(2, n_workers=n_workers))) == [0, 1, 3, 4, 6, 7, 8]
    assert sorted(taken(stream)) == [0, 1, 3, 4, 6, 7, 8]


def test_a_loader_of_ones_own_says_what_is_done() -> None:
    stream = SegmentStream(Rows(12), rank=0, world_size=1)
    loader = iter(DataLoader(stream, 3, num_workers=2, collate_fn=lambda items: torch.tensor([item["row"] for item in items])))
    first = next(loader)
    assert len(stream.rows_left()) == 12
    stream.done(first)
    assert sorted(stream.rows_left().tolist() + first.tolist()) == list(range(12))
    del loader


REFUSED = {
    "other rows": (SegmentStream(Rows(9, digest="b"), rank=0, world_size=2), "digest differ"),
    "more rows": (SegmentStream(Rows(10), rank=0, world_size=2), "n_rows differ"),
    "another order": (SegmentStream(Rows(9), seed=1, shuffle=False, rank=0, world_size=2), "seed, shuffle differ"),
    "other ranks": (SegmentStream(Rows(9), rank=0, world_size=3), "of one of 2 ranks, and there are 3: merge all of theirs"),
}


@pytest.mark.parametrize(("stream", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_state_of_another_stream_is_refused(stream: SegmentStream, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        stream.load_state_dict(SegmentStream(Rows(9), rank=0, world_size=2).state_dict())


def test_states_that_do_not_belong_together_are_not_merged() -> None:
    one, other = (SegmentStream(Rows(9), rank=rank, world_size=2) for rank in range(2))
    with pytest.raises(UsageError, match="there are 1 states of 2 ranks"):
        merged([one.state_dict()])
    other.set_epoch(1)
    with pytest.raises(UsageError, match="cannot be merged: epoch differ"):
        merged([one.state_dict(), other.state_dict()])


def test_the_rank_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = SegmentStream(Rows(3))
    assert (alone.rank, alone.world_size) == (0, 1)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    stream = SegmentStream(Rows(3))
    assert (stream.rank, stream.world_size) == (2, 4)
    with pytest.raises(UsageError, match="rank and world_size belong together"):
        SegmentStream(Rows(3), rank=1)
    with pytest.raises(UsageError, match="rank must be from 0 to 1, not 2"):
        SegmentStream(Rows(3), rank=2, world_size=2)


def test_a_real_manifest_in_batches(shared) -> None:
    for name, n in (("a", 30), ("b", 20)):
        shared.clip(name, n)
    path = shared.manifest([shared.row("a", 12), shared.row("a", 18, 12, part_index=1), shared.row("b", 20)])
    stream = SegmentStream(SegmentDataset(path, settings=LoaderSettings(size_px=(24, 32))), rank=0, world_size=1)
    (batch,) = stream.batches(3, n_workers=1, fit="cut")
    assert batch["images"].shape == (3, 12, 3, 24, 32)
    assert batch["sound"].shape == (3, 12 * 640)
    firsts = {
        (clip, int(part)): int(first) for clip, part, first in zip(batch["clip_id"], batch["part_index"], batch["first_image"], strict=True)
    }
    assert firsts == {("a", 0): 0, ("a", 1): 12, ("b", 0): 0}

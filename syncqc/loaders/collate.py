"""Items of different lengths as one batch: padded to the longest or cut to the shortest.

Knows items; neither files nor manifests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from syncqc.clock import SAMPLES_PER_IMAGE
from syncqc.errors import UsageError
from syncqc.loaders.item import Item

Fit = Literal["pad", "cut"]

_PER_IMAGE = ("images", "crops", "landmarks")


def collate(items: Sequence[Item | None], fit: Fit = "pad") -> dict[str, Any]:
    """The items as one batch; None among them, which stands for a file that could not be read, is left out.

    ::

        images      uint8    (batch, frames, 3, height, width)
        crops       uint8    (batch, frames, 3, height, width)
        landmarks   float32  (batch, frames, 5, 2)
        is_image    bool     (batch, frames)              False: padding
        sound       float32  (batch, samples)             samples = (frames + 2 context) * 640
        is_sound    bool     (batch, samples)             False: no sound in the file, or padding
        mel         float32  (batch, columns, 80)
        is_mel      bool     (batch, columns)
        sound_begins_at, mel_begins_at                    int, the same for all items
        n_images    int64    (batch,)                     of each item before padding; after cutting all the same
        n_left_out  int                                   items that were None
        clip_id, ...                                      text as lists, numbers as tensors int64 (batch,)

    Padding repeats nothing: it is 0. ``cut`` keeps the first images of each item and the sound that belongs to them. A number that
    may be unknown (None) gives a tensor with 0 in its place and a mask ``is_<name>_known``.

    Raises:
        UsageError: no item is left, or images of different sizes are to go into one batch.
    """
    found = [item for item in items if item is not None]
    if not found:
        raise UsageError(f"none of the {len(items)} files of a batch could be read")
    lengths = [item["n_images"] for item in found]
    frames = max(lengths) if fit == "pad" else min(lengths)
    batch: dict[str, Any] = {"n_left_out": len(items) - len(found)}
    for name in found[0]:
        values = [cast(Mapping[str, Any], item)[name] for item in found]
        batch[name] = _together(name, values, [frames - length for length in lengths])
    batch["n_images"] = torch.tensor([min(length, frames) for length in lengths])
    batch["is_image"] = torch.arange(frames) < batch["n_images"][:, None]
    _spell_unknowns(batch)
    return batch


def collate_as(fit: Fit) -> Any:
    """`collate` with that way to make items fit, as DataLoader's `collate_fn` wants it."""
    return partial(collate, fit=fit)


def _together(name: str, values: list[Any], longer_by: list[int]) -> Any:
    if name in ("sound_begins_at", "mel_begins_at"):
        return values[0]
    if not isinstance(values[0], Tensor):
        return values
    if name in _PER_IMAGE:
        sizes = {tuple(value.shape[1:]) for value in values}
        if len(sizes) > 1:
            raise UsageError(f"{name} of different sizes cannot be one batch: {sorted(sizes)}; set size_px, or a batch size of 1")
        return _stacked(values, [len(value) + more for value, more in zip(values, longer_by, strict=True)])
    if name in ("sound", "is_sound"):
        return _stacked(values, [len(value) + more * SAMPLES_PER_IMAGE for value, more in zip(values, longer_by, strict=True)])
    if name in ("mel", "is_mel"):
        goal = max(map(len, values)) if max(longer_by) > 0 else min(map(len, values))
        return _stacked(values, [goal] * len(values))
    return torch.stack(values)


def _stacked(values: list[Tensor], lengths: list[int]) -> Tensor:
    """The tensors, each cut or padded with zeros along its first axis to its length; all lengths are the same."""
    return torch.stack([_fitted(value, length) for value, length in zip(values, lengths, strict=True)])


def _fitted(value: Tensor, length: int) -> Tensor:
    if length <= len(value):
        return value[:length]
    return F.pad(value, [0, 0] * (value.ndim - 1) + [0, length - len(value)])


def _spell_unknowns(batch: dict[str, Any]) -> None:
    """Lists of numbers become tensors; None among them becomes 0 and a mask."""
    for name, values in list(batch.items()):
        if not isinstance(values, list) or any(isinstance(value, str) for value in values):
            continue
        if None in values:
            batch[f"is_{name}_known"] = torch.tensor([value is not None for value in values])
        batch[name] = torch.tensor([0 if value is None else value for value in values])

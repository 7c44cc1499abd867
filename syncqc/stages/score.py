"""How well lips and voice of each face track agree, and by how much they are apart.

Knows the network and the measures; crops and mel come to it ready made. Never sees a file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from syncqc.clock import (
    ALIGNED_MEL,
    CONTEXT_MEL,
    DEFAULT_W,
    WINDOW_IMAGES,
    WINDOW_MEL,
    MelRounding,
    first_mel_column,
    n_windows,
    offset_ms,
)
from syncqc.errors import Failure
from syncqc.manifest import columns as c
from syncqc.measure.active_speaker import onscreen_intervals_s
from syncqc.measure.calibration import Calibration
from syncqc.measure.settings import MeasureSettings
from syncqc.measure.similarity import similarity_matrix, validity
from syncqc.measure.sync import Sync, measure
from syncqc.nets.checkpoint import LoadedNet, load
from syncqc.stages.base import CROPS, MEL, Payload, Resources, Stage
from syncqc.stages.part import F32, U8, Bools, Mel, Part, Track


@dataclass
class Score(Stage):
    """The sync numbers of each face track; a track with too few windows fails as `too_short`, its numbers null."""

    model: str = "ic-syncnet.small"
    w: int = DEFAULT_W
    """Shifts of up to so many images are tried; where the best is the edge, twice as many."""
    min_windows: int = 10
    """Tracks with fewer windows (of five images) are not measured."""
    batch: int = field(default=32, metadata={"is_setting": False})
    """Windows embedded at once; changes no number. The last batch is filled up, because memory is kept for every size met."""
    keep_similarity: bool = False
    measures: MeasureSettings = MeasureSettings()
    _net: LoadedNet | None = field(default=None, repr=False, compare=False)
    _calibration: Calibration | None = field(default=None, repr=False, compare=False)
    _device: torch.device = field(default=torch.device("cpu"), repr=False, compare=False)

    reads: ClassVar[tuple[c.Column | Payload, ...]] = (CROPS, MEL, c.N_IMAGES)
    writes: ClassVar[tuple[c.Column | Payload, ...]] = (
        c.OFFSET_FRAMES, c.OFFSET_MS, c.IS_OFFSET_AT_EDGE, c.MARGIN, c.PROBABILITY_AT_OFFSET, c.PROBABILITY_IN_SYNC,
        c.OFFSCREEN_RATIO, c.ONSCREEN, c.SIMILARITY, c.N_WINDOWS,
    )  # fmt: skip
    needs: ClassVar[Resources] = Resources(cpus=1)

    def open(self) -> None:
        """Loads the network, onto the GPU where there is one."""
        self._net = load(self.model)
        stored = self._net.header.calibration
        self._calibration = Calibration.from_json(stored) if stored else None
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._net.network.to(self._device)
        self._net.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, parts: list[Part]) -> list[Part]:
        """The parts with their sync numbers; see `Stage`."""
        for part in parts:
            if part.failure is None and part.mel is not None:
                for track in part.tracks:
                    self._score(track, part.mel)
        return parts

    def _score(self, track: Track, mel: Mel) -> None:
        assert self._net is not None, "open() comes first"
        n = n_windows(track.n_images)
        if n < self.min_windows:
            track.row |= {
                "failure": str(Failure.TOO_SHORT),
                "detail": f"the face is there for {track.n_images} images, {self.min_windows + WINDOW_IMAGES - 1} are needed",
            }
            return
        video = self.embed_video(track.crops)
        found, matrix, is_valid = self._search(track, mel, video, self.w)
        if found is not None and found.is_offset_at_edge:
            found, matrix, is_valid = self._search(track, mel, video, 2 * self.w)
        if self.keep_similarity:
            track.similarity = np.where(is_valid, matrix, np.nan).astype(np.float16)
        if found is None:
            track.row |= {"failure": str(Failure.NO_AUDIO), "detail": "there is too little sound beside this face to compare shifts"}
            return
        track.row |= self._columns(found, track)

    @property
    def thresholds(self) -> MeasureSettings:
        """The settings of the measures: a shift needs as many windows as a track, and who speaks is decided as the checkpoint says."""
        own = self._calibration.decision if self._calibration else None
        return replace(self.measures, min_windows=self.min_windows, decision=self.measures.decision or own)

    def _search(self, track: Track, mel: Mel, video: F32, w: int) -> tuple[Sync | None, F32, Bools]:
        assert self._net is not None
        audio, has_sound = self.embed_audio(mel, track.first_image - w, len(video) + 2 * w)
        matrix, is_valid = similarity_matrix(video, audio), validity(has_sound, w)
        header = self._net.header
        found = measure(matrix, is_valid, header.tau, header.zero_offset_frames, self.thresholds)
        return found, np.asarray(matrix, np.float32), is_valid

    def _columns(self, found: Sync, track: Track) -> dict[str, object]:
        return {
            "offset_frames": found.offset_frames,
            "offset_ms": offset_ms(found.offset_frames),
            "is_offset_at_edge": found.is_offset_at_edge,
            "margin": found.margin,
            "probability_at_offset": found.probability_at_offset,
            "probability_in_sync": self._calibration.probability_in_sync(found) if self._calibration else None,
            "offscreen_ratio": found.offscreen_ratio,
            "onscreen": onscreen_intervals_s(found.onscreen_windows, track.first_image),
            "similarity": [None if np.isnan(value) else float(value) for value in found.curve],
            "n_windows": found.n_windows,
        }

    @torch.inference_mode()
    def embed_video(self, crops: U8) -> F32:
        """Embeddings (n, d) of all windows of crops (n + 4, height, width, 3)."""
        assert self._net is not None
        network = self._net.network
        # (n + 4, 3, h, w) -> windows (n, 15, h, w): images in order, colours of each together.
        images = torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2)))
        windows = images.unfold(0, WINDOW_IMAGES, 1).permute(0, 4, 1, 2, 3).flatten(1, 2)
        return self._embed(lambda chunk: network.embed_video(chunk.float() / 255), windows)

    @torch.inference_mode()
    def embed_audio(self, mel: Mel, first_window: int, n: int) -> tuple[F32, Bools]:
        """Embeddings (n, d) of the sound of windows first_window ... first_window + n - 1, and which of them have sound."""
        assert self._net is not None
        rounding: MelRounding = self._net.header.mel_rounding
        starts = np.array([first_mel_column(j, rounding) - mel.first_column for j in range(first_window, first_window + n)])
        if starts[0] < 0 or starts[-1] + WINDOW_MEL > len(mel.columns):
            raise ValueError(f"the mel reaches too little beyond its part for w = {self.w}")
        columns = torch.from_numpy(mel.columns)
        windows = columns.unfold(0, WINDOW_MEL, 1).transpose(1, 2)[starts][:, None]
        centre = CONTEXT_MEL + np.arange(ALIGNED_MEL)
        has_sound = np.asarray(mel.is_present[starts[:, None] + centre].all(axis=1), np.bool_)
        return self._embed(self._net.network.embed_audio, windows), has_sound

    def _embed(self, embed: Callable[[Tensor], Tensor], windows: Tensor) -> F32:
        done = []
        for start in range(0, len(windows), self.batch):
            chunk = windows[start : start + self.batch]
            n = len(chunk)
            if n < self.batch:
                chunk = torch.cat([chunk, chunk[-1:].expand(self.batch - n, *chunk.shape[1:])])
            chunk = chunk.to(self._device).contiguous(memory_format=torch.channels_last)
            done.append(embed(chunk)[:n].cpu().numpy())
        return np.concatenate(done)

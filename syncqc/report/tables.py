"""The report's sortable tables: what there is of each split, each speaker and each way of coding, how good it is, and what is kept.

Knows rows; no files.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from syncqc.report.gather_histograms import OffsetCounts
from syncqc.report.gather_rows import Rows
from syncqc.report.gathered import Group, GroupTable
from syncqc.report.sums import Members, Numbering, Sparse, Totals, quantile

MOST_LINES = 200
SECONDS_PER_HOUR = 3600
HIGH_RISK = "high"
_TENTHS = 10

CODEC_COLUMNS = (
    "video_codec", "video_profile", "gop_is_regular", "audio_codec", "audio_profile", "source_audio_rate_hz", "audio_leak_risk",
)  # fmt: skip
COLUMNS = (
    "dataset", "split", "speaker", *CODEC_COLUMNS, "failure", "is_chosen_track", "offset_frames", "probability_at_offset",
    "offscreen_ratio", "leak_video", "leak_audio", "ghost_period_frames",
)  # fmt: skip
"""The columns that tables look at."""

HEADS = {
    "n_clips": "clips",
    "n_rows": "rows",
    "hours": "hours",
    "failed_share": "share of rows that failed",
    "mean_p": "mean p",
    "mean_offscreen": "mean offscreen ratio",
    "median_offset_frames": "median offset, images",
    "in_time_share": "share within 1 image",
    "kept_hours": "hours kept by default",
    "kept_share": "share of time kept by default",
}
SPLIT_HEADS = {"n_speakers": "speakers", **HEADS}
CODEC_HEADS = {
    **HEADS,
    "leak_video_share": "share with leak_video",
    "leak_audio_share": "share with leak_audio",
    "ghost_period_frames": "median ghost period where leak_video, pictures",
}

Key = tuple[Hashable, ...]


class GroupSums:
    """Sums over the groups of one table; a group is a dataset and the values of some columns."""

    def __init__(self, columns: Sequence[str], *, has_traces: bool = False) -> None:
        self._columns, self._has_traces = columns, has_traces
        self._numbering = Numbering()
        self._totals = Totals()
        self._offsets = OffsetCounts()
        self._periods = OffsetCounts()

    @property
    def keys(self) -> Mapping[Key, int]:
        """The groups so far by dataset and values."""
        return self._numbering.keys

    def add(self, rows: Rows) -> Members:
        """Counts the rows; gives the group of each."""
        members = self._numbering.members(rows.dataset, [rows.block.column(name) for name in self._columns])
        groups, measured = members.numbers, rows.is_measured
        counts = {"n_rows": None, "n_measured": measured, "n_failed": rows.is_failed}
        self._totals.add(members, {**counts, "time_s": rows.time_s, "kept_s": rows.kept_s})
        self._totals.add_sums("n_clips", *rows.clips_in(groups))
        of_measured = Members(members.groups, members.local[measured])
        frames = rows.numbers("offset_frames")[measured].astype(np.float64)
        self._totals.add(
            of_measured,
            {
                "p": rows.numbers("probability_at_offset")[measured],
                "offscreen": rows.numbers("offscreen_ratio")[measured],
                "in_time": np.abs(frames) <= 1,
                "n_offsets": ~np.isnan(frames),
            },
        )
        there = ~np.isnan(frames)
        self._offsets.add(groups[measured][there], frames[there])
        if self._has_traces:
            self._add_traces(rows, members)
        return members

    def lines(self, name_of: Callable[[Key], str], datasets: Sequence[str], more: Mapping[str, npt.NDArray[np.float64]]) -> list[Group]:
        """The groups with most time, `MOST_LINES` at most. `more` are further numbers of all groups."""
        keys = list(self.keys)
        time_s = self._of("time_s")
        order = np.lexsort((-self._of("n_rows"), -time_s))[:MOST_LINES].tolist()
        numbers = {**self._numbers(), **more}
        medians = {group: _median(*self._offsets.of_group(group)) for group in order}
        found = []
        for group in order:
            line = {name: _known(values[group]) for name, values in numbers.items()}
            line["median_offset_frames"] = medians[group]
            if self._has_traces:
                period = _median(*self._periods.of_group(group))
                line["ghost_period_frames"] = None if period is None else period / _TENTHS
            place = keys[group][0]
            assert isinstance(place, int)
            found.append(Group(name_of(keys[group]), datasets[place], line))
        return found

    def _numbers(self) -> dict[str, npt.NDArray[np.float64]]:
        time_s, kept_s, n_measured = self._of("time_s"), self._of("kept_s"), self._of("n_measured")
        numbers = {
            "n_clips": self._of("n_clips"),
            "n_rows": self._of("n_rows"),
            "hours": time_s / SECONDS_PER_HOUR,
            "failed_share": _share(self._of("n_failed"), self._of("n_rows")),
            "mean_p": _share(self._of("p"), n_measured),
            "mean_offscreen": _share(self._of("offscreen"), n_measured),
            "in_time_share": _share(self._of("in_time"), self._of("n_offsets")),
            "kept_hours": kept_s / SECONDS_PER_HOUR,
            "kept_share": _share(kept_s, time_s),
        }
        if self._has_traces:
            for name in ("leak_video", "leak_audio"):
                numbers[f"{name}_share"] = _share(self._of(name), self._of(f"{name} known"))
        return numbers

    def _add_traces(self, rows: Rows, members: Members) -> None:
        for name in ("leak_video", "leak_audio"):
            known = pc.is_valid(rows.block.column(name)).to_numpy(zero_copy_only=False)
            self._totals.add(members, {name: rows.flags(name), f"{name} known": known})
        periods = np.where(rows.flags("leak_video"), rows.numbers("ghost_period_frames"), np.nan)
        there = ~np.isnan(periods)
        self._periods.add(members.numbers[there], np.round(periods[there] * _TENTHS))

    def _of(self, name: str) -> npt.NDArray[np.float64]:
        return self._totals.of(name, len(self.keys))


class TableSums:
    """The sums of all tables that count rows."""

    def __init__(self) -> None:
        self._splits, self._speakers = GroupSums(("split",)), GroupSums(("speaker",))
        self._codecs = GroupSums(CODEC_COLUMNS, has_traces=True)
        self._speakers_in_splits = Sparse()

    def add(self, rows: Rows) -> None:
        """Counts the rows."""
        splits, speakers = self._splits.add(rows), self._speakers.add(rows)
        self._codecs.add(rows)
        is_named = pc.is_valid(rows.block.column("speaker")).to_numpy(zero_copy_only=False)
        self._speakers_in_splits.add((splits.numbers[is_named] << 40) + speakers.numbers[is_named])

    def n_speakers(self, n_datasets: int) -> list[int]:
        """Per dataset how many speakers its rows name."""
        of_dataset = [int(str(dataset)) for dataset, speaker in self._speakers.keys if speaker is not None]
        counts: list[int] = np.bincount(np.array(of_dataset, np.int64), minlength=n_datasets).tolist()
        return counts

    def tables(self, datasets: Sequence[str]) -> tuple[GroupTable, ...]:
        """By split, by speaker, by codec; those with the most time first."""
        n_speakers = np.bincount(self._speakers_in_splits.keys >> 40, minlength=len(self._splits.keys)).astype(np.float64)
        return (
            _table("splits", "datasets and their splits", SPLIT_HEADS, self._splits, _split_name, datasets, {"n_speakers": n_speakers}),
            _table("speakers", "speakers", HEADS, self._speakers, _speaker_name, datasets, {}),
            _table("codecs", "codecs and what they left", CODEC_HEADS, self._codecs, _codec_name, datasets, {}),
        )


def _table(
    name: str,
    title: str,
    heads: Mapping[str, str],
    sums: GroupSums,
    name_of: Callable[[Key], str],
    datasets: Sequence[str],
    more: Mapping[str, npt.NDArray[np.float64]],
) -> GroupTable:
    groups = sums.lines(name_of, datasets, more)
    return GroupTable(name, title, heads, tuple(groups), len(sums.keys) - len(groups))


def _split_name(key: Key) -> str:
    return "all" if key[1] is None else str(key[1])


def _speaker_name(key: Key) -> str:
    return "no speaker named" if key[1] is None else str(key[1])


def _codec_name(key: Key) -> str:
    _, codec, profile, is_regular, audio_codec, audio_profile, rate_hz, risk = key
    pictures = "no pictures read" if codec is None else " ".join(str(one) for one in (codec, profile) if one is not None)
    rhythm = "" if is_regular is None else f", key frames at {'even' if is_regular is True else 'uneven'} distances"
    rate = None if rate_hz is None else f"{rate_hz} Hz"
    sound = "no sound" if audio_codec is None else " ".join(str(one) for one in (audio_codec, audio_profile, rate) if one is not None)
    return f"{pictures}{rhythm}; {sound}" + ("" if risk is None else f", leak risk {risk}")


def _median(values: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> float | None:
    return quantile(values, counts, 0.5)


def _share(part: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return shares


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

"""An evaluation as a page of Markdown: the protocol's tables over all clips, per source and per speaker, then the rows by length.

Knows the evaluation as it is written to JSON; measures nothing and writes no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncqc.train.evaluate import Section

HEADING = "# Evaluation of "

PUBLISHED: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "lrs2": {
        "SyncNet": (75.8, 82.3, 87.6, 91.8, 94.5, 96.1),
        "Perfect Match": (88.1, 93.8, 96.4, 97.9, 98.7, 99.1),
        "AVST": (91.9, 97.0, 98.8, 99.6, 99.8, 99.9),
        "VocaLiST": (92.8, 96.7, 98.4, 99.3, 99.6, 99.8),
        "ModEFormer": (94.5, 97.1, 98.5, 99.3, 99.7, 99.8),
        "IC-SyncNet": (96.5, 98.3, 99.2, 99.6, 99.8, 99.9),
    },
    "lrs3": {
        "AVST": (77.3, 88.0, 93.3, 96.4, 97.8, 98.6),
        "ModEFormer": (90.9, 93.1, 96.0, 97.7, 98.7, 99.2),
        "IC-SyncNet": (93.8, 96.8, 98.3, 99.1, 99.6, 99.8),
    },
}
"""Test splits, K = 5, 7, 9, 11, 13, 15, in %. Source: IC-SyncNet, Table 1 (AVST sees the K images at once and, on LRS3, full frames)."""
_PUBLISHED_K = (5, 7, 9, 11, 13, 15)

_RULES = {
    "strict": (
        "Every window of 5 images of every clip, shifts of the sound of up to ± {w} images, right if within ± {tolerance}. A shift "
        "counts for a window when its central 16 mel columns lie inside the sound; for K images the cosines of exactly K - 4 "
        "consecutive windows are averaged."
    ),
    "vocalist": (
        "Windows of 5 images, the last of each clip left out, shifts of the sound of up to ± {w} images, right if within ± {tolerance}, as "
        "VocaLiST's published code judges them: for K images the cosines of K - 4 consecutive windows are averaged, at the ends of a clip "
        "of those there are; in clips under {twice_w} windows shifts beyond the end stay in play, with silence."
    ),
}
_TRUTHS = (("around_own_offset", "Around each clip's own offset"), ("around_zero", "Around zero"))


def page(about: Mapping[str, Any], sections: Sequence[Section] = ()) -> str:
    """The page of one evaluation, as written to JSON, and the tables of its further sections."""
    protocol = about["protocol"]
    head = f"{HEADING}{about['model']}\n\n```\n{about['command']}\n```\n\n{_facts(about)}"
    parts = [head, _windows(protocol), _speakers(protocol), _rows(about["figures"]), *map(_section, sections)]
    return "\n\n".join(parts) + "\n"


def _facts(about: Mapping[str, Any]) -> str:
    made = about["made_with"]
    left_out = about["protocol"]["clips_left_out"]
    reasons = ", ".join(f"{reason} {n}" for reason, n in left_out.items())
    without = f"{sum(left_out.values())} nothing could be judged{f' ({reasons})' if reasons else ''}"
    return (
        f"{about['n_clips_read']} clips were read; in {without}. "
        f"Ranges in brackets hold 95 % of draws of speakers. Made with syncqc {made['syncqc']}, weights {about['weights_sha256'][:12]}."
    )


def _windows(protocol: Mapping[str, Any]) -> str:
    words = {"w": protocol["w"], "tolerance": protocol["tolerance_images"], "twice_w": 2 * protocol["w"]}
    text = (
        f"## Windows\n\nThe `{protocol['name']}` protocol. {_RULES[protocol['name']].format(**words)} Shares in %. "
        "By clip is the mean over clips (macro), by window over windows (micro). Chance is the share of candidates that are right. "
        "Zero is the truth of sets that were put in time; clips in the wild carry their own offset, the one at which the mean cosine of "
        f"the whole clip is highest. Of this model's offsets {protocol['zero_offset_frames']} is taken off."
    )
    tables = [
        f"### {title}, {kind_words}\n\n{_window_table(protocol, truth, kind)}"
        for truth, title in _TRUTHS
        for kind, kind_words in (("macro", "by clip"), ("micro", "by window"))
    ]
    return "\n\n".join([text, *tables, f"### Own offsets\n\n{_offsets(protocol)}"])


def _window_table(protocol: Mapping[str, Any], truth: str, kind: str) -> str:
    groups = {"all": protocol["all"], **protocol["by_source"]}
    names = list(protocol["all"][truth])
    lines: list[list[str]] = []
    for i, (name, group) in enumerate(groups.items()):
        label = "**all**" if i == 0 else _plain(name)
        lines.append([label, *_sizes(group, truth), *(_share(cell[kind], cell[f"{kind}_interval95"]) for cell in group[truth].values())])
    lines.append(["chance", "", "", *(_share(cell[f"chance_{kind}"]) for cell in protocol["all"][truth].values())])
    if truth == "around_zero" and kind == "macro":
        lines += _published(protocol["by_source"], names)
    return _table(["", "clips", "windows", *(name.replace("=", " = ") for name in names)], lines)


def _sizes(group: Mapping[str, Any], truth: str) -> tuple[str, str]:
    """Clips and windows that were judged at the least K, of how many where not all were."""
    cell = next(iter(group[truth].values()))
    sizes = ((cell["n_clips"], group["n_clips"]), (cell["n_windows"], group["n_windows"]))
    clips, windows = (f"{judged}" if judged == n else f"{judged} of {n}" for judged, n in sizes)
    return clips, windows


def _published(by_source: Mapping[str, Any], names: Sequence[str]) -> list[list[str]]:
    if names != [f"K={k}" for k in _PUBLISHED_K]:
        return []
    return [
        [f"{paper}, published for {source} test", "", "", *(f"{share:.1f}" for share in shares)]
        for source, papers in PUBLISHED.items()
        if source in by_source
        for paper, shares in papers.items()
    ]


def _offsets(protocol: Mapping[str, Any]) -> str:
    groups = {"**all**": protocol["all"], **{_plain(name): group for name, group in protocol["by_source"].items()}}
    lines = [
        [name, ", ".join(f"{int(o):+d}: {n}" if int(o) else f"0: {n}" for o, n in g["own_offsets"].items())] for name, g in groups.items()
    ]
    return _table(["", "offset in images (> 0: the sound comes early): clips"], lines)


def _speakers(protocol: Mapping[str, Any]) -> str:
    names = list(protocol["all"]["around_zero"])
    tables = []
    for truth, title in _TRUTHS:
        lines = [
            [_plain(speaker), *_sizes(group, truth), *map(_both, group[truth].values())]
            for speaker, group in protocol["by_speaker"].items()
        ]
        table = _table(["speaker", "clips", "windows", *(name.replace("=", " = ") for name in names)], lines)
        tables.append(f"### {title}, by speaker\n\nBy clip / by window where there are several clips.\n\n{table}")
    return "\n\n".join(tables)


def _rows(figures: Mapping[str, Any]) -> str:
    text = (
        "## Rows by length\n\nThe sound is moved by known amounts and must be followed within ± 1; by listening alone a part of that is "
        "reached, so moved foreign sound is asked as well. A row agrees when it has the offset of the rest of its clip. Foreign speech "
        "must have a lower probability than the own. Shares in %."
    )
    keys = ("offset_follows_rows", "offset_follows_clips", "foreign_follows_rows", "offset_agrees_with_clip", "foreign_lower_share")
    heads = ["length", "rows", "rows follow", "clips follow", "foreign followed", "agree with their clip", "foreign is lower", "AUC"]
    parts = [text]
    for group, values in figures.items():
        lines = []
        for line in [*values["by_duration"], values["rows"]]:
            length = f"{line['duration_s']:g} s" if "duration_s" in line else "whole rows"
            auc = "-" if line["foreign_auc"] is None else f"{line['foreign_auc']:.3f}"
            if line["n_stretches"]:
                lines.append([length, str(line["n_stretches"]), *(_share(line[key], line[f"{key}_interval95"]) for key in keys), auc])
        parts.append(f"### {_plain(group)}: {values['n_clips']} clips, {values['n_speakers']} speakers\n\n{_table(heads, lines)}")
    return "\n\n".join(parts)


def _section(section: Section) -> str:
    tables = [f"{title}\n\n{_table([_plain(name) for name in header], map(_plain_cells, rows))}" for title, header, rows in section.tables]
    return "\n\n".join([f"## {section.title}", *tables])


def _plain_cells(cells: Sequence[str]) -> list[str]:
    return [_plain(cell) for cell in cells]


def _share(share: float | None, interval: Sequence[float] | None = None) -> str:
    if share is None:
        return "-"
    return f"{100 * share:.1f}" + (f" ({100 * interval[0]:.1f}-{100 * interval[1]:.1f})" if interval else "")


def _both(cell: Mapping[str, Any]) -> str:
    return _share(cell["macro"]) + (f" / {_share(cell['micro'])}" if cell["n_clips"] > 1 else "")


def _plain(name: str) -> str:
    """The name as Markdown shows it in a table."""
    return name.replace("|", "\\|").replace("\n", " ")


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, rule, *lines])

"""The commands that the report page shows: what keeps the good rows of a manifest, what shifts the sound, and where both write.

Knows the sums and the places of the manifests; runs nothing. Every place is one word of a POSIX shell, whatever it is called.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePath

from syncqc.report.gathered import Gathered

ALWAYS_NAMED = ("p", "offscreen")
"""Thresholds that a command names also where they are the default."""


def outs_of(places: Sequence[str]) -> list[str]:
    """Where each manifest's command writes: no two to one place, and none to where a manifest of that name could lie."""
    stems, names = [PurePath(place).stem for place in places], {PurePath(place).name for place in places}
    if len(stems) == 1:
        outs = ["clean"]
    elif len(set(stems)) == len(stems):
        outs = [f"clean-{stem}" for stem in stems]
    else:
        outs = [f"clean-{number}-{stem}" for number, stem in enumerate(stems, 1)]
    return [f"{out}-again.parquet" if f"{out}.parquet" in names else f"{out}.parquet" for out in outs]


def mending(gathered: Gathered, mended: Sequence[int], shifted: Sequence[int], places: Sequence[str], outs: Sequence[str]) -> list[str]:
    """The commands that keep what is good of the manifests of some datasets, and put right what is early or late in those that are."""
    given = [
        f"{slider.option} {slider.limits[slider.default]:g}"
        for slider in gathered.cells.sliders
        if slider.name in ALWAYS_NAMED and slider.default is not None
    ]
    lines = []
    for source, place, out in zip(gathered.sources, places, outs, strict=True):
        if _is_in(gathered, mended, source.manifest):
            lines.append(" ".join([filter_of(place), *given, out_of(out)]))
            if _is_in(gathered, shifted, source.manifest):
                lines.append(f"syncqc resync {quoted(out)} --out {quoted(PurePath(out).stem + '-in-time')}")
    return lines


def _is_in(gathered: Gathered, datasets: Sequence[int], manifest: str) -> bool:
    """Whether the manifest may hold rows of one of these datasets; one of several manifests names none."""
    return any(gathered.datasets[number].manifest in (manifest, "") for number in datasets)


def option_of(field: str) -> str:
    """The option that sets a field of the filter's rules."""
    return "--" + field.replace("_", "-")


def filter_of(place: str) -> str:
    """The command as far as it does not depend on thresholds."""
    return f"syncqc filter {quoted(place)}"


def out_of(place: str) -> str:
    """Its option for where the rows go."""
    return f"--out {quoted(place)}"


def quoted(place: str) -> str:
    """The place as a POSIX shell takes it for one word, which no command takes for an option; ``~/`` stays what it is."""
    if place.startswith("~/"):
        return "~/" + shlex.quote(place[2:])
    return shlex.quote(f"./{place}" if place.startswith(("-", "~")) else place)

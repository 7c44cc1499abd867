"""``syncqc models``: which networks there are, with weights or without, and what is known of each.

Knows what lies in a model's folder: the weights, a card with a line ``Licence: ...``, and ``eval.json`` from ``syncqc evaluate``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncqc.nets.ic_syncnet import IcSyncNetConfig

CARD, EVALUATION = "README.md", "eval.json"
SUMMARY_DURATION_S = 3.0


@dataclass(frozen=True)
class ModelFacts:
    """One line of the table; None where a network has no weights, or its folder does not say."""

    name: str
    n_parameters: int
    crop: str
    weights_mb: float | None = None
    tau: float | None = None
    zero_offset_frames: int | None = None
    licence: str | None = None
    summary: str | None = None


def models() -> None:
    """Lists the networks: parameters, input, weights, tau, zero, licence, and how well they do."""
    _show(gather())


def gather() -> list[ModelFacts]:
    """What is known of each network, by name: those with weights, and those that can be trained."""
    from syncqc.nets import checkpoint
    from syncqc.nets.ic_syncnet import CONFIGS, IcSyncNet

    configs = {f"{IcSyncNet.architecture}.{tag}": config for tag, config in CONFIGS.items()}
    weights = checkpoint.available()
    headers = {name: checkpoint.read_header(path) for name, path in weights.items()}
    configs |= {name: checkpoint.config_of(header) for name, header in headers.items()}
    facts = []
    for name, config in sorted(configs.items()):
        crop = f"{config.height_px} x {config.width_px}"
        if name not in headers:
            facts.append(ModelFacts(name, _n_parameters(config), crop))
            continue
        header, path = headers[name], weights[name]
        facts.append(
            ModelFacts(
                name=name,
                n_parameters=_n_parameters(config),
                crop=crop,
                weights_mb=path.stat().st_size / 1e6,
                tau=header.tau,
                zero_offset_frames=header.zero_offset_frames,
                licence=_licence(path.with_name(CARD)),
                summary=_summary(path.with_name(EVALUATION)),
            )
        )
    return facts


def _n_parameters(config: IcSyncNetConfig) -> int:
    import torch

    from syncqc.nets.ic_syncnet import IcSyncNet

    with torch.device("meta"):
        network = IcSyncNet(config)
    return sum(parameter.numel() for parameter in network.parameters())


def _licence(card: Path) -> str | None:
    found = re.search(r"^\W*Licence\W+(.+)$", card.read_text(), flags=re.MULTILINE) if card.is_file() else None
    return found[1].strip(" .*") if found else None


def _summary(evaluation: Path) -> str | None:
    if not evaluation.is_file():
        return None
    figures = json.loads(evaluation.read_text())["figures"]["all"]
    (line,) = [line for line in figures["by_duration"] if line["duration_s"] == SUMMARY_DURATION_S]
    agrees, lower = ("?" if line[key] is None else f"{line[key]:.0%}" for key in ("offset_agrees_with_clip", "foreign_lower_share"))
    return (
        f"on unseen speakers {agrees} of stretches of {SUMMARY_DURATION_S:g} s have the offset of their clip within 1 image, "
        f"and foreign speech is less probable in {lower} of pairs ({line['n_clips']} clips)"
    )


def _show(facts: list[ModelFacts]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("network", no_wrap=True)
    for heading in ("size", "crop (px)", "weights", "tau", "zero"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    for fact in facts:
        cells = (
            fact.name,
            f"{fact.n_parameters / 1e6:.1f} M",
            fact.crop,
            "none" if fact.weights_mb is None else f"{fact.weights_mb:.1f} MB",
            "" if fact.tau is None else f"{fact.tau:.3f}",
            "" if fact.zero_offset_frames is None else f"{fact.zero_offset_frames:+d}".replace("+0", "0"),
            "" if fact.weights_mb is None else fact.licence or "not stated",
        )
        table.add_row(*map(Text, cells))
    console = Console()
    console.print(table)
    for fact in facts:
        if fact.summary is not None:
            console.print(Text(f"{fact.name}: {fact.summary}"))

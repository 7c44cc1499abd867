"""Weights in safetensors with everything needed to use them in the header: configuration, temperature, zero, mel, calibration.

Knows where models live (`models/<name>/weights.safetensors`, in a checkout or in the installed package).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from syncqc.clock import WINDOW_MEL, MelRounding
from syncqc.errors import UsageError, unknown_name
from syncqc.manifest.aside import written_aside
from syncqc.nets.ic_syncnet import CONFIGS, IcSyncNet, IcSyncNetConfig

WEIGHTS = "weights.safetensors"
FORMAT = "syncqc-weights-1"


@dataclass(frozen=True)
class Header:
    """What stands beside the weights in the file."""

    name: str
    config: dict[str, Any]
    tau: float
    zero_offset_frames: int = 0
    """What the network reads on material that is in sync; taken off every offset."""
    mel_rounding: MelRounding = "round"
    mel: dict[str, float] | None = None
    """Fields of the mel front end it was trained with."""
    calibration: dict[str, Any] | None = None
    """The map to probability_in_sync, or None where it was never fitted."""
    trained: dict[str, Any] | None = None
    """Settings of the training run."""


@dataclass(frozen=True)
class LoadedNet:
    """A network ready for use, with its header and the hash of its file."""

    network: IcSyncNet
    header: Header
    weights_sha256: str

    @property
    def crop_height_px(self) -> int:
        """Height of the mouth crops it takes."""
        return self.network.config.height_px

    @property
    def crop_width_px(self) -> int:
        """Width of the mouth crops it takes."""
        return self.network.config.width_px


def model_folders() -> list[Path]:
    """Where models are looked for: inside the installed package, then in the checkout around it."""
    package = Path(__file__).resolve().parents[1]
    return [folder for folder in (package / "_models", package.parent / "models") if folder.is_dir()]


def available() -> dict[str, Path]:
    """Names of all models that come with weights, and where these are."""
    found: dict[str, Path] = {}
    for folder in model_folders():
        for weights in sorted(folder.glob(f"*/{WEIGHTS}")):
            found.setdefault(weights.parent.name, weights)
    return found


def find(name_or_path: str) -> Path:
    """The weights file that a model's name or a path stands for.

    Raises:
        UsageError: no such model or file.
    """
    if name_or_path.endswith(".safetensors"):
        path = Path(name_or_path)
        if not path.is_file():
            raise UsageError(f"there is no weights file {name_or_path}")
        return path
    known = available()
    if name_or_path not in known:
        raise unknown_name("model", name_or_path, known) if known else UsageError(f"no model {name_or_path!r}: no weights are installed")
    return known[name_or_path]


def read_header(path: Path) -> Header:
    """The header of a weights file; the weights are not read.

    Raises:
        UsageError: not a weights file of ours.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path} is no weights file: {error}") from error
    if metadata.get("format") != FORMAT:
        raise UsageError(f"{path} holds no syncqc weights (format {metadata.get('format')!r}, expected {FORMAT!r})")
    try:
        return Header(**json.loads(metadata["header"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} has a header that this syncqc cannot read: {error}") from error


def load(name_or_path: str) -> LoadedNet:
    """The trained network, in evaluation mode, on the CPU.

    Raises:
        UsageError: no such model, or not a weights file of ours.
    """
    path = find(name_or_path)
    header = read_header(path)
    network = IcSyncNet(config_of(header))
    with safe_open(path, "pt") as file:
        network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118  (no mapping)
    return LoadedNet(network.eval(), header, file_sha256(str(path), path.stat().st_mtime_ns))


@cache
def file_sha256(path: str, mtime_ns: int) -> str:
    """SHA-256 of the file, in hexadecimal; `mtime_ns` makes a changed file a new question."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def store(path: Path, network: IcSyncNet, header: Header) -> None:
    """The file at `path` holds the weights and the header, or is as it was before."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    payload = save(tensors, {"format": FORMAT, "header": json.dumps(asdict(header))})
    with written_aside(path) as aside:
        aside.write_bytes(payload)


def config_of(header: Header) -> IcSyncNetConfig:
    """The configuration in the header, its lists made tuples again."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in header.config.items()}
    return IcSyncNetConfig(**values)


def new_network(name: str, mel_columns: int = WINDOW_MEL) -> IcSyncNet:
    """An untrained network of that name, `architecture.tag`, which reads so many mel columns.

    Raises:
        UsageError: no such architecture or tag.
    """
    return IcSyncNet(network_config(name, mel_columns))


def network_config(name: str, mel_columns: int = WINDOW_MEL) -> IcSyncNetConfig:
    """The configuration that a name stands for.

    Raises:
        UsageError: no such architecture or tag.
    """
    names = {f"{IcSyncNet.architecture}.{tag}": config for tag, config in CONFIGS.items()}
    if name not in names:
        raise unknown_name("network", name, names)
    return replace(names[name], mel_columns=mel_columns)

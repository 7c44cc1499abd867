"""``syncqc doctor``: what this machine has, and whether ``score`` can run on it.

Knows the names of libraries and where their files lie; measures nothing.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import typer

from syncqc import __version__

NEEDED_DECODERS = ("h264", "aac")
USEFUL_DECODERS = ("hevc", "vp9", "av1", "mpeg4", "mjpeg", "prores", "mp3", "opus", "vorbis", "flac", "ac3")
WHERE_WEIGHTS_ARE = "a checkout has them in models/, a wheel inside the package; reinstall syncqc, or name others with --model"
LITTLE_DISK_GB = 5.0
LITTLE_MEMORY_GB = 2.0


class Status(StrEnum):
    """How a check ended: fine, usable with a limit, or not there."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True)
class Check:
    """One line of the table: what was looked at, how it is, and what to do about it."""

    name: str
    status: Status
    sentence: str
    is_needed: bool = False
    """Whether `score` with its default settings cannot run without it."""


def doctor() -> None:
    """Shows what this machine has: decoders, ffmpeg, detector and network weights, GPU, Ray."""
    checks = examine()
    _show(checks)
    reasons = [check for check in checks if check.is_needed and check.status is Status.MISSING]
    if reasons:
        typer.echo("score cannot run here: " + "; ".join(f"{check.name}: {check.sentence}" for check in reasons), err=True)
        raise typer.Exit(1)
    typer.echo("score can run here.")


def examine() -> list[Check]:
    """All checks in the order in which they are shown; a check that breaks is `missing` and says how it broke."""
    return [
        _guard("python", check_python),
        Check("syncqc", Status.OK, f"{__version__} in {Path(__file__).parents[1]}"),
        _guard("decoding", check_decoding),
        _guard("decoders", check_decoders),
        _guard("ffmpeg", check_ffmpeg, is_needed=False),
        _guard("opencv", check_opencv),
        _guard("detector", check_detector),
        _guard("insightface", check_insightface, is_needed=False),
        _guard("onnxruntime", check_onnxruntime),
        _guard("torch", check_torch),
        _guard("network", check_network),
        _guard("ray", check_ray, is_needed=False),
        _guard("processor", check_processor, is_needed=False),
        _guard("memory", check_memory, is_needed=False),
        _guard("disk", check_disk, is_needed=False),
    ]


def _guard(name: str, check: Callable[[], Check], is_needed: bool = True) -> Check:
    # A broken native library may raise anything while it is imported; the table must still be shown.
    try:
        return check()
    except Exception as error:
        return Check(name, Status.MISSING, f"{type(error).__name__}: {error}", is_needed)


def check_python() -> Check:
    """Which Python runs, on which system."""
    return Check("python", Status.OK, f"{platform.python_version()} on {platform.system()} {platform.machine()} ({sys.executable})")


def check_decoding() -> Check:
    """Which PyAV reads files, and which FFmpeg libraries it brings."""
    import av

    libraries = ", ".join(f"{name} {'.'.join(map(str, version))}" for name, version in sorted(av.library_versions.items()))
    return Check("decoding", Status.OK, f"PyAV {av.__version__} with {libraries}", is_needed=True)


def check_decoders() -> Check:
    """Which of the usual picture and sound codecs can be read."""
    missing = [name for name in (*NEEDED_DECODERS, *USEFUL_DECODERS) if not _has_decoder(name)]
    present = [name for name in (*NEEDED_DECODERS, *USEFUL_DECODERS) if name not in missing]
    if not missing:
        return Check("decoders", Status.OK, ", ".join(present), is_needed=True)
    status = Status.MISSING if set(missing) & set(NEEDED_DECODERS) else Status.WARNING
    sentence = f"files with {', '.join(missing)} cannot be read; install PyAV's own wheel (pip install av)"
    return Check("decoders", status, sentence, is_needed=True)


def _has_decoder(name: str) -> bool:
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    try:
        Codec(name, "r")
    except UnknownCodecError:
        return False
    return True


def check_ffmpeg() -> Check:
    """Which ffmpeg binary writes files; only `demo` and repairing need one."""
    from syncqc.media.mux import ffmpeg_binary

    binary = ffmpeg_binary()
    answer = subprocess.run([binary, "-version"], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, timeout=30)
    version = answer.stdout.split("\n", 1)[0].removeprefix("ffmpeg version ").split(" ", 1)[0]
    return Check("ffmpeg", Status.OK, f"{version} ({binary})")


def check_opencv() -> Check:
    """Whether OpenCV loads: on a bare Linux it lacks two system libraries."""
    try:
        import cv2
    except ImportError as error:
        return Check("opencv", Status.MISSING, f"{error}; on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0", is_needed=True)
    return Check("opencv", Status.OK, cv2.__version__, is_needed=True)


def check_detector() -> Check:
    """Whether the default face detector loads with its weights, and on what it runs."""
    from syncqc.faces.centerface import CenterFace

    detector = CenterFace()
    return Check(
        "detector", Status.OK, f"{detector.name} loads, runs on {detector.provider.removesuffix('ExecutionProvider')}", is_needed=True
    )


def check_insightface() -> Check:
    """Whether SCRFD can be chosen as the detector, and which packs of weights are there."""
    version = _installed_version("insightface")
    if version is None:
        return Check("insightface", Status.WARNING, "only for --detector insightface: pip install 'syncqc[insightface]'")
    root = Path.home() / ".insightface" / "models"
    packs = sorted({file.parent.name for file in root.glob("*/*.onnx")})
    if not packs:
        return Check("insightface", Status.WARNING, f"{version}, no weights in {root}; --detector insightface needs them (research only)")
    return Check("insightface", Status.OK, f"{version}, packs {', '.join(packs)} in {root} (weights for research only)")


def check_onnxruntime() -> Check:
    """On what the face detector can run."""
    import onnxruntime

    providers = ", ".join(name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers())
    both = [name for name in ("onnxruntime", "onnxruntime-gpu") if _installed_version(name) is not None]
    if len(both) > 1:
        return Check("onnxruntime", Status.WARNING, "onnxruntime and onnxruntime-gpu are both installed and break each other; remove one")
    return Check("onnxruntime", Status.OK, f"{onnxruntime.__version__}, runs on {providers}", is_needed=True)


def _installed_version(distribution: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def check_torch() -> Check:
    """Which PyTorch runs the networks, on how many threads or which GPU."""
    import torch

    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    where = ", ".join(devices) if devices else "no CUDA device"
    return Check("torch", Status.OK, f"{torch.__version__}, {torch.get_num_threads()} CPU threads, {where}", is_needed=True)


def check_network() -> Check:
    """Whether the network that `score` takes by default has weights, and which others have."""
    from syncqc.nets.checkpoint import available, load
    from syncqc.stages.score import Score

    names = available()
    if Score.model not in names:
        sentence = f"{Score.model}, which score takes by default, has no weights here ({WHERE_WEIGHTS_ARE})"
        return Check("network", Status.MISSING, sentence, is_needed=True)
    load(Score.model)
    others = sorted(names.keys() - {Score.model})
    return Check("network", Status.OK, f"{Score.model} loads" + (f"; also {', '.join(others)}" if others else ""), is_needed=True)


def check_ray() -> Check:
    """Whether Ray is there to spread a run over processes or machines."""
    version = _installed_version("ray")
    if version is None:
        return Check("ray", Status.MISSING, "not installed, so only --engine local runs: pip install 'ray[data]'")
    return Check("ray", Status.OK, version)


def check_processor() -> Check:
    """How many cores this process may use."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Check("processor", Status.OK, f"{n_cores} cores for this process")


def check_memory() -> Check:
    """How much memory the machine has."""
    total_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    if total_gb < LITTLE_MEMORY_GB:
        return Check("memory", Status.WARNING, f"{total_gb:.1f} GB; one worker needs up to 1.5 GB")
    return Check("memory", Status.OK, f"{total_gb:.1f} GB")


def check_disk() -> Check:
    """How much can be written here."""
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    if free_gb < LITTLE_DISK_GB:
        return Check("disk", Status.WARNING, f"{free_gb:.1f} GB free in {Path.cwd()}; choose another place for --out")
    return Check("disk", Status.OK, f"{free_gb:.1f} GB free in {Path.cwd()}")


def _show(checks: list[Check]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {Status.OK: "green", Status.WARNING: "yellow", Status.MISSING: "red"}
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("what", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("which", overflow="fold")
    for check in checks:
        table.add_row(check.name, Text(check.status, style=colours[check.status]), Text(check.sentence))
    Console().print(table)

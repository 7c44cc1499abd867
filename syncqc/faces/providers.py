"""Where a detector's network runs: on CUDA where onnxruntime has it, else on the CPU, and never on the CPU by surprise.

onnxruntime falls back to the CPU when CUDA cannot be started, and says so only in its log. Here that is an error.
"""

from __future__ import annotations

import os
from typing import Protocol

import onnxruntime

from syncqc.errors import UsageError

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class Session(Protocol):
    """The part of an onnxruntime session that tells where it runs."""

    def get_providers(self) -> list[str]:
        """The providers in use, first choice first."""
        ...


def wanted_providers() -> list[str]:
    """CUDA before the CPU where this build of onnxruntime has it, unless CUDA_VISIBLE_DEVICES hides every GPU."""
    is_hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    if is_hidden or CUDA not in onnxruntime.get_available_providers():
        return [CPU]
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # finds the CUDA libraries that come with PyTorch
    return [CUDA, CPU]


def session_options(n_threads: int) -> onnxruntime.SessionOptions:
    """Options for a session of `n_threads` threads that logs nothing below errors."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.log_severity_level = 3
    return options


def check_active(session: Session, wanted: list[str], detector: str) -> str:
    """The provider that `session` really runs on.

    Raises:
        UsageError: it is not the first of `wanted`.
    """
    active = session.get_providers()[0]
    if active != wanted[0]:
        raise UsageError(
            f"{detector} was to run on {wanted[0]} and onnxruntime fell back to {active}; install the CUDA and cuDNN that this "
            "onnxruntime-gpu asks for, or set CUDA_VISIBLE_DEVICES=-1 to run it on the CPU on purpose."
        )
    return active

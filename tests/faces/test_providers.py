from __future__ import annotations

import onnxruntime
import pytest

from syncqc.errors import UsageError
from syncqc.faces.providers import CPU, CUDA, check_active, session_options, wanted_providers


@pytest.mark.parametrize(
    ("available", "visible", "wanted"),
    [
        pytest.param([CUDA, CPU], None, [CUDA, CPU], id="cuda"),
        pytest.param([CUDA, CPU], "0,1", [CUDA, CPU], id="cuda-chosen"),
        pytest.param([CUDA, CPU], "", [CPU], id="hidden"),
        pytest.param([CUDA, CPU], "-1", [CPU], id="hidden-by-minus-one"),
        pytest.param(["AzureExecutionProvider", CPU], None, [CPU], id="cpu-build"),
    ],
)
def test_cuda_is_wanted_where_it_is_offered_and_not_hidden(
    monkeypatch: pytest.MonkeyPatch, available: list[str], visible: str | None, wanted: list[str]
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert wanted_providers() == wanted


class RunsOn:
    def __init__(self, *providers: str) -> None:
        self._providers = list(providers)

    def get_providers(self) -> list[str]:
        return self._providers


def test_what_runs_is_told() -> None:
    assert check_active(RunsOn(CUDA, CPU), [CUDA, CPU], "a detector") == CUDA
    assert check_active(RunsOn(CPU), [CPU], "a detector") == CPU


def test_a_fall_back_to_the_cpu_says_how_to_go_on() -> None:
    with pytest.raises(UsageError, match=r"a detector was to run on CUDA.*install the CUDA.*or set CUDA_VISIBLE_DEVICES=-1"):
        check_active(RunsOn(CPU), [CUDA, CPU], "a detector")


def test_threads_are_those_asked_for() -> None:
    assert session_options(3).intra_op_num_threads == 3

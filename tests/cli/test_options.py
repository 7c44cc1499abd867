from __future__ import annotations

from pathlib import Path

import pytest

from syncqc.cli.options import limits_of, read_from
from syncqc.engine.isolate import Limits

GIVEN = {
    "nothing": ((None, None), Limits()),
    "time alone": ((7.0, None), Limits(time_limit_s=7.0)),
    "both": ((7.0, 0.5), Limits(time_limit_s=7.0, memory_limit_gb=0.5)),
}


@pytest.mark.parametrize(("given", "limits"), GIVEN.values(), ids=GIVEN)
def test_limits_that_are_not_given_are_the_default_ones(given: tuple[float | None, float | None], limits: Limits) -> None:
    assert limits_of(*given) == limits


def test_the_settings_know_whole_paths_wherever_the_command_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_from(Path("clips"), None) == {"source": str(tmp_path.resolve() / "clips"), "audio_root": None}
    assert read_from(Path("clips"), Path("aac"))["audio_root"] == str(tmp_path.resolve() / "aac")

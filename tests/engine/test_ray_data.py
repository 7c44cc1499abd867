from __future__ import annotations

import logging
import pickle
import socket
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_plan import FakeFaces, FakeScore, fake_clips, fake_plan

from syncqc.engine.assemble import Measured
from syncqc.engine.isolate import Limits
from syncqc.engine.local import run_local
from syncqc.engine.plan import Plan, default_plan
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip, Row, complete

VIDEO = Path(__file__).parents[3] / "shared" / "clips" / "train" / "grid-s1" / "grid-s1-0001.mp4"
BEHAVIOURS = ("ok-3", "segfault-2", "exit-0", "ok-1", "raise-1", "clip_error-1", "none", "faceless-3", "farbug-3", "memory-1", "ok-40")
LIMITS = Limits(time_limit_s=20.0, memory_limit_gb=0.5)


def by_key(rows: Iterator[Row]) -> dict[tuple[object, ...], Row]:
    return {(row["clip_id"], row["part_index"], row.get("track_index")): complete(row) for row in rows}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_ray_gives_the_rows_of_the_reference(caplog: pytest.LogCaptureFixture) -> None:
    from syncqc.engine.ray_data import run_ray

    clips = fake_clips(*BEHAVIOURS)
    with caplog.at_level(logging.WARNING):
        found = list(run_ray(fake_plan(), clips, limits=LIMITS, keep_similarity=True))
    assert "RuntimeError: cannot score this" in caplog.text, "what an actor logs is logged here"
    expected = list(run_local(fake_plan(), clips, limits=LIMITS, keep_similarity=True))
    assert sorted(result.clip.clip_id for result in found) == [clip.clip_id for clip in clips]
    here, there = by_key(r for result in expected for r in result.rows), by_key(r for result in found for r in result.rows)
    assert there.keys() == here.keys()
    for key, row in here.items():
        for name, value in row.items():
            assert there[key][name] == (pytest.approx(value, abs=1e-3) if isinstance(value, float) else value), (key, name)
    assert {r.clip.clip_id: (r.face_lines, r.similarities) for r in found} == {
        r.clip.clip_id: (r.face_lines, r.similarities) for r in expected
    }


@pytest.mark.ray
def test_clips_whose_parts_got_lost_are_scored_again_here(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from syncqc.engine import ray_data

    clips = fake_clips("ok-2", "ok-2")
    (whole, other) = run_local(fake_plan(), clips)
    parts = [Measured(i, [row for row in whole.rows if row["part_index"] == i], [], []) for i in (0, 1)]
    items = [(0, parts[0], None), (0, None, 2), (1, parts[0], None), (1, None, 2), (0, parts[1], None), (0, parts[1], None), (0, None, 2)]

    class Lossy:
        def iter_batches(self, **_: Any) -> Iterator[dict[str, list[bytes]]]:
            yield {"content": [pickle.dumps(item) for item in items]}

    monkeypatch.setattr(ray_data, "_dataset", lambda *_: Lossy())
    monkeypatch.setattr(ray_data, "_start", lambda _: None)
    monkeypatch.setattr(ray_data.ray, "shutdown", lambda: None)
    found = list(ray_data.run_ray(fake_plan(), clips))
    assert [(result.clip, result.rows) for result in found] == [(whole.clip, whole.rows), (other.clip, other.rows)]
    assert "Ray lost parts of 1 clips" in caplog.text


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(not VIDEO.is_file(), reason="needs the shared clips")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_ray_gives_the_rows_of_the_reference_for_a_real_network(tmp_path: Path) -> None:
    from syncqc.engine.ray_data import run_ray
    from syncqc.nets.checkpoint import Header, new_network, store

    torch.manual_seed(0)
    network = new_network("ic-syncnet.small")
    store(tmp_path / "untrained.safetensors", network, Header("ic-syncnet.small", asdict(network.config), 0.1))
    plan = default_plan(model=str(tmp_path / "untrained.safetensors"))
    clips = [Clip("a", str(VIDEO))]
    here, there = (by_key(row for result in run(plan, clips) for row in result.rows) for run in (run_local, run_ray))
    assert here.keys() == there.keys()
    assert [row["failure"] for row in here.values()] == [None]
    for key, row in here.items():
        for name, value in row.items():
            found = there[key][name]
            if name == "similarity":
                assert np.asarray(found, float) == pytest.approx(np.asarray(value, float), abs=1e-3, nan_ok=True)
            else:
                assert found == (pytest.approx(value, abs=1e-3) if isinstance(value, float) else value), (key, name)


@pytest.mark.ray
@pytest.mark.parametrize(
    ("plan", "sentence"),
    [(fake_plan(faces=FakeFaces(refusal="no weights")), "no weights"), (Plan(fake_plan().source, [], [FakeScore()]), "FakeScore reads")],
    ids=["near stage", "plan"],
)
def test_a_wrong_setting_is_told_before_ray_is_started(plan: Plan, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from syncqc.engine.ray_data import run_ray

    def never(**_: Any) -> None:
        pytest.fail("Ray was started")

    monkeypatch.setattr(ray, "init", never)
    with pytest.raises(UsageError, match=sentence):
        run_ray(plan, fake_clips("ok-1"))


@pytest.mark.ray
def test_an_address_at_which_nobody_listens_is_refused_at_once() -> None:
    from syncqc.engine.ray_data import run_ray

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(UsageError, match=f"there is no Ray cluster at 127.0.0.1:{port}: Connection refused"):
            run_ray(fake_plan(), fake_clips("ok-1"), address=f"127.0.0.1:{port}")


@pytest.mark.ray
def test_a_cluster_that_refuses_is_told_with_its_first_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from syncqc.engine.ray_data import run_ray

    def refuses(**_: Any) -> None:
        try:
            raise RuntimeError("the token is missing. For more information see the manual")
        except RuntimeError as error:
            raise ConnectionError("Failed to connect") from error

    monkeypatch.setattr(ray, "init", refuses)
    with pytest.raises(UsageError, match=r"^cannot use the Ray cluster at auto: the token is missing$"):
        run_ray(fake_plan(), fake_clips("ok-1"), address="auto")


@pytest.mark.ray
@pytest.mark.parametrize(
    ("workers", "there", "readers", "networks", "cpus_each"),
    [
        (None, {"CPU": 16.0}, 11, 5, 1.0),
        (None, {"CPU": 2.0}, 1, 1, 1.0),
        (None, {"CPU": 1.0}, 1, 1, 0.5),
        (None, {"CPU": 16.0, "GPU": 2.0}, 16, 2, 1.0),
        (12, {"CPU": 16.0}, 12, 4, 1.0),
        (16, {"CPU": 4.0}, 16, 1, 0.235),
        (3, {}, 3, 1, 0.25),
    ],
)
def test_actors_fit_into_what_is_there(workers: int | None, there: dict[str, float], readers: int, networks: int, cpus_each: float) -> None:
    from syncqc.engine.ray_data import _shares

    shares = _shares(workers, there)
    assert (shares.n_readers, shares.n_networks, shares.cpus_each) == (readers, networks, cpus_each)


@pytest.mark.ray
@pytest.mark.parametrize(
    ("workers", "there", "readers", "cpus_each"),
    [(None, {"CPU": 16.0}, 16, 0.941), (None, {"CPU": 1.0, "GPU": 2.0}, 1, 0.5), (3, {"CPU": 16.0}, 3, 1.0)],
)
def test_where_no_stage_is_left_for_them_networks_take_no_cores(
    workers: int | None, there: dict[str, float], readers: int, cpus_each: float
) -> None:
    from syncqc.engine.ray_data import _shares

    shares = _shares(workers, there, has_far=False)
    assert (shares.n_readers, shares.n_networks, shares.cpus_each, shares.has_gpus) == (readers, 1, cpus_each, False)

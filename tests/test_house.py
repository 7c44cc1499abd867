"""The house itself: what is pinned, what a wheel holds, which import goes where, and that the README speaks of what exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import syncqc
from syncqc.cli.main import app

ROOT = Path(__file__).parents[1]
ROOMS = sorted(folder for folder in (ROOT / "syncqc").iterdir() if (folder / "__init__.py").is_file())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
README = (ROOT / "README.md").read_text()

# Tests of several files of one room together.
TOGETHER = {"faces/test_agreement.py"}

HEAVY = {"av", "cv2", "matplotlib", "numpy", "onnxruntime", "pandas", "pyarrow", "ray", "rich", "scipy", "skimage", "torch"}


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def requirements() -> list[Requirement]:
    project = PROJECT["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return [requirement for requirement in map(Requirement, lines) if requirement.name != "syncqc"]


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), cwd=cwd, env=environment or None, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_a_requirement_has_a_pin_that_fits_it(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_pins_name_no_local_build() -> None:
    assert [version for version in pins().values() if "+" in version] == []


def test_the_wheels_that_pull_cuda_are_left_out() -> None:
    assert {"torchaudio", "torchvision"} & pins().keys() == set()


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_says_what_it_does_not_know(room: Path) -> None:
    text = (room / "__init__.py").read_text()
    assert re.search(r"\b[Kk]now", text), f"{room.name}/__init__.py says nothing about what it does not know"


def test_no_module_is_named_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [path for path in (ROOT / "syncqc").rglob("*.py") if path.stem in vague] == []


def test_tests_mirror_the_package() -> None:
    about = {str(path.relative_to(ROOT / "syncqc").with_name(f"test_{path.name}")) for path in (ROOT / "syncqc").rglob("*.py")}
    in_rooms = {str(path.relative_to(ROOT / "tests")) for room in ROOMS for path in (ROOT / "tests" / room.name).rglob("test_*.py")}
    assert in_rooms - about - TOGETHER == set()
    assert in_rooms >= TOGETHER


def test_the_command_line_loads_nothing_heavy() -> None:
    code = "import sys, syncqc.cli.main; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    answer = run(sys.executable, "-W", "error", "-c", code, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr
    assert set(answer.stdout.split()) & HEAVY == set()


def test_importing_the_package_prints_nothing_and_loads_nothing() -> None:
    code = "import sys; before = set(sys.modules); import syncqc; print(*set(sys.modules) - before - {'__future__'})"
    answer = run(sys.executable, "-c", code, cwd=ROOT)
    assert (answer.stdout.split(), answer.stderr) == (["syncqc"], "")


VIOLATIONS = {
    "Imports go down only": ("measure/offset.py", "import syncqc.stages.base"),
    "Ray is known to": ("engine/plan.py", "import ray"),
    "Face detection libraries": ("stages/base.py", "import insightface"),
    "The terminal is known to cli": ("stages/base.py", "import rich.table"),
    "PyAV is known to media": ("manifest/row.py", "import av"),
    "Measures are pure": ("measure/offset.py", "import torch"),
    "Loaders crop from stored": ("loaders/item.py", "import syncqc.faces.registry"),
}


@pytest.mark.slow
def test_the_floors_hold_and_notice_each_violation(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "syncqc", tmp_path / "syncqc", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    lint = (Path(sys.executable).with_name("lint-imports"), "--no-cache")
    whole = run(*lint, cwd=tmp_path)
    assert whole.returncode == 0, whole.stdout
    for module, line in VIOLATIONS.values():
        with (tmp_path / "syncqc" / module).open("a") as file:
            file.write(f"\n{line}\n")
    broken = run(*lint, cwd=tmp_path)
    assert broken.returncode == 1
    marked = [line for line in broken.stdout.splitlines() if " BROKEN" in line]
    assert [name for name in VIOLATIONS if not any(line.startswith(name) for line in marked)] == []


@pytest.mark.slow
def test_a_wheel_holds_the_package_and_the_models_and_runs_elsewhere(tmp_path: Path) -> None:
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    elsewhere = tmp_path / "elsewhere"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(elsewhere / "site")
    held = {path.relative_to(elsewhere / "site") for path in (elsewhere / "site").rglob("*") if path.is_file()}
    assert {path.parts[0] for path in held} == {"syncqc", f"syncqc-{syncqc.__version__}.dist-info"}
    assert Path("syncqc/py.typed") in held
    for folder in ("models", "pipelines"):
        kept = {
            path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts
        }
        assert {path.relative_to(f"syncqc/_{folder}") for path in held if path.parts[:2] == ("syncqc", f"_{folder}")} == kept
    answer = run(sys.executable, "-m", "syncqc", "--version", cwd=elsewhere, PYTHONPATH=str(elsewhere / "site"))
    assert (answer.stdout, answer.returncode) == (f"syncqc {syncqc.__version__}\n", 0)


def test_the_readme_speaks_of_commands_that_exist() -> None:
    spoken = set(re.findall(r"(?:^|`)syncqc ([a-z]+)", README, flags=re.MULTILINE))
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert spoken - known == set()
    assert "score" in spoken


def test_the_readme_speaks_of_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", README, flags=re.MULTILINE)) <= targets


def test_the_tree_in_the_readme_is_the_tree() -> None:
    tree = README.split("## The tree", 1)[1].split("```")[1]
    named = set(re.findall(r"([a-z_]+)/", tree.replace("and", "")))
    assert {room.name for room in ROOMS} <= named
    assert {folder for folder in named if not ((ROOT / folder).is_dir() or (ROOT / "syncqc" / folder).is_dir())} == set()


def test_ci_runs_the_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make check" in script.read_text()
    assert "make check" in README


def test_the_image_runs_as_nobody_special_and_copies_what_is_there() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER ")][-1] not in ("USER root", "USER 0")
    assert 'ENTRYPOINT ["syncqc"]' in lines
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert set(copied) == let_in

"""The packages: wheel and sdist carry everything, and an installed tracekit works away from the repository."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from conftest import ROOT

pytestmark = [pytest.mark.package, pytest.mark.xdist_group("package")]

DATA = ("grammars", "reports")
DERIVED = "grammars/derived.json"  # made by the build


def run(command: Sequence[str | Path], cwd: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def build(kind: str, source: Path, into: Path) -> Path:
    """The file that `python -m build` makes of the folder `source`."""
    run([sys.executable, "-m", "build", f"--{kind}", "--outdir", into, source], into)
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist's top folder, unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    return top


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the checkout."""
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel_of_sdist(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", unpacked, tmp_path_factory.mktemp("wheel-of-sdist"))


@pytest.fixture(scope="module")
def installed(wheel_of_sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder bin/ of a fresh environment with the wheel and what it depends on, nothing else."""
    environment = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", environment], environment)
    run([environment / "bin" / "python", "-m", "pip", "install", "-q", wheel_of_sdist], environment)
    return environment / "bin"


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def files_under(folder: Path) -> set[str]:
    """Paths of all files below `folder`, caches left out, beginning with its own name."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder.parent).as_posix() for path in found}


def tracked(*folders: str) -> set[str]:
    """What git knows of these folders and is still there; a source without git has nothing to compare with."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = run(["git", "ls-files", "-z", *folders], ROOT).stdout.split("\0")
    return {name for name in listed if name and (ROOT / name).is_file()}


@pytest.mark.parametrize("folder", DATA)
def test_the_wheel_has_every_data_file(wheel: Path, folder: str) -> None:
    inside = {name.removeprefix("tracekit/") for name in names(wheel) if name.startswith(f"tracekit/{folder}/")}
    assert inside - {DERIVED} == files_under(ROOT / folder)
    assert inside
    assert tracked(folder) <= inside


def test_the_wheel_has_every_module_and_no_test(wheel: Path) -> None:
    modules = {name for name in names(wheel) if name.endswith(".py")}
    assert modules == {name for name in files_under(ROOT / "tracekit") if name.endswith(".py")}
    assert {name.split("/")[0].split("-")[0] for name in names(wheel)} == {"tracekit"}


def test_the_wheel_of_the_sdist_is_the_wheel_of_the_checkout(wheel: Path, wheel_of_sdist: Path) -> None:
    assert names(wheel_of_sdist) == names(wheel)
    assert wheel_of_sdist.name == wheel.name


def test_the_sdist_has_all_that_git_has(unpacked: Path) -> None:
    folders = ("tracekit", "grammars", "reports", "sample_logs", "tests", ".ci", "README.md", "CHANGELOG.md", "LICENSE")
    there = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert tracked(*folders) <= there
    assert {"pyproject.toml", "LICENSE", "README.md"} <= there


def test_an_installed_tracekit_reports_from_another_folder(installed: Path, samples: Path, tmp_path: Path) -> None:
    log = samples / "4.23-kvm" / "a-healthy" / "management-server.log"
    done = run([installed / "tracekit", "report", log], tmp_path)
    page = tmp_path / "management-server.log.tracekit.html"
    assert [path.name for path in tmp_path.iterdir()] == [page.name]
    text = page.read_text(encoding="utf-8")
    assert text.lower().startswith("<!doctype html>")
    assert "deployVirtualMachine" in text
    assert "job-18" in text
    assert "job-18" in done.stdout or "deployVirtualMachine" in done.stdout

    refused = run([installed / "tracekit", "report", log], tmp_path, status=2)
    assert "--force" in refused.stderr
    assert page.read_text(encoding="utf-8") == text
    run([installed / "tracekit", "report", "--force", log], tmp_path)


def test_an_installed_tracekit_exports_tables(installed: Path, samples: Path, tmp_path: Path) -> None:
    log = samples / "4.18" / "a-healthy" / "management-server.log"
    run([installed / "tracekit", "export", log, "--to", "csv", "-o", "tables"], tmp_path)
    header = (tmp_path / "tables" / "operations.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith("operation,command,")


def test_the_wheel_has_the_derived_patterns_and_they_are_those_of_its_grammars(
    wheel: Path, installed: Path, samples: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        made = json.loads(archive.read(f"tracekit/{DERIVED}"))
    code = (
        "from tracekit.parse.grammar import code_digest\n"
        "from tracekit.parse.dialect import load_dialects\n"
        "from tracekit.parse.grammar import load_messages\n"
        "from tracekit.prepared import shipped\n"
        "from tracekit.resources import grammars\n"
        "known = [dialect.grammar for dialect in load_dialects(grammars())]\n"
        "known += load_messages(grammars()).grammars\n"
        "print(all(one.digest in shipped()['grammars'] for one in known), shipped()['code'] == code_digest())"
    )
    assert run([installed / "python", "-c", code], tmp_path).stdout.split()[:2] == ["True", "True"]
    assert sum(map(len, made["grammars"].values())) > 2000
    cache = tmp_path / "cache"
    log = samples / "4.18" / "a-healthy" / "management-server.log"
    code = (
        f"import sys; from tracekit.cli import main; main(['operations', {str(log)!r}]); print('lark' in sys.modules)"
    )
    said = run(["env", f"XDG_CACHE_HOME={cache}", installed / "python", "-c", code], tmp_path).stdout
    assert "deployVirtualMachine" in said
    assert said.split()[-1] == "False"  # nothing had to be derived


def test_the_data_is_found_inside_the_package(installed: Path, tmp_path: Path) -> None:
    code = (
        "from tracekit import resources\n"
        "for folder in (resources.grammars(), resources.reports()):\n"
        "    print(folder, sum(1 for _ in folder.iterdir()))"
    )
    lines = run([installed / "python", "-c", code], tmp_path).stdout.splitlines()
    environment = str(installed.parent)
    assert [line.startswith(environment) and line.split()[-1] != "0" for line in lines] == [True, True]
    assert [Path(line.split()[0]).parent.name for line in lines] == ["tracekit", "tracekit"]


def test_both_ways_to_start_it_agree(installed: Path, tmp_path: Path) -> None:
    script = run([installed / "tracekit", "--help"], tmp_path).stdout
    assert run([installed / "python", "-m", "tracekit", "--help"], tmp_path).stdout == script

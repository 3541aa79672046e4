"""What several test modules need: the folders of the repository, the sample logs, a browser or the reason for none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is a matter of the machine.
settings.register_profile("tracekit", deadline=None)
settings.load_profile("tracekit")

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "sample_logs"


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def samples() -> Path:
    """sample_logs/, whose paths are <release>/<scenario>/management-server.log[.gz]."""
    return SAMPLES


@pytest.fixture(scope="session")
def healthy() -> Path:
    """A plain log of two deploys that succeeded, KVM."""
    return SAMPLES / "4.23-kvm" / "a-healthy" / "management-server.log"


@pytest.fixture(scope="session")
def restarted() -> Path:
    """A packed log in which the server is killed and started again."""
    return SAMPLES / "4.23" / "k-ms-restart" / "management-server.log.gz"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Debian's chromium; the test is skipped where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no browser: install Debian's package chromium to run this test")
    return path

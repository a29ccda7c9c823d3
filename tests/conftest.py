"""What several rooms' tests share: restic and its releases, and how much Hypothesis draws."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from verifier.cli.toolchain import open_toolchain
from verifier.core.errors import CannotVerify

# What nohup and a shell's background ignore, every program that a test starts would ignore too.
for _ignorable in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_ignorable) == signal.SIG_IGN:
        _heard = signal.default_int_handler if _ignorable == signal.SIGINT else signal.SIG_DFL
        signal.signal(_ignorable, _heard)

# Deadlines are timings, and timings are never asserted.
settings.register_profile(
    "quick",
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("thorough", parent=settings.get_profile("quick"), max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes minutes first: at the end one worker would do it alone."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def restic_release() -> object:
    """Return a function from a release to its binary; one that cannot be had fails the test."""

    def provide(version: str) -> Path:
        try:
            return open_toolchain(dict(os.environ)).provide(version)
        except CannotVerify as error:
            pytest.fail(
                f"restic {version} is not to be had, so nothing is proven about it: {error}. "
                f"{error.remedy}"
            )

    return provide


@pytest.fixture(scope="session")
def restic_program() -> str:
    """The restic on PATH."""
    program = shutil.which("restic")
    if program is None:
        pytest.fail("restic is not on PATH: these tests ask the real program, install it first")
    return program

"""Programs on this machine: the host that runs them, and which restic is meant."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from verifier.core.errors import ToolMissing
from verifier.core.host import Host
from verifier.fleet.local import CLEAN_ENV, LocalHost


def local_host(environ: Mapping[str, str], *, inherit: bool) -> LocalHost:
    """Return this machine as a host.

    Args:
        inherit: commands see the user's own environment, as they must where a production
            repository's credentials live in it; otherwise a clean one and the user's PATH.
    """
    if inherit:
        return LocalHost(env=environ)
    return LocalHost(env={**CLEAN_ENV, "PATH": environ.get("PATH") or CLEAN_ENV["PATH"]})


def find_program(name: str, environ: Mapping[str, str], *, package: str) -> str:
    """Return a program's full path.

    Raises:
        ToolMissing: it is not on PATH, or no program stands at that path.
    """
    found = shutil.which(name, path=environ.get("PATH"))
    if found is None:
        message = "no program that can be run stands there" if "/" in name else "is not on PATH"
        remedy = f"install the package {package}, or name the program's full path"
        raise ToolMissing(name, message, remedy)
    return found


def find_restic(wanted: str | None, environ: Mapping[str, str], host: Host) -> tuple[str, str]:
    """Return the path and the release of the restic that is meant.

    Args:
        wanted: a release (`0.18.0`) of the toolchain, or a program; else the one on PATH.

    Raises:
        ToolMissing: there is no such program, or no such release.
    """
    from verifier.restic.binary import version

    if wanted is None or not _is_release(wanted):
        path = find_program(wanted or "restic", environ, package="restic")
        return path, version(host, path)
    installed = shutil.which("restic", path=environ.get("PATH"))
    if installed is not None and version(host, installed) == wanted:
        return installed, wanted
    from verifier.cli.toolchain import open_toolchain

    return str(open_toolchain(environ).provide(wanted)), wanted


def _is_release(text: str) -> bool:
    return text[:1].isdigit() and text.replace(".", "").isdigit()

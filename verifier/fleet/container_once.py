"""One command in a container of its own, gone afterwards: to find out what containers may do."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.fleet.container_engine import open_engine, translated
from verifier.fleet.containers import Ground
from verifier.fleet.description import Mount

LINES_SHOWN = 2


def run_once(
    ground: Ground,
    argv: Sequence[str],
    mounts: Sequence[Mount] = (),
    capabilities: Sequence[str] = (),
    network: str = "none",
) -> tuple[int, str]:
    """Run a command as root.

    Args:
        network: without one, or another container's own.

    Returns:
        Its exit status, and the end of what it said as one line.

    Raises:
        CannotVerify: the engine starts no container.
    """
    with open_engine(ground.environ) as engine, translated("container"):
        container = engine.containers.create(
            ground.image.tag,
            entrypoint=list(argv),
            labels=dict(ground.run.labels),
            cap_add=list(capabilities),
            network_mode=network,
            init=True,
            volumes={
                str(mount.source): {"bind": mount.target, "mode": "ro" if mount.read_only else "rw"}
                for mount in mounts
            },
        )
        try:
            container.start()
            status = int(container.wait()["StatusCode"])
            lines = container.logs().decode(errors="replace").strip().splitlines()
        finally:
            container.remove(force=True)
    return status, " / ".join(line.strip() for line in lines[-LINES_SHOWN:])

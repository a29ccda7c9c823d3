"""The private network of a fleet: its machines see each other, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from verifier.fleet.container_engine import load_docker, open_engine, translated

_SUBJECT = "network of the fleet"


@contextmanager
def open_network(name: str, labels: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[str]:
    """Make a network that leads nowhere and give its name; it is gone afterwards.

    Raises:
        CannotVerify: the engine makes none.
    """
    docker = load_docker()
    with open_engine(environ) as engine:
        with translated(_SUBJECT):
            network = engine.networks.create(name, labels=dict(labels), internal=True)
        try:
            yield name
        finally:
            # Swept already where the run is ending.
            with translated(_SUBJECT), suppress(docker.errors.NotFound):
                network.remove()


def joining(name: str, aliases: tuple[str, ...]) -> dict[str, object]:
    """Return the arguments that put a new container on a network, under further names."""
    docker = load_docker()
    # Aliases are known to every engine that is still served; the number is asked for, and no more.
    endpoint = docker.types.EndpointConfig("1.44", aliases=list(aliases))
    return {"network": name, "networking_config": {name: endpoint}}

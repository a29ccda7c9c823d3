"""Where packs are read: in processes of this machine, or on a cluster of Dask's.

Both answer as `concurrent.futures` does, so that what hands out the work knows neither. A worker
that dies costs no result: its work is done again elsewhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor

from verifier.core.errors import UsageError

CONTENTS = "verifier.reader.contents"
_CLUSTER = "dask://"


@contextlib.contextmanager
def open_executor(
    spec: str, workers: int, environ: Mapping[str, str], preload: str = CONTENTS
) -> Iterator[Executor]:
    """Provide an executor, and end what it started. What is handed in must change nothing.

    Args:
        spec: `local` for processes of this machine, or `dask://host:port` of a scheduler. Its
            workers are told the repository's keys: it must be a cluster that may know them.
        workers: processes on this machine, at least one; a cluster has its own.
        environ: of the processes on this machine: PATH leads to ssh, and S3 has its own.
        preload: the module of what is handed in: the processes of this machine are forked with it.

    Raises:
        UsageError: there is no such executor.
        CannotVerify: nobody answers as a scheduler there, or it has no worker.
        ToolMissing: Dask is not installed.
    """
    if spec == "local":
        from verifier.reader.processes import open_processes

        with open_processes(workers, environ, preload) as processes:
            yield processes
    elif spec.startswith(_CLUSTER) and spec != _CLUSTER:
        from verifier.reader.cluster import open_cluster

        with open_cluster(spec.removeprefix(_CLUSTER)) as cluster:
            yield cluster
    else:
        raise UsageError(
            spec, "there is no such executor", "write `local`, or `dask://host:8786` of a scheduler"
        )

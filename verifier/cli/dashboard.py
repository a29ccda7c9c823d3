"""`restic-verify dashboard`: the pages, read-only, until a signal ends them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.errors import ToolMissing, UsageError, to_install
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.config.models import Config


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("--config", metavar="FILE", help="the configuration")
    add("--listen", metavar="ADDRESS:PORT", help="listen there (default: dashboard.listen)")
    add("--history", metavar="FILE", help="show this history (default: history.file)")
    add(
        "--read-repository",
        action="store_true",
        help="read the repository's snapshots once an hour, for the page of restore points "
        "(default: dashboard.read-repository)",
    )


def run(options: argparse.Namespace, context: Context) -> Report:
    """Serve, and conclude when a signal has come."""
    from verifier.cli.dashboard_terms import dashboard_terms
    from verifier.cli.drilling import find_config
    from verifier.config.load import load
    from verifier.monitor.dashboard.doors import doors
    from verifier.monitor.history.memory import open_history

    started_at = context.clock.now()
    file = find_config(options.config)
    config = load(file, context.environ)
    address, port = listens(options.listen, config)
    history = Path(options.history or config.history.file)
    opens = doors(address, config.dashboard.host_names, _token(config, context))
    # What is wrong with it is said at once, and not to the first who asks for a page.
    with open_history(history, read_only=True) as opened:
        opened.looked_at()
    reads = options.read_repository or config.dashboard.read_repository
    terms = dashboard_terms(config, context, read_repository=reads)
    try:
        import uvicorn  # noqa: F401 - what is missing is said before anybody listens

        from verifier.monitor.dashboard.app import dashboard
        from verifier.monitor.dashboard.server import listen, serve
        from verifier.monitor.dashboard.site import Site
    except ModuleNotFoundError as error:
        remedy = to_install("dashboard")
        raise ToolMissing("dashboard", f"the package {error.name} is missing", remedy) from error
    app = dashboard(
        Site(lambda: open_history(history, read_only=True), terms, opens, context.clock)
    )
    where = f"http://{f'[{address}]' if ':' in address else address}:{port}/"
    with listen(address, port) as listening:
        print(f"The dashboard is at {where} (Ctrl-C ends it)", file=context.err, flush=True)
        requests, stopped_by = serve(app, listening)
    finished_at = context.clock.now()
    return conclude(
        "dashboard",
        (),
        Coverage("histories", 1, 1),
        started_at=started_at,
        finished_at=finished_at,
        tool=versions(),
        inputs={
            "config": str(file),
            "config_sha256": config.digest(),
            "history": str(history),
            "address": where,
            "stopped_by": stopped_by,
        },
        measurements={
            "requests": requests,
            "requests_refused": app.refused,
            "served_s": round((finished_at - started_at).total_seconds(), 1),
        },
    )


def listens(given: str | None, config: Config) -> tuple[str, int]:
    """Return the address and the port to listen on.

    Raises:
        UsageError: the option is neither.
    """
    if given is None:
        return config.dashboard.address, config.dashboard.port
    from pydantic import TypeAdapter, ValidationError

    from verifier.config.values import Listen

    try:
        TypeAdapter(Listen).validate_python(given)
    except ValidationError as error:
        remedy = "write it as 127.0.0.1:8642, or [::1]:8642"
        raise UsageError("--listen", f"{given!r} is no address and port", remedy) from error
    address, _, port = given.rpartition(":")
    return address.strip("[]"), int(port)


def _token(config: Config, context: Context) -> str | None:
    if config.dashboard.token is None:
        return None
    from verifier.cli.programs import local_host
    from verifier.cli.secrets import read_secret

    return read_secret(config.dashboard.token, local_host(context.environ, inherit=True))

"""The channels of the configuration as sinks, and a test through every channel and sink."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.programs import local_host
from verifier.cli.secrets import read_secret
from verifier.config.models import Config
from verifier.monitor.sinks.apprise import Channel

if TYPE_CHECKING:
    pass

SERVICE = "restic-verify"


def channels(config: Config, context: Context) -> Iterator[Channel]:
    """Yield the channels of people; their URLs are read when there is something to say."""
    here = local_host(context.environ, inherit=True)
    for table in config.alerts.channels:
        yield Channel(
            table.name,
            partial(read_secret, table.url, here),
            table.level,
            table.escalations,
            table.reports,
            config.sinks.timeout,
        )

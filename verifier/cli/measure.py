"""What is measured now, for every way in which Prometheus hears of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.config.models import Config
from verifier.core.errors import CannotVerify
from verifier.core.finding import Finding
from verifier.monitor.delivery import Delivery, metrics_delivery

if TYPE_CHECKING:
    from verifier.monitor.history.memory import History
    from verifier.monitor.state import State


def state_of(config: Config, context: Context, history: History, now: datetime) -> State:
    """Return what is known now; the alert rules are looked at, and nothing is kept of that.

    Raises:
        CannotVerify: the history, or the other source of the alert rules, cannot be read.
    """
    from verifier.cli.alert_look import fires, source_of
    from verifier.monitor.evaluation import evaluate
    from verifier.monitor.state import read_state

    source = source_of(config, context, history)
    evaluation = evaluate(config, history, source, fires(config), now)
    return read_state(history, evaluation.watched, evaluation.look.watches)


def measured(
    config: Config, context: Context, history: History, now: datetime
) -> tuple[tuple[Delivery, ...], tuple[Finding, ...]]:
    """Return the metrics as a delivery, where somebody takes them; or why there are none."""
    if config.sinks.prometheus is None:
        return (), ()
    from verifier.monitor.metrics import exposition

    try:
        state = state_of(config, context, history, now)
    except CannotVerify as error:
        return (), (Finding("not-delivered", "metrics", f"{error.subject}: {error.message}"),)
    return (metrics_delivery(exposition(state), now),), ()

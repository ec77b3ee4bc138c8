"""The alarm: what hears of everything that fails in the background, where nobody waits for an answer."""

import structlog

from actors.tasks import Alarm
from ops.metrics import Metrics

_LOG = structlog.get_logger("kinora")


def alarm_of(metrics: Metrics) -> Alarm:
    """Counts and logs what fails in the background."""

    def alarm(name: str, error: BaseException) -> None:
        metrics.count("kinora_tasks_failed_total")
        _LOG.error("failed", what=name, exc_info=error)

    return alarm

"""
Metrics: what a server has done and has, in the text format of Prometheus, read when somebody asks.

Nothing is kept for it but ``counts``, a few numbers. The names of rooms are not told: they say what people work on, and
a label for each of many rooms is a burden to whoever collects them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw
import tornado

from partysync_widget import __version__
from partysync_widget.core import messages as m

from .counts import BOUNDS
from .refusal import Refused
from .rooms import Rooms

MISSING = "Metrics need prometheus-client. Type `pip install 'partysync-widget[server]'` where the server runs."


def exposition(rooms: Rooms) -> tuple[str, bytes]:
    """Its content type, and the text. Raises Refused where prometheus-client is not installed."""
    try:
        import prometheus_client as prometheus  # noqa: PLC0415  # optional
    except ImportError:
        raise Refused(501, "metrics", MISSING) from None
    registry = prometheus.CollectorRegistry()
    registry.register(Collector(rooms))
    return prometheus.CONTENT_TYPE_LATEST, prometheus.generate_latest(registry)


class Collector:
    """Reads the rooms when it is asked."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def describe(self) -> list[Any]:
        """Nothing in advance: registering asks no room."""
        return []

    def collect(self) -> Iterator[Any]:
        """Every family, once."""
        from prometheus_client import core as p  # noqa: PLC0415  # optional

        counts, places = self._rooms.counts, self._rooms.places.values()
        build = p.InfoMetricFamily("partysync_build", "Versions that this server is made of.")
        versions = {"version": __version__, "protocol": str(m.PROTOCOL), "tornado": tornado.version}
        build.add_metric([], {**versions, "sqlite": apsw.sqlite_lib_version()})
        yield build

        gauges = {
            "sessions": ("Sessions that are open.", self._rooms.sessions()),
            "rooms_open": ("Rooms that are open.", len(places)),
            "rooms_asleep": ("Of those, the ones whose files are closed.", sum(each.asleep for each in places)),
            "rooms_broken": ("Rooms that are open and cannot go on.", sum(bool(each.broken) for each in places)),
            "rooms_refused": ("Rooms that are not served: their files are damaged, or gone.", self._rooms.refused),
            "queue_mutations": ("Mutations that wait for a turn.", sum(each.room.queued for each in places)),
        }
        for name, (text, number) in gauges.items():
            yield p.GaugeMetricFamily(f"partysync_{name}", text, value=number)

        totals: dict[str, tuple[str, float]] = {
            "sessions_opened": ("Sessions ever opened.", counts.sessions),
            "turn_failures": ("Turns that failed, and were tried again or given up.", counts.failures),
            "frames_received": ("Frames from kernels.", counts.frames_in),
            "received_bytes": ("Bytes in frames from kernels.", counts.bytes_in),
            "sent_bytes": ("Bytes in frames to kernels.", counts.bytes_out),
            "slowed_seconds": ("Seconds for which frames of senders over their rate were not read.", counts.slowed),
        }
        for name, (text, total) in totals.items():
            yield p.CounterMetricFamily(f"partysync_{name}", text, value=total)

        mutations = p.CounterMetricFamily("partysync_mutations", "Mutations that were decided.", labels=["result"])
        mutations.add_metric(["accepted"], counts.accepted)
        mutations.add_metric(["rejected"], counts.rejected)
        yield mutations

        refused = p.CounterMetricFamily("partysync_refused", "Requests that were refused.", labels=["reason"])
        for reason, number in sorted(counts.refused.items()):
            refused.add_metric([reason], number)
        yield refused

        buckets, so_far = [], 0
        for bound, number in zip([*map(str, BOUNDS), "+Inf"], counts.turns.buckets, strict=True):
            so_far += number
            buckets.append((bound, so_far))
        text = "A turn, from its beginning until it is on disk."
        yield p.HistogramMetricFamily("partysync_turn_seconds", text, buckets=buckets, sum_value=counts.turns.total)

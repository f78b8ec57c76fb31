"""
What the room says, frame by frame as it leaves, against the model: the promises that no replica can see by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partysync_widget.core import messages as m
from tests.convergence.checks import hold
from tests.convergence.model import History

if TYPE_CHECKING:
    from tests.convergence.host import Host
    from tests.convergence.line import Line

EPHEMERAL = (m.Peers, m.Drafts)


def check_told(host: Host, line: Line, frames: list[m.Down], *, idle: bool) -> None:
    """R11: beside a turn only ephemera are told. R12: one batch, from what was sent last to what is durable now."""
    if not idle:
        told = [frame for frame in frames if not isinstance(frame, EPHEMERAL)]
        hold(not told, "R11", "told beside a turn", told)
    for frame in frames:
        _check(host, line, frame)
    batches = [frame for frame in frames if isinstance(frame, m.Delta | m.End)]
    hold(len(batches) <= 1, "R12", "several batches for one session at once", batches)
    session = line.session
    hold(len(session.peers) <= len(host.seen), "R12", "a session is owed more peers than there are", session.peers)
    hold(
        len(session.untold) <= 2 * len(host.seen), "R12", "a session is owed more drafts than there are", session.untold
    )


def _check(host: Host, line: Line, frame: m.Down) -> None:
    now = host.published
    match frame:
        case m.Welcome():
            _check_welcome(host, line, frame)
        case m.Delta():
            hold(frame.epoch == host.epoch, "R10", "a delta of another incarnation", frame.epoch, host.epoch)
            hold(frame.base == line.sent, "R3", "a delta that follows nothing", frame.base, line.sent)
            hold(frame.version == now, "R9", "a delta to what is not published", frame.version, now)
            _check_decided(host, frame.base, frame.version, frame.acks, frame.results)
            line.sent = frame.version
        case m.Begin():
            hold(frame.epoch == host.epoch, "R10", "parts of another incarnation", frame.epoch, host.epoch)
            hold(frame.base in (None, line.sent), "R3", "parts that follow nothing", frame.base, line.sent)
            line.parts, line.sent = 0, frame.base
        case m.Part():
            line.parts += 1
        case m.End():
            hold(frame.parts == line.parts, "R3", "parts that are counted wrongly", frame.parts, line.parts)
            hold(frame.version == now, "R9", "an end at what is not published", frame.version, now)
            if line.sent is not None:
                _check_decided(host, line.sent, frame.version, frame.acks, frame.results)
            else:
                _check_snapshot(host, line, frame)
            line.sent = frame.version
        case m.Barrier() | m.Pong():
            hold(frame.version == line.sent, "R3", "a version that was not sent", frame, line.sent)


def _check_welcome(host: Host, line: Line, welcome: m.Welcome) -> None:
    """R10: known if, and only if, this history has what the client has seen. R5: and it is told how far it is."""
    hello, history = line.hello, host.history
    assert hello is not None
    last = history.last.get(hello.client, 0)
    hold(welcome.version == host.published, "R9", "a welcome to what is not published", welcome.version)
    hold(welcome.last_mid == last, "R5", f"how far {hello.client} is", welcome.last_mid, last)
    known = (not hello.epoch or history.holds(hello.epoch, hello.version)) and hello.settled <= last
    hold(welcome.known == known, "R10", "a history that was seen, or was not", hello, history.epochs, history.log[-5:])
    if welcome.known and hello.epoch:
        seen = host.histories[hello.epoch].log[: hello.version]
        hold(seen == history.log[: hello.version], "R10", "another history", hello, seen, history.log)
    line.hello, line.sent = None, hello.version if hello.epoch else None


def _check_decided(host: Host, base: int, version: int, acks: dict[str, int], results: list[m.Result]) -> None:
    """R2: what was decided between the two, all of it and nothing else, goes with its rows."""
    far, outcomes = host.history.since(base, version)
    hold(acks == far, "R2", f"acks of {base} to {version}", acks, far)
    _check_results(host, host.history, results, set(outcomes))


def _check_snapshot(host: Host, line: Line, end: m.End) -> None:
    """R6: whoever was away hears how far it is, and of each result that it has not seen."""
    client, history = line.session.client, host.history
    hold(end.acks.get(client, 0) == history.last.get(client, 0), "R6", f"how far {client} is", end.acks)
    wrong = {name: mid for name, mid in end.acks.items() if mid != history.last.get(name, 0)}
    hold(not wrong, "R2", "acks with a snapshot", wrong, history.last)
    _, outcomes = history.since(0, end.version)
    _check_results(host, history, end.results, {name for name in outcomes if name[0] == client})


def _check_results(host: Host, history: History, results: list[m.Result], due: set[tuple[str, int]]) -> None:
    """R6: as the model has them; those that are missing have been seen."""
    told = {(result.client, result.mid): result for result in results}
    hold(len(told) == len(results), "R6", "a result is told twice", results)
    for name, result in told.items():
        outcome = history.outcomes.get(name)
        same = name in due and outcome is not None and (outcome.value, outcome.code) == (result.value, result.code)
        hold(same, "R6", "a wrong result", result, outcome)
    unseen = [(client, mid) for client, mid in due - told.keys() if mid > host.seen.get(client, 0)]
    hold(not unseen, "R6", "results that were not told", sorted(unseen))

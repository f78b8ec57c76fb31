"""
Whatever bytes come, a decoder gives a frame that every other side can read, or ProtocolError: nothing else, ever.

R13. The same frames, as the room would send them, go into a replica: it takes them, or says why not, and stays usable.
"""

import itertools
import json
import time
from pathlib import Path

import pytest

from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down, decode_up, encode
from partysync_widget.core.errors import PartySyncError, ProtocolError
from tests.hostile.frames import UP, Vandal, crashers, good, keep
from tests.proof import extent, note

SEED = 20261127
DECODE = {"up": decode_up, "down": decode_down}
GROWTH = 20 << 20  # bytes


def resident(pid="self"):
    """Bytes of memory that a process really has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def no_constant(name):
    raise AssertionError(f"{name} is no JSON")


def held(direction, format, raw):
    """Whether it was a frame. One of a client must come out of either encoder as what JSON.parse can take."""
    try:
        frame = DECODE[direction](raw, format)
    except ProtocolError:
        return False
    for each in ("json", "msgpack") if direction == "up" else (format,):
        again = encode(frame, each)
        if each == "json":
            json.loads(again, parse_constant=no_constant)
            again.decode()
        assert encode(DECODE[direction](again, each), each) == again  # NaN, which a row may hold, is not like itself
    return True


def try_all(direction, count, seed):
    """How many were frames. One that breaks something is kept."""
    vandal, whole = Vandal(seed, direction), 0
    tried = itertools.chain(crashers(direction), (vandal.frame() for _ in range(count)))
    for number, (format, raw) in enumerate(tried):
        try:
            whole += held(direction, format, raw)
        except BaseException:
            path = keep(direction, format, raw, f"{seed}-{number}")
            print(f"seed {seed}, frame {number}: {raw!r:.300}, kept as {path.name}")
            raise
    return whole


@pytest.mark.parametrize("direction", ["up", "down"])
def test_the_frames_that_are_damaged_here_were_good(direction):
    """Or what follows would prove nothing: every kind is there, in both formats."""
    for format, raw in good(direction):
        assert held(direction, format, raw)
    kinds = {type(DECODE[direction](raw, format)) for format, raw in good(direction)}
    assert kinds == set((m.Up if direction == "up" else m.Down).__args__)


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_damaged_frames_are_frames_or_refused_and_leave_no_memory_behind():
    """R13."""
    count = extent("decoder_frames", 100_000, 1_000_000)
    for direction in DECODE:
        try_all(direction, 2_000, SEED - 1)  # whatever is kept once is kept now
    before, began, whole = resident(), time.perf_counter(), 0
    for direction in DECODE:
        whole += try_all(direction, count // 2, SEED)
    grown = resident() - before

    note(
        "decoder",
        frames=count,
        of_them_still_frames=whole,
        crashes=0,
        grown_mb=round(grown / (1 << 20), 1),
        seconds=round(time.perf_counter() - began, 1),
    )
    assert count * 0.02 < whole < count * 0.9  # neither all noise nor all good
    assert grown < GROWTH


@pytest.mark.timeout(600)
def test_a_replica_takes_what_decodes_or_says_why_not(make_stage):
    """R3, R8. Frames no room would send: the view stays whole, and a new conversation mends it."""
    stage = make_stage()
    ada = stage.enter("ada")
    ada.mutate(
        "create_table", name="todos", columns=[{"name": "text", "type": "text"}, {"name": "n", "type": "integer"}]
    )
    ada.insert("1", text="a")
    stage.rest()
    vandal, told = Vandal(SEED, "down"), 0
    for _ in range(extent("replica_frames", 8_000, 50_000)):
        try:
            frame = decode_down(vandal.frame("json")[1], "json")
        except ProtocolError:
            continue
        frame = _in_place(frame, ada.replica, vandal.chance)
        told += 1
        try:
            step = ada.take(ada.replica.receive([frame]))
        except PartySyncError as error:
            pytest.fail(f"{frame!r:.300} raised {error!r}")
        ada.steps.clear()
        if step.ended or step.failed or vandal.chance.random() < 0.1:
            ada.connect() if ada.session is None else (ada.cut(), ada.connect())
            stage.rest()
            assert ada.replica.link.value in {"live", "greeting", "welcomed", "idle"}
    ada.cut()
    ada.replica.epoch = ""  # a lie may have been believed; all is asked for anew
    ada.connect()
    stage.rest()

    note("replica", hostile_frames=told)
    assert ada.rows() == stage.rows()
    assert told > 100


def _in_place(frame, replica, chance):
    """The same, as if it belonged here: else most would be passed over by their epoch alone."""
    if chance.random() < 0.8:
        if isinstance(frame, m.Delta):
            frame.epoch, frame.base, frame.version = replica._talking, replica.cursor, replica.cursor + 1
        elif isinstance(frame, m.Begin):
            frame.epoch = replica._talking
    return frame


def test_keys_that_collide_cost_no_more_than_others():
    """Python's hash of text is keyed anew in each process; a decoder with one of its own would be slow here."""

    def seconds(keys):
        raw = encode(m.Presence(dict.fromkeys(keys, 1)), "json")
        best = 9.0
        for _ in range(3):
            began = time.thread_time()
            decode_up(raw, "json")
            best = min(best, time.thread_time() - began)
        return best

    count = 20_000
    alike = seconds([f"{n:x}".replace("0", "Aa").replace("1", "BB").ljust(16, "A") for n in range(count)])
    plain = seconds([f"{n:020}" for n in range(count)])
    assert alike < 5 * plain + 0.05


def test_every_kind_of_a_clients_frame_is_among_the_good_ones():
    assert {type(frame) for frame in UP} == set(m.Up.__args__)

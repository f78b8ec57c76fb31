"""
A line: one connection between a kernel and the room, as two queues of bytes. What is in them is in flight.
"""

from collections import deque
from random import Random
from typing import Any

from partysync_server.principal import Principal
from partysync_server.session import Session
from partysync_widget.core import messages as m
from partysync_widget.core.codec import Format, decode_down, decode_up, encode
from tests.convergence.drafts import Mark, Sending

# What may be lost in silence. A begin is not among them: the parts of two snapshots that are as many as those of one
# would be taken for it. Barriers are not, for nothing tells whoever waits that it was answered; nor are drafts, for
# nothing tells whoever holds one that it was over.
LOSABLE = (m.Welcome, m.Delta, m.Part, m.End, m.Peers, m.Pong)


class Line:
    """Frames arrive in the order they were sent, or not at all. Each end learns by itself that the other is gone."""

    def __init__(self, number: int, format: Format, window: int) -> None:
        self.number = number  # grows
        self.label = ""
        self.format = format
        self.window = window  # frames on their way down before the room has to wait
        self.session = Session(Principal("somebody"), role="owner", format=format)
        self.up: deque[bytes] = deque()
        self.down: deque[bytes] = deque()
        self.sendings: deque[Sending] = deque()  # beside each of these
        self.mark: Mark = {}  # of the last sending
        self.hello: m.Hello | None = None  # that waits for its welcome
        self.sent: int | None = None  # the version that the room has sent last; None: the kernel's is not known
        self.parts = 0  # of what has begun
        self.state: dict[str, Any] = {}  # that its session shows of itself
        self.said: list[bytes] = []  # everything that was ever sent up
        self.here = True  # the kernel's end is open
        self.there = True  # the room's end is open
        self.lossy = True  # a frame may be lost in silence; not the next one before that is mended
        self.mending = False

    def send(self, frames: list[m.Up]) -> None:
        for frame in frames:
            raw = encode(frame, self.format)
            self.said.append(raw)
            if self.there:
                self.up.append(raw)

    def heard(self) -> m.Up:
        """The next that reaches the room."""
        return decode_up(self.up.popleft(), self.format)

    def carry(self, frames: list[bytes], sending: Sending) -> None:
        """The room sends these, together."""
        if self.here:
            self.down.extend(frames)
            self.sendings.extend([Sending(None, sending.history)] * (len(frames) - 1) + [sending])

    def told(self, most: int) -> tuple[list[m.Down], Sending]:
        """What reaches the kernel, and what stands beside the last of it."""
        most = min(most, len(self.down))
        frames = [decode_down(self.down.popleft(), self.format) for _ in range(most)]
        return frames, [self.sendings.popleft() for _ in range(most)][-1]

    def cut(self, random: Random) -> None:
        """The kernel's end is gone; some of what it sent still arrives, perhaps after what its next line brings."""
        self.here = False
        self.down.clear()
        self.sendings.clear()
        for _ in range(random.choice((0, random.randint(0, len(self.up))))):
            self.up.pop()

    def losable(self, *kinds: type[m.Down]) -> list[int]:
        """Places of the frames on their way down, of these kinds, that may be lost without a word."""
        frames = [decode_down(raw, self.format) for raw in self.down]
        return [place for place, frame in enumerate(frames) if isinstance(frame, kinds or LOSABLE)]

    def drop(self, place: int) -> None:
        """Lose one frame, and nothing else."""
        del self.down[place], self.sendings[place]
        self.lossy = False

    def repeat(self, random: Random) -> None:
        """A push arrives twice, now or after what came behind it."""
        pushes = [raw for raw in self.up if isinstance(decode_up(raw, self.format), m.Push)]
        if pushes:
            raw = random.choice(pushes)
            self.up.insert(random.randint(self.up.index(raw) + 1, len(self.up)), raw)

    def ghost(self) -> "Line":
        """All that was said on it, once more, from somewhere between; nobody listens."""
        again = Line(self.number, self.format, self.window)
        again.up.extend(self.said)
        again.here = False
        return again

    def relay(self) -> None:
        """Something between the two holds the kernel's end through a restart, and says all it has heard once more."""
        self.session = Session(Principal("somebody"), role="owner", format=self.format)
        self.up = deque(self.said)
        self.mark, self.hello, self.sent, self.state = {}, None, None, {}

"""
What a client sends is the same however the network cuts it: byte by byte, in one piece, in fragments of its own.

RFC 6455, sections 5.2 and 5.4. The server cuts frames out of what has arrived, and waits for what has not.
"""

import random
import struct

import pytest

from partysync_server.reading import AHEAD
from tests.server.stranger import Stranger, hello

SIZES = [0, 1, 100, 125, 126, 127, 5_000, 65_535, AHEAD - 8, AHEAD, AHEAD + 1, 3 * AHEAD + 17]
PING = 0x9


def framed(payload, opcode, *, final=True, chance=random):
    """Masked, as from a client."""
    mask = chance.randbytes(4)
    size = len(payload)
    head = bytes([(0x80 if final else 0) | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 1 << 16:
        head += bytes([0x80 | 126]) + struct.pack("!H", size)
    else:
        head += bytes([0x80 | 127]) + struct.pack("!Q", size)
    key = mask * (size // 4 + 1)
    return head + mask + bytes(a ^ b for a, b in zip(payload, key, strict=False))


def push(epoch, mid, size):
    return (
        f'{{"type":"push","epoch":"{epoch}","mutations":[{{"mid":{mid},"name":"insert",'
        f'"args":{{"table":"t","id":"r{mid}","values":{{"x":"{"x" * size}"}}}}}}]}}'
    ).encode()


def in_fragments(payload, chance):
    """The same message in a few frames, with a ping between them."""
    cuts = sorted(chance.sample(range(len(payload)), 3))
    pieces = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    out = [framed(pieces[0], 1, final=False, chance=chance), framed(b"there?", PING, chance=chance)]
    out += [framed(each, 0, final=False, chance=chance) for each in pieces[1:-1]]
    return b"".join([*out, framed(pieces[-1], 0, chance=chance)])


def byte_by_byte(raw, _chance):
    head = raw[:2_000]
    return [*(head[n : n + 1] for n in range(len(head))), raw[2_000:]]


def in_one_piece(raw, _chance):
    return [raw]


def anyhow(raw, chance):
    out = []
    while raw:
        size = chance.choice([1, 2, 3, 6, 7, 100, 4_096, AHEAD - 1, AHEAD, AHEAD + 1])
        out.append(raw[:size])
        raw = raw[size:]
    return out


@pytest.mark.parametrize("cut", [byte_by_byte, in_one_piece, anyhow])
@pytest.mark.parametrize("seed", range(3))
def test_every_message_arrives_as_it_was_sent(server, enter, cut, seed):
    chance = random.Random(seed)
    room = f"reading-{cut.__name__}-{seed}"
    table = enter(room).table("t", x=str)
    with Stranger(server, f"/parties/main/{room}") as stranger:
        stranger.frame(hello(f"stranger-{seed}"))
        epoch = stranger.hear()["epoch"]
        sizes = chance.sample(SIZES, len(SIZES))
        messages = [push(epoch, mid, size) for mid, size in enumerate(sizes, 1)]
        raw = b"".join(
            in_fragments(each, chance) if chance.random() < 0.3 else framed(each, 1, chance=chance) for each in messages
        )
        for piece in cut(raw, chance):
            stranger.send(piece)
        last = len(sizes)
        while stranger.hear().get("acks", {}).get(f"stranger-{seed}", 0) < last:
            pass
    table.room.sync(8)

    assert [len(table[f"r{mid}"]["x"]) for mid in range(1, last + 1)] == sizes

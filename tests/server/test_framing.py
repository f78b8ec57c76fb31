"""Framing: a frame with its WebSocket header, put together once for all who are sent it."""

import pytest

from partysync_server.wire import BINARY, MOST_KEPT, TEXT, Framing


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, MOST_KEPT, MOST_KEPT + 1])
def test_whoever_is_sent_a_frame_is_sent_it_as_their_format_says(size):
    """RFC 6455, section 5.2: the opcode, and the length in 7, 16 or 64 bits."""
    framing, frame = Framing(), b"x" * size
    length = bytes([size]) if size < 126 else size.to_bytes(2) if size < 1 << 16 else size.to_bytes(8)
    length = {1: b"", 2: b"\x7e", 8: b"\x7f"}[len(length)] + length
    for opcode in (TEXT, TEXT, BINARY, TEXT):
        assert framing.framed(opcode, frame) == bytes([0x80 | opcode]) + length + frame
    assert framing.framed(TEXT, b"another")[2:] == b"another"


def test_a_frame_is_put_together_once_and_a_large_one_is_not_kept():
    framing, small, large = Framing(), b"x" * 100, b"x" * (MOST_KEPT + 1)

    assert framing.framed(TEXT, small) is framing.framed(TEXT, small)
    assert framing.framed(TEXT, large) is not framing.framed(TEXT, large)

"""
Parts: rows in frames that are not too large, so that nothing else waits long behind them.
"""

from __future__ import annotations

from partysync_widget.core import messages as m
from partysync_widget.core.codec import Format, encode

PART_BYTES = 256 * 1024


def in_parts(changes: list[m.TableChange], schema: list[m.TableSpec], format: Format) -> list[bytes]:
    """Frames of about PART_BYTES that hold these changes, new tables first; none if there are none."""
    if not changes and not schema:
        return []
    whole = encode(m.Part(changes, schema), format)
    if len(whole) <= PART_BYTES:
        return [whole]
    frames = [encode(m.Part([], schema), format)] if schema else []
    lines = sum(len(change.put) + len(change.gone) for change in changes)
    most = max(1, lines * PART_BYTES // len(whole))
    for change in changes:
        for start in range(0, len(change.gone), most):
            piece = m.TableChange(change.table, change.columns, [], change.gone[start : start + most])
            frames.append(encode(m.Part([piece]), format))
        for start in range(0, len(change.put), most):
            by = change.by if len(change.by) == 1 else change.by[start : start + most]
            piece = m.TableChange(change.table, change.columns, change.put[start : start + most], by=by)
            frames.append(encode(m.Part([piece]), format))
    return frames

"""
The floor both sides stand on: what a frame, a column, a party and a replica are.

No sockets, threads, clocks or randomness here; msgspec and SQLite only. The server imports this package
and nothing else of ``partysync_widget``.
"""

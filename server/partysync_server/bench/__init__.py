"""
The benchmark: the same work for this server, for what one would pick instead, and for bare floors, in one run.

::

    command ─▶ plan: round after round ─▶ workloads ─▶ systems (started, measured, stopped) ─▶ report, plots, page
                                              └─▶ crowd: writers and observers on lines of bytes

Load generators speak raw frames (``line``, ``tongues``), so that it is the servers that are measured. Nothing here is
loaded by a server that serves.
"""

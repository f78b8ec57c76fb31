"""
What the code does not keep yet. The simulation steps around it, and each line goes when it is mended.

All of it is about frames that are lost while the line goes on. Set one to True to see it fail.
"""

LOST_WELCOME = False  # R3: a lost "your history is gone" is never noticed: there is no pong before the next hello
LOST_BEGIN = False  # R3: of two snapshots the second one's begin is lost, and their parts are taken for one
MANY_PINGS = False  # R3: a pong from before the last hello counts as a loss; after a few of them the kernel gives up

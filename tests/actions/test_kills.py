"""
Several people act and edit, some of it slow, while the server is killed with -9 again and again.

R1, R5, R6, R9: everything is decided, once, and each one's in the order in which it was made.
"""

import random
import time

from tests.actions.parties import Slow
from tests.proof import extent

KILLS = extent("action_kills", 5, 40)
EACH = 40  # edits of each person between two kills
SEED = 20261127


def test_kills_among_actions_lose_nothing_and_double_nothing(house, come, wait_until):
    chance = random.Random(SEED)
    people = {name: come(Slow, user=name) for name in ("ann", "bob", "cy")}
    made = {name: [] for name in people}
    for kill in range(KILLS):
        for n in range(EACH):
            for name, room in people.items():
                id = f"{name} {kill:02} {n:02}"
                if chance.random() < 0.5:
                    receipt = room.act("todos", "rest", {"id": id, "seconds": chance.random() * 0.01})
                else:
                    receipt = room.mutate("add_now", id=id)
                made[name].append((id, receipt))
        some = chance.choice(made["ann"][-EACH:])[1]
        wait_until(some.done, 20)
        time.sleep(chance.uniform(0.0, 0.02))  # or each kill would come just after a turn
        house.kill()
        house.start()

    for name, its in made.items():
        for _, receipt in its:
            receipt.result(30)
        people[name].sync(8)

    rows = [row["id"] for row in people["ann"].table("todos").records]
    for name, its in made.items():
        assert [id for id in rows if id.startswith(name)] == [id for id, _ in its]
        assert [row["id"] for row in people[name].table("todos").records] == rows

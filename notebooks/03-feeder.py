"""
Feeds the dashboard of notebook 03, from a process of its own: the penguins' nests, in the order of their first egg.

``python 03-feeder.py --seconds 6``
"""

from __future__ import annotations

import argparse
import datetime as dt
import time

from palmerpenguins import load_penguins_raw

import partysync_widget as ps


def main() -> None:
    parser = argparse.ArgumentParser(description="Fill the table `nests` of the room penguin-season, row by row.")
    parser.add_argument("--seconds", type=float, default=6.0, help="for all 344 rows (default: 6)")
    seconds = parser.parse_args().seconds
    found = load_penguins_raw().sort_values(["Date Egg", "studyName", "Sample Number"])
    with ps.connect("penguin-season", user="field team") as room:
        nests = room.table("nests", species=str, island=str, flipper=float, mass=float, egg=dt.date)
        with room.batch():  # a season that was shown before goes at once, not row by row
            for id in nests:
                nests.delete(id)
        for bird in found.to_dict("records"):
            nests.insert(
                species=bird["Species"].split()[0],
                island=bird["Island"],
                flipper=bird["Flipper Length (mm)"],
                mass=bird["Body Mass (g)"],
                egg=bird["Date Egg"],
            )
            time.sleep(seconds / len(found))
        room.sync()


if __name__ == "__main__":
    main()

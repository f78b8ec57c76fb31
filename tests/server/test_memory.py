"""A server that has SQLite set little memory apart still lets many threads use it."""

MANY_AT_ONCE = """
import sys, threading
from pathlib import Path
from partysync_server.ledger import Ledger
from partysync_server.serving import spare_memory
from partysync_widget.core import messages as m
from partysync_widget.core.party import Main

spare_memory()
folder, failed = Path(sys.argv[1]), []
table = m.Mutation(1, "create_table", {"name": "t", "columns": [{"name": "x", "type": "text"}]})
row = m.Mutation(2, "insert", {"table": "t", "id": "a", "values": {"x": "y"}})


def rooms(thread):
    try:
        for number in range(150):
            ledger = Ledger(folder / f"{thread}-{number}" / "r.db", Main, "e")
            for mutation in (table, row):
                ledger.begin()
                ledger.decide("c", "o", mutation)
                ledger.seal()
                ledger.commit()
            assert ledger.delta(0).version == 2
            ledger.rest()
            ledger.close()
    except BaseException as error:
        failed.append(repr(error))


threads = [threading.Thread(target=rooms, args=(number,)) for number in range(6)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(failed or "all is well")
"""


def test_many_threads_use_it_at_once(run_python, tmp_path):
    """SQLite without its locks ended the process, after a hundred rooms or so: apsw does not begin it by itself."""
    assert run_python(MANY_AT_ONCE, tmp_path).strip() == "all is well"

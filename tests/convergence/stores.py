"""
Stores in memory, made once in each story and copied after that: to make one is a fifth of what a story costs.

The copy is byte for byte what the real ``Store.memory`` has made, by the rules that are planted in this story.
"""

from collections.abc import Callable

import apsw

from partysync_widget.core.party import Party
from partysync_widget.core.store import Store


def copied(memory: Callable[[type[Party]], Store]) -> Callable[[type[Store], type[Party]], Store]:
    """The same as ``memory``."""
    made: dict[type[Party], bytes] = {}

    def copy(cls: type[Store], party: type[Party]) -> Store:
        if party not in made:
            store = memory(party)
            made[party] = store.connection.serialize("main")
            return store
        connection = apsw.Connection(":memory:")
        connection.deserialize("main", made[party])
        return cls(connection, party)

    return copy

"""A party that hides a table and a column from whoever only looks."""

from partysync_widget import Party, mutator


class School(Party):
    schema = """
    CREATE TABLE students (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL) STRICT;
    CREATE TABLE exams (id TEXT PRIMARY KEY NOT NULL, mark INTEGER NOT NULL) STRICT;
    """
    seen_by = {"exams": "owner", "students.address": "editor"}  # read only

    @mutator
    def enrol(tx, id: str, name: str, address: str):
        tx.insert("students", id=id, name=name, address=address)
        tx.insert("exams", id=id, mark=1)

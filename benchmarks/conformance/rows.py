"""The tables: rows of given, when, then, each with the document that says so.

A table is a file of TOML, one for each topic:

    about = "what the table is about"

    [[row]]
    id = "a sentence, unique in the table"
    given = { provider = "anthropic", status = 529 }
    when = "response"                                     # a verb, or a list of steps
    then = { kind = "overloaded", retryable = true }
    source = "Claude API errors: 529"                     # a document of sources.toml, and the place in it

TOML has no null: "none" stands for nothing. A table that is not in this form is refused as a whole.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import attrs

TABLES = Path(__file__).with_name("tables")
"""Where the tables lie."""

FIELDS = frozenset({"id", "given", "when", "then", "source"})


class TableError(ValueError):
    """A table is not in its form: it names the table, the row and what is wrong."""


@attrs.frozen
class Row:
    """One case.

    Args:
        topic: the table it is in.
        id: what tells it from the others of its topic; a sentence.
        given: the circumstances.
        when: the verb, or the steps in their order.
        then: what has to come of it.
        source: the document that says so, a colon, and the place in it.
    """

    topic: str
    id: str
    given: Mapping[str, Any]
    when: str | tuple[str, ...]
    then: Mapping[str, Any]
    source: str

    @property
    def document(self) -> str:
        """The document that says so."""
        return self.source.partition(": ")[0]

    @property
    def verb(self) -> str:
        """The one verb of a row that has no steps.

        Raises:
            TableError: it has steps.
        """
        if isinstance(self.when, str):
            return self.when
        raise TableError(f"{self.topic}, {self.id!r}: when must be one verb")

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of a row that has steps.

        Raises:
            TableError: it has one verb.
        """
        if isinstance(self.when, str):
            raise TableError(f"{self.topic}, {self.id!r}: when must be a list of steps")
        return self.when


@attrs.frozen
class Table:
    """The rows of one topic.

    Args:
        topic: its name.
        about: what it is about, in a sentence.
        rows: its cases, in the order of the file.
    """

    topic: str
    about: str
    rows: tuple[Row, ...]


def check_given(given: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse circumstances that a topic does not know.

    Args:
        given: what a row gives.
        known: what its topic knows.

    Raises:
        TableError: the row gives something else.
    """
    if not given.keys() <= known:
        raise TableError(f"given may have {', '.join(sorted(known))}, got {', '.join(sorted(given))}")


def documents(path: Path = TABLES / "sources.toml") -> Mapping[str, str]:
    """Return the documents that rows may name, and where each is to be found.

    Args:
        path: the file that lists them.
    """
    return tomllib.loads(path.read_text("utf-8"))


def tables(folder: Path = TABLES) -> tuple[Table, ...]:
    """Return every table of a folder, by name.

    Args:
        folder: where the tables and their sources.toml lie.

    Raises:
        TableError: one is not in its form, or names a document that is not listed.
    """
    known = documents(folder / "sources.toml")
    paths = sorted(path for path in folder.glob("*.toml") if path.name != "sources.toml")
    return tuple(_table(path, known) for path in paths)


def _table(path: Path, known: Mapping[str, str]) -> Table:
    told = tomllib.loads(path.read_text("utf-8"))
    rows = tuple(_row(path.stem, fields, known) for fields in told.get("row", []))
    ids = [row.id for row in rows]
    twice = {each for each in ids if ids.count(each) > 1}
    if not rows or "about" not in told:
        raise TableError(f"{path.stem}: a table says what it is about and has rows")
    if twice:
        raise TableError(f"{path.stem}: {len(twice)} ids stand for two rows, such as {min(twice)!r}")
    return Table(path.stem, told["about"], rows)


def _row(topic: str, fields: Mapping[str, Any], known: Mapping[str, str]) -> Row:
    name = f"{topic}, {fields.get('id')!r}"
    if set(fields) != FIELDS:
        raise TableError(f"{name}: a row has {', '.join(sorted(FIELDS))}, got {', '.join(sorted(fields))}")
    when = fields["when"]
    row = Row(
        topic,
        fields["id"],
        fields["given"],
        when if isinstance(when, str) else tuple(cast("list[str]", when)),
        fields["then"],
        fields["source"],
    )
    if not row.then:
        raise TableError(f"{name}: then must say something")
    if row.document not in known or not row.source.partition(": ")[2]:
        raise TableError(f"{name}: source must be a document of sources.toml and a place, got {row.source!r}")
    return row

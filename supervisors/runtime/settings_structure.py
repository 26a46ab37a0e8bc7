"""From given values to a frozen object, or to all that is wrong with them at once.

Works for any attrs class whose fields are sections: attrs classes themselves, or tables of one such class by name
(`setting_fields.tables`). cattrs walks the classes and collects; each field's own converter and validator decide.
Validators run in the constructor, which stops at the first wrong value, so each field is checked on its way in as well.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

import attrs
from cattrs import AttributeValidationNote, ClassValidationError, Converter, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from actors.errors import SettingsError
from supervisors.runtime.setting_fields import TABLE_NAMES, Tables, shown, tables_of
from supervisors.runtime.settings_origins import ANY_NAME, Given, KeyPath

T = TypeVar("T", bound=attrs.AttrsInstance)


@attrs.frozen
class Contradiction:
    """Two settings that are fine alone and wrong together.

    Args:
        keys: the keys concerned, as "section.key".
        text: the sentence that names them with their values.
    """

    keys: tuple[str, ...]
    text: str


class ContradictionError(ValueError):
    """Raised by a class of settings whose sections contradict one another.

    Attributes:
        contradictions: all that were found, at least one.
    """

    def __init__(self, contradictions: tuple[Contradiction, ...]) -> None:
        super().__init__("; ".join(contradiction.text for contradiction in contradictions))
        self.contradictions = contradictions


def known_keys(cls: type[attrs.AttrsInstance]) -> dict[KeyPath, Any]:
    """Return every key of `cls` with the type of its value, in the order of the classes.

    Returns:
        by (section, key), or (section, "<name>", key) where a section holds tables by name.
    """
    return {
        (*above, key.name): key.type
        for section in attrs.fields(attrs.resolve_types(cls))
        for above, kind in (_section(section),)
        for key in attrs.fields(attrs.resolve_types(kind))
    }


def _section(field: Any) -> tuple[KeyPath, type[attrs.AttrsInstance]]:
    """Return the path of a section's keys, and the class that holds them."""
    if (tables := tables_of(field)) is not None:
        return (field.name, ANY_NAME), tables.kind
    return (field.name,), field.type


def structure(cls: type[T], given: Iterable[Given]) -> T:
    """Make a `cls` of what was given; a later value wins over an earlier one for the same key.

    Raises:
        SettingsError: with one line for each wrong value, unknown key and contradiction.
    """
    content, origins = _merged(given)
    try:
        return _converter(cls).structure(content, cls)
    except ClassValidationError as error:
        problems = tuple(_Problems(cls, origins).lines(error))
        # The lines say it all, and the causes hold the values, a key among them.
        raise SettingsError(problems) from None


def _merged(given: Iterable[Given]) -> tuple[dict[str, object], dict[KeyPath, str]]:
    content: dict[str, object] = {}
    origins: dict[KeyPath, str] = {}
    for one in given:
        *above, last = one.path
        if (table := _table_at(content, above)) is None:
            continue  # what stands above it is wrong, and that is what will be told
        table[last] = one.value
        origins[one.path] = one.origin
    return content, origins


def _table_at(content: dict[str, object], path: Iterable[str]) -> dict[str, object] | None:
    """Return the table at `path`, made where there is none, or None where something else stands."""
    for name in path:
        below = content.get(name, {})
        if not isinstance(below, dict):
            return None
        # What was given belongs to whoever gave it, so a copy of it is added to.
        content[name] = content = dict(cast("dict[str, object]", below))
    return content


def _converter(cls: type[attrs.AttrsInstance]) -> Converter:
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    make = cast("Any", make_dict_structure_fn)  # its keyword arguments have no type of their own
    sections: dict[str, Any] = {}
    for section in attrs.fields(attrs.resolve_types(cls)):
        _, kind = _section(section)
        fields = {
            key.name: override(struct_hook=_checked(key)) for key in attrs.fields(attrs.resolve_types(kind))
        }
        make_one = make(kind, converter, **fields)
        tables = tables_of(section)
        hook = _table(section.name, make_one) if tables is None else _tables(section.name, tables, make_one)
        sections[section.name] = override(struct_hook=hook)
    converter.register_structure_hook(cls, make(cls, converter, **sections))
    return converter


def _checked(attribute: Any) -> Callable[[object, Any], object]:
    """Return a hook that converts and validates exactly as the class's constructor will."""

    def hook(value: object, _kind: Any) -> object:
        converted = attribute.converter(value) if attribute.converter else value
        attribute.validator(None, attribute, converted)
        return converted

    return hook


def _table(section: str, make: Callable[[Any, Any], object]) -> Callable[[object, Any], object]:
    def hook(value: object, kind: Any) -> object:
        if not isinstance(value, Mapping):
            raise TypeError(f"{section} must be a table, got {_kind_of(value)}")
        return make(value, kind)

    return hook


def _tables(
    section: str, tables: Tables, make: Callable[[Any, Any], object]
) -> Callable[[object, Any], object]:
    """Return a hook that makes every table of a section, and collects what is wrong with each of them."""

    def make_table(name: object, content: object) -> object:
        if not isinstance(name, str) or not tables.is_name(name):
            raise ValueError(f"{_printable(str(name))} must be {TABLE_NAMES}")
        if not isinstance(content, Mapping):
            raise TypeError(f"{name} must be a table, got {_kind_of(content)}")
        default = tables.default.get(name)
        known = {} if default is None else attrs.asdict(default, recurse=False)
        return make({**known, **cast("Mapping[str, object]", content)}, tables.kind)

    def hook(value: object, kind: Any) -> object:
        if not isinstance(value, Mapping):
            raise TypeError(f"{section} must be a table, got {_kind_of(value)}")
        # The constructors of both are hidden by those of their base classes.
        note, make_error = cast("Any", AttributeValidationNote), cast("Any", ClassValidationError)
        made: dict[Any, object] = {**tables.default}
        wrong: list[Exception] = []
        for name, content in cast("Mapping[object, object]", value).items():
            try:
                made[name] = make_table(name, content)
            except Exception as error:  # noqa: BLE001  # collected, and raised as one below
                # The note by which cattrs says whose fault it is, for the walk that makes lines of it.
                error.add_note(note(f"table {name}", str(name), tables.kind))
                wrong.append(error)
        if wrong:
            raise make_error(f"while structuring {section}", wrong, kind)
        return made

    return hook


def _kind_of(value: object) -> str:
    # A key pasted in the place of its section is still a key: only its kind is told.
    return "text" if isinstance(value, str) else shown(value)


class _Problems:
    """The walk from cattrs' tree of errors to lines that a person can act on."""

    def __init__(self, cls: type[attrs.AttrsInstance], origins: Mapping[KeyPath, str]) -> None:
        self._known = tuple(".".join(path) for path in known_keys(cls))
        self._sections = tuple(section.name for section in attrs.fields(cls))
        self._origins = {".".join(path): origin for path, origin in origins.items()}

    def lines(self, error: ClassValidationError, section: str = "") -> Iterator[str]:
        """Yield one line for each thing wrong, in the order of the classes, unknown keys last."""
        with_notes, without_notes = error.group_exceptions()
        for wrong, note in with_notes:
            key = f"{section}.{note.name}" if section else note.name
            if isinstance(wrong, ClassValidationError):
                yield from self.lines(wrong, key)
            else:
                text = f"{section}.{wrong}" if section else str(wrong)
                yield self._from(text, key)
        for wrong in without_notes:
            match wrong:
                case ForbiddenExtraKeysError():
                    yield from self._unknown(sorted(wrong.extra_fields), section)
                case ContradictionError():
                    yield from (self._from(one.text, *one.keys) for one in wrong.contradictions)
                case _:
                    raise wrong

    def _unknown(self, names: Iterable[str], section: str) -> Iterator[str]:
        for name in names:
            key = f"{section}.{name}" if section else name
            # An unknown section is told of once for each key given in it, as each has its own origin.
            for one in [given for given in self._origins if given == key or given.startswith(f"{key}.")]:
                yield self._from(f"{_printable(one)} is not a setting; {self._hint(one)}", one)

    def _hint(self, key: str) -> str:
        section, _, name = key.rpartition(".")
        holder, _, table = section.partition(".")
        # Whoever speaks of one table is told the key as it is called there.
        known = [
            each.replace(f"{holder}.{ANY_NAME}", f"{holder}.{table}") if table else each
            for each in self._known
        ]
        elsewhere = [each for each in known if each.rpartition(".")[2] == name]
        candidates = known if name != key else (*self._sections, *known)
        near = elsewhere or difflib.get_close_matches(key, candidates, n=1, cutoff=0.0)
        return f"the nearest is {near[0]}"

    def _from(self, text: str, *keys: str) -> str:
        origins = [
            origin
            for key in keys
            for given, origin in self._origins.items()
            if given == key or (key not in self._origins and given.startswith(f"{key}."))
        ]
        return f"{' and '.join(dict.fromkeys(origins))}: {text}" if origins else text


def _printable(key: str) -> str:
    return key if key.isprintable() and len(key) <= 80 else shown(key)  # noqa: PLR2004  # one line of a terminal

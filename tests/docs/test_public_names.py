"""What is public is sorted, documented, and looked for in the built reference."""

from __future__ import annotations

import zlib
from importlib import import_module
from inspect import isclass, isroutine
from pathlib import Path
from types import SimpleNamespace

import pytest
from hooks_loading import ROOT, load_hook

public_names = load_hook("public_names")
PROMISED: list[tuple[str, str]] = list(public_names.public_names())


def inventory_of(*names: str) -> bytes:
    """Return an inventory as a build leaves it, with these names."""
    lines = "".join(f"{name} py:class 1 reference/x/#$ -\n" for name in names)
    return b"# one\n# two\n# three\n# four\n" + zlib.compress(lines.encode())


@pytest.mark.parametrize("face", public_names.FACES)
def test_the_public_names_are_sorted_and_stand_once(face: str) -> None:
    names = import_module(face).__all__
    assert names == sorted(set(names))


@pytest.mark.parametrize("face", public_names.FACES)
def test_every_public_name_is_there_and_every_class_and_function_says_what_it_is(face: str) -> None:
    module = import_module(face)
    objects = {name: getattr(module, name) for name in module.__all__}
    made = {name: value for name, value in objects.items() if isclass(value) or isroutine(value)}
    assert made
    assert [name for name, value in made.items() if not value.__doc__] == []


def test_a_name_that_the_reference_has_under_its_package_or_its_module_is_not_missing() -> None:
    by_package = inventory_of(*(name for name, _ in PROMISED))
    by_module = inventory_of(*(defined for _, defined in PROMISED))
    assert public_names.missing_names(by_package) == public_names.missing_names(by_module) == []


def test_a_name_that_the_reference_lacks_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "objects.inv").write_bytes(
        inventory_of(*(name for name, _ in PROMISED if not name.endswith(".Tree")))
    )
    with pytest.raises(ValueError, match=r"^the reference lacks supervisors\.Tree$"):
        public_names.on_post_build(SimpleNamespace(site_dir=str(tmp_path)))


def test_a_complete_reference_passes(tmp_path: Path) -> None:
    (tmp_path / "objects.inv").write_bytes(inventory_of(*(name for name, _ in PROMISED)))
    public_names.on_post_build(SimpleNamespace(site_dir=str(tmp_path)))


def test_mkdocs_is_told_of_both_hooks() -> None:
    configuration = (ROOT / "mkdocs.yml").read_text("utf-8")
    hooks = sorted(path.name for path in (ROOT / "docs" / "hooks").glob("[!_]*.py"))
    assert [hook for hook in hooks if f"  - docs/hooks/{hook}\n" not in configuration] == []
    assert hooks == ["file_tree.py", "public_names.py", "settings_table.py"]

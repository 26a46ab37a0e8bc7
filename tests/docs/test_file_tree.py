"""The list of files holds every module, each with what it says of itself."""

from __future__ import annotations

from pathlib import Path

from hooks_loading import ROOT, load_hook

file_tree = load_hook("file_tree")


def test_every_module_of_both_packages_is_listed_once() -> None:
    listed = [f"{folder}/{name}" for folder, name, _ in file_tree.modules()]
    found = [
        path.relative_to(ROOT).as_posix()
        for top in ("actors", "supervisors")
        for path in ROOT.glob(f"{top}/**/*.py")
    ]
    assert sorted(listed) == sorted(found)


def test_every_module_says_what_it_is_in_a_first_line() -> None:
    assert [f"{folder}/{name}" for folder, name, line in file_tree.modules() if not line.strip()] == []


def test_a_module_is_told_by_the_first_line_alone(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""A thing: like another.\n\nMore of it.\n"""\n')
    assert file_tree.first_line(module) == "A thing: like another."
    module.write_text("x = 1\n")
    assert file_tree.first_line(module) == ""


def test_folders_have_a_heading_and_files_stand_below_it() -> None:
    lines = file_tree.listing().splitlines()
    assert lines[1] == "## actors/"
    assert "- `errors.py` Every exception Understudy raises on purpose, as one tree." in lines
    assert (
        lines.index("## actors/kernel/") < lines.index("## supervisors/") < lines.index("## supervisors/cli/")
    )


def test_the_list_stands_where_the_page_asks_for_it_and_nowhere_else() -> None:
    page = (ROOT / "docs" / "reference" / "files.md").read_text("utf-8")
    filled = file_tree.on_page_markdown(page)
    assert file_tree.MARK not in filled
    assert "## actors/wire/" in filled
    assert file_tree.on_page_markdown("# Another page") == "# Another page"

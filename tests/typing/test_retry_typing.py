"""Tests that both type checkers see through `retry` and `retrying`: results, arguments, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

from checkers import marked, mypy_disagrees, pyright_disagrees

USES = Path(__file__).with_name("retry_uses.py.txt")


def test_the_wrong_uses_of_retries_are_many() -> None:
    assert len(marked(USES)) >= 20


def test_mypy_refuses_the_wrong_uses_of_retries_and_only_them(tmp_path: Path) -> None:
    assert mypy_disagrees(USES, tmp_path) == {}


def test_pyright_refuses_the_wrong_uses_of_retries_and_only_them(tmp_path: Path) -> None:
    assert pyright_disagrees(USES, tmp_path) == {}

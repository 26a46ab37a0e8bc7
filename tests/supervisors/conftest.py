"""What all tests of supervision share: books that must balance at the end of every one of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from actors.kernel import Books, open_books


@pytest.fixture(autouse=True)
def books() -> Iterator[Books]:
    """Open the ambient books around the test, and check them after it."""
    with open_books() as opened:
        yield opened
    opened.check_balanced()

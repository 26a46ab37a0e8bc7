"""What the tests of the kernel share."""

from __future__ import annotations

import pytest

from actors.kernel import Books, current_books


@pytest.fixture
async def books() -> Books:
    """Return the books that are kept over every test, and checked at its end."""
    return current_books()

"""What every test may count on, however the run was started."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Hear Ctrl-C, in this process and in the programs it starts.

    A shell that runs a job in the background has it ignore SIGINT, and so do all that the job starts: what is tested of
    Ctrl-C would wait for ever.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)

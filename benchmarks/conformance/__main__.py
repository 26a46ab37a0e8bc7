"""Print the report of all tables, or of the topics that are named.

Usage: PYTHONPATH=benchmarks python -m conformance [TOPIC ...]
"""

from __future__ import annotations

import sys

from conformance.report import main

sys.exit(main(sys.argv[1:]))

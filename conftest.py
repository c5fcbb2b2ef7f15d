"""Settings for every test run, `pytest --nbval-lax chapters` by hand included."""

import os
import sys
from pathlib import Path

OFFLINE = str(Path(__file__).parent / "tests" / "offline")

os.environ["DLBOOK_EXPLORE"] = "check"  # explore draws its start value and the corners, and fails loudly
os.environ["PYTHONPATH"] = os.pathsep.join([OFFLINE, *filter(None, [os.environ.get("PYTHONPATH")])])
os.environ.setdefault("OMP_NUM_THREADS", "1")  # notebooks run side by side; threads would only fight for the cores
os.environ["MPLBACKEND"] = "agg"  # kernels choose the inline backend for themselves
sys.path.insert(0, OFFLINE)
import sitecustomize  # noqa: E402, F401  (this process, too, stays offline)


def pytest_collection_modifyitems(items):
    """nbval compares outputs of executed cells only, and notebooks are kept without execution counts."""
    for item in items:
        cell = getattr(item, "cell", None)
        if cell is not None and "keep_output" in cell.metadata.get("tags", []):
            cell.execution_count = 1

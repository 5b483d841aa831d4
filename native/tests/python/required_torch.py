"""Imports torch for a test, or ends it with 77, ctest's "skipped", where it is not installed."""

import sys

try:
    import torch
except ImportError:
    print("skipped: Python's torch is not installed")
    sys.exit(77)


def require_version_of_library():
    """Ends the test in the same way if torch is not the one that libretort.so is built for."""
    if torch.__version__.split(".")[:2] != ["2", "10"]:
        print(f"skipped: the library is built for torch 2.10 (got {torch.__version__})")
        sys.exit(77)

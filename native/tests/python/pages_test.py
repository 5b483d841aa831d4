"""Runs the blocks of Python in pages of the documentation, each page's in one namespace, one after the other.

Run by ctest as `pages_test.py LIBRARY PAGE ...`. Exits with 77, ctest's "skipped", where the torch that the library is built for is not
installed; blocks that import what else is not installed are passed over, with a message.
"""

import contextlib
import os
import pathlib
import re
import sys
import tempfile

import required_torch

required_torch.require_version_of_library()


def run(page, library):
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    if not blocks:
        raise SystemExit(f"{page} must have a block of Python")
    namespace = {}
    for number, block in enumerate(blocks, 1):
        # As a file, since torch.jit.script reads sources.
        file = pathlib.Path(f"{page.stem}, block {number}.py").resolve()
        file.write_text(block.replace("/path/to/libretort.so", library))
        code = compile(file.read_text(), file, "exec")
        try:
            exec(code, namespace)
            print(f"{page.name}, block {number}: done")
        except ModuleNotFoundError as missing:
            print(f"{page.name}, block {number}: passed over, {missing.name} is not installed")


library, *pages = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
for page in pages:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        run(page, os.fspath(library))

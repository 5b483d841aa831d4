"""Hands cases to a test of GoogleTest, which compares."""

import os
import subprocess


def passes(program, test, variable, folder):
    """Whether a test passes that finds its cases in the folder that a variable of the environment names."""
    command = [program, f"--gtest_filter={test}", "--gtest_brief=1"]
    return subprocess.run(command, env=os.environ | {variable: os.fspath(folder)}).returncode == 0

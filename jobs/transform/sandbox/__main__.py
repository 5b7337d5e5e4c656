"""Starts a script's process, by its path and with `-I -S`: so neither our modules nor others' are on the path."""

import os
import sys

sys.path.append(os.path.abspath(f"{__file__}/../../../.."))

from jobs.transform.sandbox.keeper import main

# The script is not to find them: neither on the path nor among the loaded.
sys.path.pop()
for name in [name for name in sys.modules if name.partition(".")[0] == "jobs"]:
    del sys.modules[name]

main()

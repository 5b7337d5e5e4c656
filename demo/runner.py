"""honcho with two things its command line lacks (`python -m demo.runner PROCFILE NAME …`): it keeps running when the
reader of its output is gone, so that it can still stop its processes, and it passes `PORT` on unchanged.

`demo.processes` starts this, and chooses the processes and their environment.
"""

# honcho has no type annotations.
# mypy: allow-untyped-calls

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from honcho.environ import parse_procfile
from honcho.manager import Manager
from honcho.printer import Message, Printer

COLOUR_VARIABLE = "SYNCTAIL_DEMO_COLOUR"
"""Set by the launcher if it writes to a terminal. The output of this process is always a pipe."""


class LastingPrinter(Printer):
    def __init__(self, *, colour: bool) -> None:
        super().__init__(sys.stdout)
        self._colours_supported = colour

    def write(self, message: Message) -> None:
        with suppress(OSError):
            super().write(message)


def main(procfile: Path, names: Sequence[str]) -> int:
    manager = Manager(LastingPrinter(colour=COLOUR_VARIABLE in os.environ))
    commands = parse_procfile(procfile.read_text(encoding="utf-8")).processes
    for name in names:
        manager.add_process(name, commands[name])
    manager.loop()
    return int(manager.returncode or 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))

"""`synctail`, or `python -m cli`."""

from __future__ import annotations

import os
import sys

import click

from synctail.cli.doctor import doctor
from synctail.cli.services import services
from synctail.cli.syncs import payloads, retry, run, stop, syncs, tail
from synctail.cli.tokens import token


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def synctail() -> None:
    """Run data syncs and follow their logs.

    SYNCTAIL_URL is the address of the server (default: http://127.0.0.1:8000), SYNCTAIL_TOKEN an access token. On a
    machine where 'make run' runs, its admin token is used by default.
    """


for command in (run, tail, syncs, stop, retry, payloads, services, token, doctor):
    synctail.add_command(command)


def main() -> None:
    try:
        code = synctail.main(prog_name="synctail", standalone_mode=False)
    except click.exceptions.Abort:  # Ctrl-C
        code = 130
    except click.ClickException as trouble:
        trouble.show()
        code = trouble.exit_code
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()

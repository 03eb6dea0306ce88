"""Keeps an embedded Postgres running until its standard input ends: `python -m bench.soak_postgres FOLDER`.

A process of its own, so that the server under test is never the one that brings its database back.
"""

import json
import select
import sys
from dataclasses import asdict
from pathlib import Path

from ccagent.embedded_postgres import EmbeddedPostgresError, server_at

LOOK_SECONDS = 0.5


def main() -> None:
    server = server_at(Path(sys.argv[1]))
    print(json.dumps(asdict(server.acquire())), flush=True)
    while not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
        try:
            server.keep_running()
        except EmbeddedPostgresError as problem:
            print(problem, file=sys.stderr)


if __name__ == "__main__":
    main()

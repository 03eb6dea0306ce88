"""`manage.py serve`; on SIGUSR1 the names of its tasks and threads go into the file that `SOAK_INSIDE` names."""

import asyncio
import json
import os
import runpy
import signal
import sys
import threading
from pathlib import Path


def look_inside(*_: object) -> None:
    inside = {
        "tasks": sorted(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }
    path = Path(os.environ["SOAK_INSIDE"])
    path.with_suffix(".new").write_text(json.dumps(inside))
    path.with_suffix(".new").replace(path)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, look_inside)
    sys.argv = ["manage.py", "serve"]
    runpy.run_path("manage.py", run_name="__main__")

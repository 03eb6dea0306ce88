"""How an ingest tells the filler of its process that there is something to do."""

import threading

woken = threading.Event()


def wake() -> None:
    """To be called after a commit that added chunks; costs nothing and cannot fail."""
    woken.set()

"""Makes the vectors that are missing, while everybody else does something else."""

import logging
import random
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from context.embeddings import indexes, vectors
from context.embeddings.backends import Vector, embedding
from context.embeddings.configuration import chosen, maker_of
from context.embeddings.errors import BrokenAnswer, EmbeddingError, NotConfigured, Refused, Unavailable
from context.embeddings.models import EmbeddingIndex
from context.embeddings.signal import wake, woken
from context.embeddings.vectors import Passage

logger = logging.getLogger(__name__)

BATCH = 32
IDLE_SECONDS = 10.0
"""How soon chunks are noticed that another process added."""
_LOOK_THROUGH_SECONDS = 300.0
_FILL_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
_DATABASE_PAUSE = 5.0


class Filler:
    """Makes the vectors that the settings ask for, batch by batch; one filler works at an index at a time.

    ``take_over`` takes the work from another process that is at it, and tries at once what was put off.
    """

    def __init__(self, *, take_over: bool = False) -> None:
        self.index: EmbeddingIndex | None = None
        self.problem: EmbeddingError | None = None
        self.failures = 0
        self.hindered = False
        self.made = self.passes = 0
        self._name = uuid.uuid4().hex
        self._take_over = take_over
        self._batch = BATCH
        self._tried_extension = False
        # Where the pass through the chunks is, and up to where the last one came and when.
        self._after = 0
        self._highest = self._seen = 0
        self._looked_through = -_LOOK_THROUGH_SECONDS

    def step(self) -> float:
        """Makes one batch; returns in how many seconds there may be more to do."""
        self.hindered = True
        try:
            pause = self._step()
        except EmbeddingError as problem:
            return self._failed(problem)
        except (OperationalError, InterfaceError) as error:
            logger.warning("Vectors could not be stored at the moment: %s", type(error).__name__)
            return _DATABASE_PAUSE
        finally:
            _give_back()
        self.problem, self.failures, self.hindered = None, 0, False
        return pause

    def _step(self) -> float:
        if not self._may_find_some() or not (index := self._claimed()):
            return IDLE_SECONDS
        passages = vectors.waiting(index, self._after, self._batch)
        if passages:
            self._fill(index, passages)
            return 0
        self._end_pass(index)
        return IDLE_SECONDS

    def _may_find_some(self) -> bool:
        """Looking through half a million chunks takes a moment: not without a reason, or only now and then."""
        if self._after:
            return True
        is_woken = woken.is_set()
        woken.clear()
        self._highest = vectors.highest_chunk()
        long_ago = time.monotonic() - self._looked_through > _LOOK_THROUGH_SECONDS
        return bool(self._highest) and (is_woken or long_ago or self._highest > self._seen)

    def _claimed(self) -> EmbeddingIndex | None:
        """The index to fill, with its table; none where another process is at it."""
        if not (choice := chosen(settings.ENV)):
            return None
        if not self._after:
            is_first = not self._tried_extension
            self._tried_extension = True
            vectors.ensure_extension(create=is_first)
        index = indexes.find(choice)
        if self.index and (index is None or index.state == EmbeddingIndex.State.RETIRED):
            # Two that ask for different vectors would otherwise build and drop in turns for ever.
            raise NotConfigured(sentence="Another process with other embedding settings has replaced the vectors.")
        index = index or indexes.find_or_create(choice)
        if not indexes.claim(index, self._name, take_over=self._take_over):
            return None
        self.index = index
        if index.state == EmbeddingIndex.State.RETIRED:
            indexes.revive(index)
        if not self._after:
            self._prepare(index)
        return index

    def _prepare(self, index: EmbeddingIndex) -> None:
        if not index.dimensions:
            [vector] = self._embed(index, ["How many numbers has a vector?"])
            index.dimensions = _checked(len(vector), index)
            index.save(update_fields=["dimensions"])
        vectors.ensure_table(index)
        if self._take_over and not self.passes:
            vectors.try_all_again(index)

    def _embed(self, index: EmbeddingIndex, texts: Sequence[str]) -> list[Vector]:
        maker = maker_of(settings.ENV, indexes.choice_of(index))
        _give_back()
        return embedding(maker, texts, "passage", _FILL_SECONDS).result()

    def _fill(self, index: EmbeddingIndex, passages: Sequence[Passage]) -> None:
        """Stores a batch; what fails comes again in ever smaller ones, until the text that is why stands alone."""
        try:
            refused = self._made(index, passages)
        except (Refused, Unavailable, BrokenAnswer):
            self._batch = max(1, len(passages) // 2)
            if len(passages) == 1:
                vectors.put_off(index, passages[0])
                self._after = passages[0].chunk
            raise
        for passage in refused:
            vectors.put_off(index, passage)
        self._batch = min(BATCH, self._batch * 2)
        self._after = passages[-1].chunk

    def _made(self, index: EmbeddingIndex, passages: Sequence[Passage]) -> Sequence[Passage]:
        """Stores the vectors; returns the passages that were refused, and raises ``Refused`` if all of them were."""
        try:
            made = self._embed(index, [passage.text for passage in passages])
        except Refused:
            if len(passages) == 1:
                raise
            return self._halves_made(index, passages)
        if len(made[0]) != index.dimensions:
            raise NotConfigured(sentence=_CHANGED.format(model=index.model, now=len(made[0]), before=index.dimensions))
        vectors.store(index, passages, made)
        self.made += len(made)
        return []

    def _halves_made(self, index: EmbeddingIndex, passages: Sequence[Passage]) -> Sequence[Passage]:
        middle = len(passages) // 2
        refused: list[Passage] = []
        problems: list[Refused] = []
        for half in (passages[:middle], passages[middle:]):
            try:
                refused += self._made(index, half)
            except Refused as problem:
                refused += half
                problems.append(problem)
        if len(problems) == 2:
            raise problems[0]
        return refused

    def _end_pass(self, index: EmbeddingIndex) -> None:
        self.passes += 1
        self._after, self._seen, self._looked_through = 0, self._highest, time.monotonic()
        if index.state != EmbeddingIndex.State.ACTIVE:
            progress = vectors.progress(index)
            # Most put off: a bad day of the backend's rather than bad texts.
            if not progress.made or progress.made < progress.put_off:
                return
            indexes.use(index)
            logger.info("Search by meaning uses %s, with %d vectors", index, progress.made)
        indexes.note(index, "")
        indexes.drop_others(index)

    def _failed(self, problem: EmbeddingError) -> float:
        self.problem = problem
        self.failures += 1
        if self.failures == 1:
            logger.warning("%s Vectors are made later.", problem.sentence)
        if self.index:
            indexes.note(self.index, f"{problem.sentence} {problem.detail}".strip())
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (self.failures - 1)) * random.uniform(0.8, 1.2)
        return problem.retry_after or pause


def _give_back() -> None:
    """The connection goes back to the pool; a transaction of the caller's keeps it."""
    if not connection.in_atomic_block:
        close_old_connections()


_CHANGED = "{model} gives {now:,} numbers a vector where it gave {before:,}: set EMBEDDINGS_DIMENSIONS."
_NOT_AS_ASKED = "{model} gives {now:,} numbers a vector, whatever is asked for: unset EMBEDDINGS_DIMENSIONS."
_TOO_MANY = (
    "{model} gives {now:,} numbers a vector, and no more than {most:,} can be searched: set EMBEDDINGS_DIMENSIONS, "
    "or take another model."
)


def _checked(dimensions: int, index: EmbeddingIndex) -> int:
    """Raises ``NotConfigured`` where vectors of so many numbers are of no use."""
    if index.asked and dimensions != index.asked:
        raise NotConfigured(sentence=_NOT_AS_ASKED.format(model=index.model, now=dimensions))
    if dimensions > vectors.MAX_DIMENSIONS:
        raise NotConfigured(sentence=_TOO_MANY.format(model=index.model, now=dimensions, most=vectors.MAX_DIMENSIONS))
    return dimensions


@contextmanager
def in_background() -> Iterator[None]:
    """Fills in a thread of its own meanwhile; where embeddings are off there is none."""
    try:
        is_on = chosen(settings.ENV) is not None
    except NotConfigured as problem:
        logger.warning("%s Until then search goes by words alone.", problem.sentence)
        is_on = False
    stopped = threading.Event()
    thread = threading.Thread(target=_run, args=[stopped], name="embeddings-filler", daemon=True)
    if is_on:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        wake()
        if is_on:
            # A call of the backend may take longer: what it brings is made again after the next start.
            thread.join(1)


def _run(stopped: threading.Event) -> None:
    filler = Filler()
    while not stopped.is_set():
        try:
            pause = filler.step()
        except Exception as error:
            # A bug must not end all filling until the next start. Its words may quote a text.
            if not stopped.is_set():
                logger.error("Vectors could not be made: %s", type(error).__name__)
            pause = _LONGEST_PAUSE
        # A new chunk is a reason to go on at once, but none to disturb who wants to be left alone.
        (stopped if filler.hindered else woken).wait(pause)

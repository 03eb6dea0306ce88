"""Which vectors there are: one index is active, another may be in the making beside it."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from context.embeddings import vectors
from context.embeddings.configuration import Choice
from context.embeddings.models import EmbeddingIndex

FILLER_SECONDS = 90
"""For how long a process is the one that fills an index after its last sign of life."""
_ABANDONED_AFTER = timedelta(minutes=10)


def active() -> EmbeddingIndex | None:
    return EmbeddingIndex.objects.filter(state=EmbeddingIndex.State.ACTIVE).first()


def find(choice: Choice) -> EmbeddingIndex | None:
    return EmbeddingIndex.objects.filter(backend=choice.backend, model=choice.model, asked=choice.dimensions).first()


def find_or_create(choice: Choice) -> EmbeddingIndex:
    index, _ = EmbeddingIndex.objects.get_or_create(backend=choice.backend, model=choice.model, asked=choice.dimensions)
    return index


def choice_of(index: EmbeddingIndex) -> Choice:
    return Choice(index.backend, index.model, index.asked)


def note(index: EmbeddingIndex, problem: str) -> None:
    """What hinders it, for the operator; empty: nothing."""
    EmbeddingIndex.objects.filter(pk=index.pk).exclude(problem=problem).update(problem=problem)


def claim(index: EmbeddingIndex, filler: str, *, take_over: bool = False) -> bool:
    """Whether this process may fill the index now: one at a time, the next when it gives no sign of life."""
    free = Q(filler=filler) | Q(filler_until=None) | Q(filler_until__lt=Now())
    mine = EmbeddingIndex.objects.filter(Q() if take_over else free, pk=index.pk)
    return bool(mine.update(filler=filler, filler_until=Now() + timedelta(seconds=FILLER_SECONDS)))


def use(index: EmbeddingIndex) -> None:
    """Questions are compared with this one from now on."""
    with transaction.atomic():
        actives = EmbeddingIndex.objects.select_for_update().filter(state=EmbeddingIndex.State.ACTIVE)
        for other in actives.exclude(pk=index.pk):
            _set_state(other, EmbeddingIndex.State.RETIRED)
        _set_state(index, EmbeddingIndex.State.ACTIVE)


def revive(index: EmbeddingIndex) -> None:
    _set_state(index, EmbeddingIndex.State.BUILDING)


def drop_others(index: EmbeddingIndex) -> None:
    """Drops what is retired, and what nobody builds any more."""
    abandoned = Q(filler_until=None) | Q(filler_until__lt=Now() - _ABANDONED_AFTER)
    retired = Q(state=EmbeddingIndex.State.RETIRED)
    building = Q(state=EmbeddingIndex.State.BUILDING)
    for other in EmbeddingIndex.objects.filter(retired | (building & abandoned)).exclude(pk=index.pk):
        vectors.drop_table(other)
        other.delete()


def _set_state(index: EmbeddingIndex, state: EmbeddingIndex.State) -> None:
    index.state = state
    index.save(update_fields=["state"])

"""What kind of collection a value is."""
from collections.abc import Hashable, Mapping, MutableMapping, Sequence  # noqa: F401


def is_string(seq):
    return isinstance(seq, (str, bytes))


def is_iterable(seq, include_strings=False):
    if not include_strings and is_string(seq):
        return False
    try:
        iter(seq)
        return True
    except TypeError:
        return False


def is_sequence(seq, include_strings=False):
    return isinstance(seq, Sequence) and (include_strings or not is_string(seq))


def count(seq):
    """How often each item occurs."""
    if not is_iterable(seq):
        raise Exception("Argument provided  is not an iterable")
    counters = {}
    for item in seq:
        counters[item] = counters.get(item, 0) + 1
    return counters


class ImmutableDict(Hashable, Mapping):
    """A dictionary that stays as it is."""

    def __init__(self, *args, **kwargs):
        self._store = dict(*args, **kwargs)

    def __getitem__(self, key):
        return self._store[key]

    def __iter__(self):
        return iter(self._store)

    def __len__(self):
        return len(self._store)

    def __hash__(self):
        return hash(frozenset(self.items()))

    def __eq__(self, other):
        return isinstance(other, ImmutableDict) and self._store == other._store

    def __repr__(self):
        return "ImmutableDict(%r)" % self._store

    def union(self, overriding_mapping):
        return ImmutableDict(self._store, **overriding_mapping)

    def difference(self, subtractive_iterable):
        left_out = frozenset(subtractive_iterable)
        return ImmutableDict((key, value) for key, value in self._store.items() if key not in left_out)

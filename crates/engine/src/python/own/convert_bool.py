"""What counts as yes and no."""

BOOLEANS_TRUE = frozenset(("y", "yes", "on", "1", "true", "t", 1, 1.0, True))
BOOLEANS_FALSE = frozenset(("n", "no", "off", "0", "false", "f", 0, 0.0, False))
BOOLEANS = BOOLEANS_TRUE.union(BOOLEANS_FALSE)


def boolean(value, strict=True):
    """The boolean that a value means."""
    if isinstance(value, bool):
        return value
    plain = value
    if isinstance(plain, bytes):
        plain = plain.decode("utf-8", "surrogateescape")
    if isinstance(plain, str):
        plain = plain.lower().strip()
    try:
        if plain in BOOLEANS_TRUE:
            return True
        if plain in BOOLEANS_FALSE or not strict:
            return False
    except TypeError:
        if not strict:
            return False
    known = ", ".join(repr(word) for word in sorted(BOOLEANS, key=str))
    raise TypeError("The value '%s' is not a valid boolean.  Valid booleans include: %s" % (value, known))

"""Between text and bytes."""
import datetime
import json

_HANDLERS = (None, "surrogate_or_replace", "surrogate_or_strict", "surrogate_then_replace")


def _errors(errors):
    return "surrogateescape" if errors in _HANDLERS else errors


def _other(value, nonstring):
    """What stands for a value that is neither text nor bytes; the second part tells whether it is converted further."""
    if nonstring == "simplerepr":
        try:
            return str(value), True
        except UnicodeError:
            return repr(value), True
    if nonstring == "passthru":
        return value, False
    if nonstring == "empty":
        return "", True
    if nonstring == "strict":
        raise TypeError("obj must be a string type")
    raise TypeError("Invalid value %s for the nonstring parameter" % (nonstring,))


def to_bytes(obj, encoding="utf-8", errors=None, nonstring="simplerepr"):
    """The bytes of a text."""
    if isinstance(obj, bytes):
        return obj
    if not isinstance(obj, str):
        obj, go_on = _other(obj, nonstring)
        if not go_on:
            return obj
    try:
        return obj.encode(encoding, _errors(errors))
    except UnicodeEncodeError:
        if errors in (None, "surrogate_or_replace", "surrogate_then_replace"):
            return obj.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode(encoding, "replace")
        raise


def to_text(obj, encoding="utf-8", errors=None, nonstring="simplerepr"):
    """The text of bytes."""
    if isinstance(obj, str):
        return obj
    if isinstance(obj, bytes):
        return obj.decode(encoding, _errors(errors))
    obj, go_on = _other(obj, nonstring)
    return to_text(obj, encoding, errors) if go_on else obj


to_native = to_text


def _default(value):
    if isinstance(value, bytes):
        return to_text(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if hasattr(value, "items"):
        return dict(value)
    raise TypeError("Cannot json serialize %s" % to_native(value))


def jsonify(data, **kwargs):
    """JSON of data that may have bytes and sets in it."""
    return json.dumps(data, default=_default, **kwargs)


def container_to_bytes(d, encoding="utf-8", errors="surrogate_or_strict"):
    """The same structure with bytes for every text."""
    return _walk(d, lambda text: to_bytes(text, encoding, errors) if isinstance(text, str) else text)


def container_to_text(d, encoding="utf-8", errors="surrogate_or_strict"):
    """The same structure with text for all bytes."""
    return _walk(d, lambda data: to_text(data, encoding, errors) if isinstance(data, bytes) else data)


def _walk(value, change):
    if isinstance(value, dict):
        return {_walk(key, change): _walk(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_walk(item, change) for item in value]
    if isinstance(value, tuple):
        return tuple(_walk(item, change) for item in value)
    return change(value)

"""What modules written for two Pythons ask of a layer between them; there is only Python 3 here."""
import functools
import io
import operator
import sys
import types

PY2 = False
PY3 = True
PY34 = True
string_types = (str,)
integer_types = (int,)
class_types = (type,)
text_type = str
binary_type = bytes
MAXSIZE = sys.maxsize
StringIO = io.StringIO
BytesIO = io.BytesIO
unichr = chr
next = next
callable = callable
wraps = functools.wraps
get_function_code = operator.attrgetter("__code__")


def iteritems(d, **kw):
    return iter(d.items(**kw))


def iterkeys(d, **kw):
    return iter(d.keys(**kw))


def itervalues(d, **kw):
    return iter(d.values(**kw))


def b(s):
    return s.encode("latin-1")


def u(s):
    return s


def ensure_binary(s, encoding="utf-8", errors="strict"):
    return s.encode(encoding, errors) if isinstance(s, str) else s


def ensure_text(s, encoding="utf-8", errors="strict"):
    return s.decode(encoding, errors) if isinstance(s, bytes) else s


ensure_str = ensure_text


def raise_from(value, from_value):
    raise value from from_value


def reraise(tp, value, tb=None):
    raise (tp() if value is None else value).with_traceback(tb)


def with_metaclass(meta, *bases):
    return meta("with_metaclass", bases or (object,), {})


def add_metaclass(metaclass):
    def wrapper(cls):
        kept = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
        return metaclass(cls.__name__, cls.__bases__, kept)
    return wrapper


def python_2_unicode_compatible(cls):
    return cls


class _Moves(types.ModuleType):
    """Names that moved between the standard libraries, imported when they are asked for."""

    __path__ = []
    _MODULES = {
        "configparser": "configparser", "cPickle": "pickle", "http_client": "http.client", "queue": "queue",
        "http_cookiejar": "http.cookiejar", "http_cookies": "http.cookies", "html_entities": "html.entities",
        "builtins": "builtins", "urllib": "urllib", "urllib.parse": "urllib.parse", "urllib.error": "urllib.error",
        "urllib.request": "urllib.request", "urllib_parse": "urllib.parse", "urllib_error": "urllib.error",
        "socketserver": "socketserver", "winreg": "winreg", "shlex_quote": "shlex:quote", "reduce": "functools:reduce",
        "StringIO": "io:StringIO", "cStringIO": "io:StringIO", "input": "builtins:input", "range": "builtins:range",
        "xrange": "builtins:range", "map": "builtins:map", "filter": "builtins:filter", "zip": "builtins:zip",
        "zip_longest": "itertools:zip_longest", "filterfalse": "itertools:filterfalse", "getcwd": "os:getcwd",
        "reload_module": "importlib:reload", "UserDict": "collections:UserDict", "UserList": "collections:UserList",
    }

    def __getattr__(self, name):
        import importlib
        if name not in self._MODULES:
            raise AttributeError(name)
        module, _, member = self._MODULES[name].partition(":")
        found = importlib.import_module(module)
        if name == "urllib":
            for part in ("parse", "error", "request"):
                importlib.import_module("urllib." + part)
        value = getattr(found, member) if member else found
        setattr(self, name, value)
        return value


moves = _Moves(__name__ + ".moves")
sys.modules[moves.__name__] = moves
for _name in ("urllib", "urllib.parse", "urllib.error", "urllib.request", "configparser", "queue"):
    sys.modules[moves.__name__ + "." + _name] = getattr(moves, _name)

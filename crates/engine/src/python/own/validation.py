"""What arguments are checked for: their types, and how they depend on each other."""
import ast
import json
import os
import re
import shlex

from ansible.module_utils.common.text.converters import jsonify, to_native
from ansible.module_utils.parsing.convert_bool import boolean

_UNITS = {"Y": 80, "Z": 70, "E": 60, "P": 50, "T": 40, "G": 30, "M": 20, "K": 10, "B": 0}


def _named(names):
    return ", ".join(names)


def _given(names, parameters):
    return [name for name in names if parameters.get(name) is not None]


def count_terms(terms, parameters):
    if isinstance(terms, str):
        terms = [terms]
    return len(set(terms).intersection(parameters))


def _where(options_context):
    return " found in %s" % " -> ".join(options_context) if options_context else ""


def check_mutually_exclusive(terms, parameters, options_context=None):
    groups = [terms] if terms and isinstance(terms[0], str) else terms or []
    wrong = [group for group in groups if count_terms(group, parameters) > 1]
    if wrong:
        shown = ", ".join("|".join(group) for group in wrong)
        raise TypeError("parameters are mutually exclusive: %s%s" % (shown, _where(options_context)))
    return []


def check_required_one_of(terms, parameters, options_context=None):
    for term in terms or []:
        if count_terms(term, parameters) == 0:
            raise TypeError("one of the following is required: %s%s" % (_named(term), _where(options_context)))
    return []


def check_required_together(terms, parameters, options_context=None):
    for term in terms or []:
        found = count_terms(term, parameters)
        if 0 < found < len(term):
            raise TypeError("parameters are required together: %s%s" % (_named(term), _where(options_context)))
    return []


def check_required_by(requirements, parameters, options_context=None):
    result = {}
    for key, needed in (requirements or {}).items():
        if parameters.get(key) is None:
            continue
        needed = [needed] if isinstance(needed, str) else needed
        missing = [name for name in needed if parameters.get(name) is None]
        result[key] = missing
        if missing:
            raise TypeError("missing parameter(s) required by '%s': %s%s"
                            % (key, _named(missing), _where(options_context)))
    return result


def check_required_arguments(argument_spec, parameters, options_context=None):
    missing = [name for name, option in (argument_spec or {}).items()
               if option.get("required", False) and name not in parameters]
    if missing:
        raise TypeError("missing required arguments: %s%s" % (_named(sorted(missing)), _where(options_context)))
    return missing


def check_required_if(requirements, parameters, options_context=None):
    results = []
    for requirement in requirements or []:
        key, value, needed = requirement[:3]
        is_one_of = len(requirement) > 3 and bool(requirement[3])
        if key not in parameters or parameters[key] != value:
            continue
        missing = [name for name in needed if not count_terms(name, parameters)]
        enough = len(missing) < len(needed) if is_one_of else not missing
        if not enough:
            raise TypeError("%s is %s but %s of the following are missing: %s%s" % (
                key, value, "any" if is_one_of else "all", _named(missing), _where(options_context)))
    return results


def check_missing_parameters(parameters, required_parameters=None):
    missing = [name for name in required_parameters or [] if not parameters.get(name)]
    if missing:
        raise TypeError("missing required arguments: %s" % _named(missing))
    return missing


def safe_eval(value, locals=None, include_exceptions=False):
    """The value of a Python literal; what is none stays text."""
    problem = None
    if isinstance(value, str) and not re.search(r"\w\.\w+\(|import \w+", value):
        try:
            value = ast.literal_eval(value)
        except Exception as error:
            problem = error
    return (value, problem) if include_exceptions else value


def check_type_str(value, allow_conversion=True, param=None, prefix=""):
    if isinstance(value, str):
        return value
    if allow_conversion and value is not None:
        return to_native(value, errors="surrogate_or_strict")
    raise TypeError("'%r' is not a string and conversion is not allowed" % (value,))


def check_type_list(value):
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return value.split(",")
    if isinstance(value, (int, float)):
        return [str(value)]
    raise TypeError("%s cannot be converted to a list" % type(value))


def check_type_dict(value):
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        if value.startswith("{"):
            try:
                return json.loads(value)
            except ValueError:
                result, problem = safe_eval(value, include_exceptions=True)
                if problem is not None or not isinstance(result, dict):
                    raise TypeError("unable to evaluate string as dictionary")
                return result
        if "=" in value:
            lexer = shlex.shlex(value, posix=True)
            lexer.whitespace = ", \t\r\n"
            lexer.whitespace_split = True
            lexer.commenters = ""
            try:
                fields = list(lexer)
            except ValueError:
                raise TypeError("unable to evaluate string in the \"key=value\" format as dictionary")
            if all("=" in field for field in fields):
                return dict(field.split("=", 1) for field in fields)
            raise TypeError("unable to evaluate string in the \"key=value\" format as dictionary")
        raise TypeError("dictionary requested, could not parse JSON or key=value")
    raise TypeError("%s cannot be converted to a dict" % type(value))


def check_type_bool(value):
    if isinstance(value, bool):
        return value
    if isinstance(value, (str, bytes, int, float)):
        return boolean(value)
    raise TypeError("%s cannot be converted to a bool" % type(value))


def check_type_int(value):
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        if isinstance(value, (str, bool)):
            return int(value)
        if isinstance(value, float) and value == int(value):
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise TypeError('"%r" cannot be converted to an int' % (value,))


def check_type_float(value):
    if isinstance(value, float):
        return value
    if isinstance(value, (str, bytes, int)):
        try:
            return float(value)
        except ValueError:
            pass
    raise TypeError("%s cannot be converted to a float" % type(value))


def check_type_path(value):
    return os.path.expanduser(os.path.expandvars(check_type_str(value)))


def check_type_raw(value):
    return value


def human_to_bytes(number, default_unit=None, isbits=False):
    """`10M` as a number."""
    found = re.match(r"^\s*(\d*\.?\d*)\s*([A-Za-z]+)?\s*$", str(number))
    if not found or not found.group(1) or found.group(1) == ".":
        raise ValueError("human_to_bytes() can't interpret following string: %s" % number)
    unit = found.group(2) or default_unit
    if not unit:
        return int(round(float(found.group(1))))
    first, rest = unit[0].upper(), unit[1:]
    wanted = "b" if isbits else "B"
    words = ("bit", "bits") if isbits else ("byte", "bytes")
    good = rest in ("", wanted) or rest.lower() in words or (unit.lower() in words)
    if first not in _UNITS or not good:
        raise ValueError("human_to_bytes() failed to convert %s (unit = %s)" % (number, unit))
    return int(round(float(found.group(1)) * (1 << _UNITS[first])))


def check_type_bytes(value):
    try:
        return human_to_bytes(value)
    except ValueError:
        raise TypeError("%s cannot be converted to a Byte value" % type(value))


def check_type_bits(value):
    try:
        return human_to_bytes(value, isbits=True)
    except ValueError:
        raise TypeError("%s cannot be converted to a Bit value" % type(value))


def check_type_jsonarg(value):
    if isinstance(value, (str, bytes)):
        return to_native(value).strip()
    if isinstance(value, (list, tuple, dict)):
        return jsonify(value)
    raise TypeError("%s cannot be converted to a json string" % type(value))

"""Dictionaries with other keys, and merged."""
import copy
import re


def camel_dict_to_snake_dict(camel_dict, reversible=False, ignore_list=()):
    """Keys such as `HTTPEndpoint` become `http_endpoint`."""
    def walk(value):
        if isinstance(value, dict):
            return {_snake(key, reversible): walk(item) for key, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, list) else value
    # Keys to be left alone are those of the dictionary itself.
    return {_snake(key, reversible): item if key in ignore_list else walk(item) for key, item in camel_dict.items()}


def snake_dict_to_camel_dict(snake_dict, capitalize_first=False):
    """Keys such as `http_endpoint` become `httpEndpoint`."""
    def walk(value):
        if isinstance(value, dict):
            return {_camel(key, capitalize_first): walk(item) for key, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, list) else value
    return walk(snake_dict)


def _snake(name, reversible):
    if reversible:
        return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
    plural = re.sub(r"([A-Z]{3,}s)(?=$|[A-Z])", lambda found: "_" + found.group(1).lower(), name)
    words = re.sub(r"([^_])([A-Z][a-z]+)", r"\1_\2", plural)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower().lstrip("_")


def _camel(name, capitalize_first):
    first, *rest = name.split("_")
    start = first.capitalize() if capitalize_first else first
    return start + "".join(word.capitalize() or "_" for word in rest)


def dict_merge(a, b):
    """The second dictionary laid over the first, at every depth."""
    if not isinstance(b, dict):
        return b
    merged = copy.deepcopy(a)
    for key, value in b.items():
        both = key in merged and isinstance(merged[key], dict)
        merged[key] = dict_merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def recursive_diff(dict1, dict2):
    """What each has that the other has not, as a pair; `None` when they are equal."""
    if not all(hasattr(value, "items") for value in (dict1, dict2)):
        raise TypeError("Unable to diff 'dict1' %s and 'dict2' %s. Both must be a dictionary."
                        % (type(dict1), type(dict2)))
    left = {key: value for key, value in dict1.items() if key not in dict2}
    right = {key: value for key, value in dict2.items() if key not in dict1}
    for key in dict1.keys() & dict2.keys():
        one, other = dict1[key], dict2[key]
        if isinstance(one, dict) and isinstance(other, dict):
            inner = recursive_diff(one, other)
            if inner:
                left[key], right[key] = inner
        elif one != other:
            left[key], right[key] = one, other
    return (left, right) if left or right else None

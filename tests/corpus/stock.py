"""Which of the texts on standard input do PyYAML and Jinja2 read?

One JSON object a line: {"kind": "yaml" | "file" | "value" | "expression", "text": ...}; answers `true` or `false`, a line each.
"""
import json
import sys

import jinja2
import yaml


class Loader(yaml.CSafeLoader):
    """Reads any tag, as only the syntax is asked for."""


Loader.add_multi_constructor("", lambda loader, suffix, node: None)
ENVIRONMENT = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"], trim_blocks=True)


def reads(kind, text):
    try:
        if kind == "yaml":
            list(yaml.load_all(text, Loader))
        elif kind == "expression":
            ENVIRONMENT.parse("{{ (" + text + ") }}")
        else:
            ENVIRONMENT.parse(text)
    except Exception:
        return False
    return True


for line in sys.stdin:
    row = json.loads(line)
    print(json.dumps(reads(row["kind"], row["text"])), flush=True)

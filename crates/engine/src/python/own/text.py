"""The old name of `ansible.module_utils.common.text.converters`."""
from ansible.module_utils.common.text.converters import jsonify, to_bytes, to_native, to_text  # noqa: F401

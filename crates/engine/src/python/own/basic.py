"""What a module in Python is given: its arguments, checked; a way to answer; and helpers for what most modules do.

A stand-in for `ansible.module_utils.basic` where the controller has no ansible-core.
"""
import atexit
import copy
import errno
import grp
import hashlib
import json
import os
import platform
import pwd
import re
import select
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import syslog
import tempfile
import time
import traceback
from collections.abc import (  # noqa: F401
    KeysView, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence, Set)

from ansible.module_utils.common.process import get_bin_path as _get_bin_path
from ansible.module_utils.common.process import is_executable  # noqa: F401
from ansible.module_utils.common.text.converters import (  # noqa: F401
    container_to_bytes as json_dict_unicode_to_bytes, container_to_text as json_dict_bytes_to_unicode,
    jsonify, to_bytes, to_native, to_text)
from ansible.module_utils.common.validation import (  # noqa: F401
    check_mutually_exclusive, check_required_by, check_required_if, check_required_one_of, check_required_together,
    check_type_bits, check_type_bool, check_type_bytes, check_type_dict, check_type_float, check_type_int,
    check_type_jsonarg, check_type_list, check_type_path, check_type_raw, check_type_str, human_to_bytes, safe_eval)
from ansible.module_utils.parsing.convert_bool import (  # noqa: F401
    BOOLEANS, BOOLEANS_FALSE, BOOLEANS_TRUE, boolean)

NoneType = type(None)
SEQUENCETYPE = (list, tuple, frozenset)
PASSWORD_MATCH = re.compile(r"(?<!update_)(?:pass(?!ive)|passwd|secret|token)", re.I)
PERM_BITS = 0o7777
EXEC_PERM_BITS = 0o0111
DEFAULT_PERM = 0o666
HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"

FILE_COMMON_ARGUMENTS = dict(
    mode=dict(type="raw"), owner=dict(type="str"), group=dict(type="str"), seuser=dict(type="str"),
    serole=dict(type="str"), selevel=dict(type="str"), setype=dict(type="str"),
    attributes=dict(type="str", aliases=["attr"]),
    unsafe_writes=dict(type="bool", default=False, fallback=None),
)
FILE_ATTRIBUTES = {}

_ANSIBLE_ARGS = None
_ANSIBLE_PROFILE = None

_CHECKERS = {
    "str": check_type_str, "list": check_type_list, "dict": check_type_dict, "bool": check_type_bool,
    "int": check_type_int, "float": check_type_float, "path": check_type_path, "raw": check_type_raw,
    "jsonarg": check_type_jsonarg, "json": check_type_jsonarg, "bytes": check_type_bytes, "bits": check_type_bits,
}


class AnsibleFallbackNotFound(Exception):
    """A fallback has no value."""


def env_fallback(*args, **kwargs):
    """The first of these variables of the environment that is set."""
    for name in args:
        if name in os.environ:
            return os.environ[name]
    raise AnsibleFallbackNotFound


def missing_required_lib(library, reason=None, url=None):
    """What to say when the host's Python lacks a library."""
    message = "Failed to import the required Python library (%s) on %s's Python %s." % (
        library, platform.node(), sys.executable)
    if reason:
        message += " This is required %s." % reason
    if url:
        message += " See %s for more info." % url
    return message + (" Please read the module documentation and install it in the appropriate location."
                      " If the required library is installed, but Ansible is using the wrong Python interpreter,"
                      " please consult the documentation on ansible_python_interpreter")


def bytes_to_human(size, isbits=False, unit=None):
    """A size for people."""
    base = "bits" if isbits else "Bytes"
    short = "b" if isbits else "B"
    for name, power in (("Y", 80), ("Z", 70), ("E", 60), ("P", 50), ("T", 40), ("G", 30), ("M", 20), ("K", 10)):
        fits = size >= 1 << power if unit is None else unit.upper() == name
        if fits:
            return "%.2f %s%s" % (size / float(1 << power), name, short)
    return "%.2f %s" % (size, base)


def heuristic_log_sanitize(data, no_log_values=None):
    """Text without passwords in URLs and without values that are not to be shown."""
    data = re.sub(r"(://[^/\s:@]*:)[^@\s/]+@", r"\1********@", to_native(data))
    return _masked(data, no_log_values or ())


def get_exception():
    return sys.exc_info()[1]


def get_platform():
    return platform.system()


def load_platform_subclass(cls, *args, **kwargs):
    """An object of the subclass for this host's system."""
    this = platform.system()
    for subclass in cls.__subclasses__():
        if getattr(subclass, "platform", None) == this and getattr(subclass, "distribution", None) is None:
            return super(cls, subclass).__new__(subclass)
    return super(cls, cls).__new__(cls)


def _load_params():
    """The arguments that this call was given."""
    global _ANSIBLE_ARGS
    if _ANSIBLE_ARGS is None:
        data = sys.stdin.buffer.read() if len(sys.argv) < 2 else sys.argv[1].encode("utf-8", "surrogateescape")
        if len(sys.argv) > 1 and os.path.isfile(sys.argv[1]):
            with open(sys.argv[1], "rb") as file:
                data = file.read()
        _ANSIBLE_ARGS = data
    try:
        return json.loads(_ANSIBLE_ARGS.decode("utf-8"))["ANSIBLE_MODULE_ARGS"]
    except (ValueError, KeyError, TypeError):
        print('\n{"msg": "Error: Module unable to locate ANSIBLE_MODULE_ARGS in JSON data from stdin.", "failed": true}')
        sys.exit(1)


def _masked(value, secrets):
    """A value of a result without the secrets that are in it."""
    if isinstance(value, (str, bytes)):
        text = to_native(value)
        if text in secrets:
            return HIDDEN
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, "********")
        return text
    if isinstance(value, Mapping):
        return {key: _masked(item, secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked(item, secrets) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        text = str(value)
        if text in secrets:
            return HIDDEN
        return _masked(text, secrets) if any(secret in text for secret in secrets) else value
    return value


def remove_values(value, no_log_strings):
    return _masked(value, {to_native(text) for text in no_log_strings})


def sanitize_keys(obj, no_log_strings, ignore_keys=frozenset()):
    """The same with secrets removed from the names in dictionaries."""
    if isinstance(obj, Mapping):
        hidden = {to_native(text) for text in no_log_strings}
        return {key if key in ignore_keys or str(key).startswith("_ansible") else _masked(key, hidden):
                sanitize_keys(item, no_log_strings, ignore_keys) for key, item in obj.items()}
    if isinstance(obj, (list, tuple, set)):
        return [sanitize_keys(item, no_log_strings, ignore_keys) for item in obj]
    return obj


class _Arguments:
    """Arguments on their way through a specification. What is wrong with them is raised as `TypeError`."""

    def __init__(self, module):
        self.module = module
        self.supported = {}

    def settle(self, spec, given, rules, path=()):
        """Aliases, defaults, types and choices: fills `given` in."""
        aliases = self.aliases(spec, given, path)
        unknown = [name for name in given if name not in spec and name not in aliases]
        self.hide(spec, given)
        self.defaults(spec, given, before=True)
        check_mutually_exclusive(rules.get("mutually_exclusive"), given, list(path))
        missing = [name for name, option in spec.items() if option.get("required") and name not in given]
        if unknown and not self.module._ignore_unknown_opts:
            raise _Unsupported([".".join(path + (name,)) for name in unknown], spec, aliases, path)
        if missing:
            raise TypeError("missing required arguments: %s%s" % (", ".join(sorted(missing)), self.where(path)))
        self.types(spec, given, path)
        self.choices(spec, given, path)
        self.relations(given, rules, path)
        self.defaults(spec, given, before=False)
        self.nested(spec, given, path)

    @staticmethod
    def where(path):
        return " found in %s" % " -> ".join(path) if path else ""

    def aliases(self, spec, given, path):
        known = {}
        for name, option in spec.items():
            found = [alias for alias in option.get("aliases") or [] if alias in given]
            for alias in option.get("aliases") or []:
                known[alias] = name
            if name in given and found and not path:
                self.module.warn("Both option %s and its alias %s are set." % (name, found[-1]))
            for alias in found:
                given[name] = given[alias]
            for old in option.get("deprecated_aliases") or []:
                if old.get("name") in given:
                    self.module.deprecate("Alias '%s' is deprecated. See the module docs for more information"
                                          % old["name"], version=old.get("version"), date=old.get("date"),
                                          collection_name=old.get("collection_name"))
            if name in given and (option.get("removed_in_version") or option.get("removed_at_date")):
                self.module.deprecate("Param '%s' is deprecated. See the module docs for more information" % name,
                                      version=option.get("removed_in_version"), date=option.get("removed_at_date"),
                                      collection_name=option.get("removed_from_collection"))
        return known

    def hide(self, spec, given):
        for name, option in spec.items():
            if option.get("no_log"):
                self.remember(given.get(name))
            elif option.get("no_log") is None and given.get(name) is not None and PASSWORD_MATCH.search(name):
                if option.get("type", "str") != "bool" and not option.get("choices"):
                    self.module.warn("Module did not set no_log for %s" % name)

    def remember(self, value):
        if isinstance(value, Mapping):
            for item in value.values():
                self.remember(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self.remember(item)
        elif value not in (None, "") and not isinstance(value, bool):
            self.module.no_log_values.add(to_native(value))

    @staticmethod
    def defaults(spec, given, before):
        """Before the checks come values from elsewhere, and defaults; after them what is still missing is `None`."""
        for name, option in spec.items():
            if name in given and (before or given[name] is not None):
                continue
            if before:
                fallback = option.get("fallback") or (None,)
                if fallback[0] is not None:
                    args = [part for part in fallback[1:] if not isinstance(part, dict)]
                    words = args[0] if args and isinstance(args[0], (list, tuple)) else args
                    named = next((part for part in fallback[1:] if isinstance(part, dict)), {})
                    try:
                        given[name] = fallback[0](*words, **named)
                        continue
                    except AnsibleFallbackNotFound:
                        pass
                if option.get("default") is not None:
                    given[name] = copy.deepcopy(option["default"])
            else:
                given.setdefault(name, copy.deepcopy(option.get("default")))

    def types(self, spec, given, path):
        for name, option in spec.items():
            if given.get(name) is None:
                continue
            wanted = option.get("type") or "str"
            given[name] = self.typed(given[name], wanted, name, path)
            elements = option.get("elements")
            if wanted == "list" and elements and isinstance(given[name], list):
                given[name] = [self.element(item, elements, name, path) for item in given[name]]
            if option.get("no_log"):
                self.remember(given[name])

    def element(self, item, wanted, name, path):
        try:
            return _CHECKERS[wanted](item) if not callable(wanted) else wanted(item)
        except (TypeError, ValueError) as error:
            raise TypeError("Elements value for option '%s'%s is of type %s and we were unable to convert to %s: %s"
                            % (name, self.where(path), type(item).__name__, wanted, error))

    def typed(self, value, wanted, name, path):
        shown = wanted if not callable(wanted) else getattr(wanted, "__name__", str(wanted))
        checker = wanted if callable(wanted) else _CHECKERS.get(wanted)
        if checker is None:
            raise TypeError("an unknown type was requested for option '%s': %s" % (name, wanted))
        try:
            return checker(value)
        except (TypeError, ValueError) as error:
            raise TypeError("argument '%s' is of type %s%s and we were unable to convert to %s: %s" % (
                name, type(value).__name__, self.where(path), shown, error))

    def choices(self, spec, given, path):
        for name, option in spec.items():
            choices = option.get("choices")
            if choices is None or given.get(name) is None:
                continue
            shown = ", ".join(str(choice) for choice in choices)
            value = given[name]
            if isinstance(value, list):
                wrong = [str(item) for item in value if item not in choices]
                if wrong:
                    raise TypeError("value of %s must be one or more of: %s. Got no match for: %s%s" % (
                        name, shown, ", ".join(wrong), self.where(path)))
                continue
            if value in choices:
                continue
            # YAML may have made booleans of such words.
            words = {True: BOOLEANS_TRUE, False: BOOLEANS_FALSE, "True": BOOLEANS_TRUE, "False": BOOLEANS_FALSE}
            meant = [choice for choice in choices if choice in words.get(value, ())]
            if len(meant) == 1:
                given[name] = meant[0]
                continue
            raise TypeError("value of %s must be one of: %s, got: %s%s" % (name, shown, value, self.where(path)))

    @staticmethod
    def relations(given, rules, path):
        context = list(path)
        check_required_together(rules.get("required_together"), given, context)
        check_required_one_of(rules.get("required_one_of"), given, context)
        check_required_if(rules.get("required_if"), given, context)
        check_required_by(rules.get("required_by"), given, context)

    def nested(self, spec, given, path):
        for name, option in spec.items():
            inner = option.get("options")
            wanted = option.get("type") or "str"
            if not inner or not (wanted == "dict" or (wanted == "list" and option.get("elements") == "dict")):
                continue
            value = given.get(name)
            if value is None:
                if not option.get("apply_defaults"):
                    continue
                value = given[name] = {} if wanted == "dict" else []
            for item in value if isinstance(value, list) else [value]:
                if not isinstance(item, dict):
                    raise TypeError("value of '%s' must be of type dict or list of dicts%s" % (name, self.where(path)))
                self.settle(inner, item, option, path + (name,))


class _Unsupported(Exception):
    def __init__(self, names, spec, aliases, path):
        super().__init__(names)
        self.names = names
        self.spec = spec
        self.aliases = aliases
        self.path = path


class AnsibleModule:
    """A module while it runs."""

    def __init__(self, argument_spec, bypass_checks=False, no_log=False, mutually_exclusive=None,
                 required_together=None, required_one_of=None, add_file_common_args=False, supports_check_mode=False,
                 required_if=None, required_by=None):
        self._name = os.path.basename(__file__)
        self.argument_spec = dict(argument_spec)
        self.supports_check_mode = supports_check_mode
        self.check_mode = False
        self.bypass_checks = bypass_checks
        self.no_log = no_log
        self.mutually_exclusive = mutually_exclusive
        self.required_together = required_together
        self.required_one_of = required_one_of
        self.required_if = required_if
        self.required_by = required_by
        self.cleanup_files = []
        self._debug = False
        self._diff = False
        self._socket_path = None
        self._shell = None
        self._syslog_facility = "LOG_USER"
        self._verbosity = 0
        self._remote_tmp = None
        self._tmpdir = None
        self._keep_remote_files = False
        self._selinux_special_fs = []
        self._ignore_unknown_opts = False
        self._string_conversion_action = ""
        self.ansible_version = None
        self.run_command_environ_update = {}
        self.no_log_values = set()
        self._warnings = []
        self._deprecations = []
        if add_file_common_args:
            for name, option in FILE_COMMON_ARGUMENTS.items():
                self.argument_spec.setdefault(name, {key: value for key, value in option.items() if value is not None})
        self.params = _load_params()
        self._take_settings()
        self._given = dict(self.params)
        self._check_arguments()
        if not self.no_log:
            self._log_invocation()
        try:
            os.getcwd()
        except OSError:
            os.chdir("/")
        if self.check_mode and not self.supports_check_mode:
            self.exit_json(skipped=True, msg="remote module (%s) does not support check mode" % self._name)

    def _take_settings(self):
        own = {name: self.params.pop(name) for name in list(self.params) if name.startswith("_ansible_")}
        self.check_mode = own.get("_ansible_check_mode", False)
        self.no_log = own.get("_ansible_no_log", False) or self.no_log
        self._debug = own.get("_ansible_debug", False)
        self._diff = own.get("_ansible_diff", False)
        self._verbosity = own.get("_ansible_verbosity", 0)
        self._name = own.get("_ansible_module_name") or self._name
        self._syslog_facility = own.get("_ansible_syslog_facility") or "LOG_USER"
        self._remote_tmp = own.get("_ansible_remote_tmp")
        self._tmpdir = own.get("_ansible_tmpdir")
        self._shell = own.get("_ansible_shell_executable") or "/bin/sh"
        self._socket_path = own.get("_ansible_socket")
        self._keep_remote_files = own.get("_ansible_keep_remote_files", False)
        self._selinux_special_fs = own.get("_ansible_selinux_special_fs") or []
        self._ignore_unknown_opts = own.get("_ansible_ignore_unknown_opts", False)
        self.ansible_version = own.get("_ansible_version")

    def _check_arguments(self):
        rules = dict(mutually_exclusive=self.mutually_exclusive, required_together=self.required_together,
                     required_one_of=self.required_one_of, required_if=self.required_if, required_by=self.required_by)
        arguments = _Arguments(self)
        self.aliases = {alias: name for name, option in self.argument_spec.items()
                        for alias in option.get("aliases") or []}
        try:
            if not self.bypass_checks:
                arguments.settle(self.argument_spec, self.params, rules)
        except _Unsupported as wrong:
            names, aliases = ", ".join(sorted(wrong.spec)), ", ".join(sorted(wrong.aliases))
            known = "%s (%s)" % (names, aliases) if aliases else names
            where = " found in %s" % " -> ".join(wrong.path) if wrong.path else ""
            supported = " Supported parameters include: %s." % known if known else " There are no parameters."
            self.fail_json(msg="Unsupported parameters for (%s) module: %s%s.%s" % (
                self._name, ", ".join(sorted(wrong.names)), where, supported))
        except TypeError as wrong:
            self.fail_json(msg=str(wrong))

    # Answers.

    def exit_json(self, **kwargs):
        """Ends well."""
        self._end(kwargs, 0)

    def fail_json(self, msg, **kwargs):
        """Ends badly, and says why."""
        kwargs["failed"] = True
        kwargs["msg"] = msg
        if sys.exc_info()[2] is not None:
            kwargs.setdefault("exception", traceback.format_exc())
        elif "exception" not in kwargs:
            kwargs["exception"] = "(traceback unavailable)"
        self._end(kwargs, 1)

    def _end(self, result, status):
        self.do_cleanup_files()
        self.add_path_info(result)
        if status == 0:
            result.setdefault("changed", False)
        result.setdefault("invocation", {"module_args": self.params})
        for warning in result.pop("warnings", None) or []:
            self.warn(warning)
        for old in result.pop("deprecations", None) or []:
            if isinstance(old, (list, tuple)) and len(old) == 2:
                self.deprecate(old[0], version=old[1])
            elif isinstance(old, Mapping):
                self.deprecate(old["msg"], version=old.get("version"), date=old.get("date"),
                               collection_name=old.get("collection_name"))
            else:
                self.deprecate(old)
        if self._warnings:
            result["warnings"] = self._warnings
        if self._deprecations:
            result["deprecations"] = self._deprecations
        shown = _masked(result, self.no_log_values)
        sys.stdout.write("\n%s\n" % jsonify(shown))
        sys.stdout.flush()
        sys.exit(status)

    def warn(self, warning, help_text=None):
        text = to_native(warning)
        if text not in self._warnings:
            self._warnings.append(text)
        self.log("[WARNING] %s" % text)

    def deprecate(self, msg, version=None, date=None, collection_name=None, **_):
        if version is not None and date is not None:
            raise AssertionError("implementation error -- version and date must not both be set")
        name = collection_name or getattr(sys.modules["__main__"], "_module_fqn", "ansible.legacy")
        kind = "module" if collection_name is None else None
        old = {"msg": to_native(msg), "collection_name": ".".join(name.split(".")[:2]),
               "deprecator": {"resolved_name": name, "type": kind}}
        old.update({"version": version} if date is None else {"date": str(date)})
        if old not in self._deprecations:
            self._deprecations.append(old)

    def jsonify(self, data):
        return jsonify(data)

    def from_json(self, data):
        return json.loads(data)

    def boolean(self, arg):
        if arg is None:
            return arg
        try:
            return boolean(arg)
        except TypeError as error:
            self.fail_json(msg=to_native(error))

    # The journal.

    def debug(self, msg):
        if self._debug:
            self.log("[debug] %s" % msg)

    def log(self, msg, log_args=None):
        if self.no_log:
            return
        facility = getattr(syslog, self._syslog_facility, syslog.LOG_USER)
        try:
            syslog.openlog("ansible-%s" % self._name, 0, facility)
            syslog.syslog(syslog.LOG_INFO, heuristic_log_sanitize(msg, self.no_log_values).replace("\0", ""))
        except (TypeError, ValueError):
            pass

    def _log_invocation(self):
        shown = {name: "NOT_LOGGING_PARAMETER" if (self.argument_spec.get(name) or {}).get("no_log") else value
                 for name, value in self.params.items()}
        words = " ".join("%s=%s" % (name, _masked(value, self.no_log_values)) for name, value in shown.items())
        self.log("Invoked with %s" % words if words else "Invoked")

    # Programs.

    def get_bin_path(self, arg, required=False, opt_dirs=None):
        try:
            return _get_bin_path(arg, opt_dirs=opt_dirs)
        except ValueError as error:
            if required:
                self.fail_json(msg=to_native(error))
            return None

    def run_command(self, args, check_rc=False, close_fds=True, executable=None, data=None, binary_data=False,
                    path_prefix=None, cwd=None, use_unsafe_shell=False, prompt_regex=None, environ_update=None,
                    umask=None, encoding="utf-8", errors="surrogate_or_strict", expand_user_and_vars=True,
                    pass_fds=None, before_communicate_callback=None, ignore_invalid_cwd=True, handle_exceptions=True):
        """Runs a program; the value is its exit status, standard output and standard error."""
        if not isinstance(args, (list, str, bytes)):
            self.fail_json(rc=257, cmd=args, msg="Argument 'args' to run_command must be list or string")
        shell = False
        if use_unsafe_shell:
            if isinstance(args, list):
                args = " ".join(shlex.quote(to_native(word)) for word in args)
            args = to_native(args)
            if executable is None and self._shell not in (None, "/bin/sh"):
                executable = self._shell
            if executable:
                args = [executable, "-c", args]
            else:
                shell = True
        else:
            words = shlex.split(to_native(args)) if isinstance(args, (str, bytes)) else [to_native(x) for x in args
                                                                                         if x is not None]
            if expand_user_and_vars:
                words = [os.path.expandvars(os.path.expanduser(word)) for word in words]
            args = words
        environment = dict(os.environ)
        for more in (self.run_command_environ_update, environ_update or {}):
            environment.update({to_native(name): to_native(value) for name, value in more.items()})
        if path_prefix:
            environment["PATH"] = "%s:%s" % (path_prefix, environment.get("PATH", ""))
        shown = self._shown_command(args)
        if cwd is not None:
            cwd = os.path.abspath(os.path.expanduser(to_native(cwd)))
            if not os.path.isdir(cwd):
                if not ignore_invalid_cwd:
                    self.fail_json(rc=2, msg="Could not chdir to %s, unable to execute command" % cwd)
                cwd = None
        before = os.umask(umask) if umask is not None else None
        prompt = None
        if prompt_regex:
            try:
                prompt = re.compile(to_bytes(prompt_regex), re.MULTILINE)
            except re.error:
                self.fail_json(msg="invalid prompt regular expression given to run_command")
        try:
            child = subprocess.Popen(
                args, executable=executable if not shell and not use_unsafe_shell else None, shell=shell,
                close_fds=close_fds, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
                env=environment, preexec_fn=_usual_signals, pass_fds=pass_fds or ())
            if before_communicate_callback:
                before_communicate_callback(child)
            if data is not None and not binary_data:
                data = to_bytes(data) + (b"" if to_bytes(data).endswith(b"\n") else b"\n")
            status, out, err = self._listen(child, data, prompt)
            if status == 257:
                return 257, self._decoded(out, encoding, errors), "A prompt was encountered while running a command, " \
                    "but no input data was specified"
        except OSError as error:
            if not handle_exceptions:
                raise
            self.fail_json(rc=error.errno or 257, stdout="", stderr="", msg=to_native(error), cmd=shown,
                           exception=traceback.format_exc())
        finally:
            if before is not None:
                os.umask(before)
        out, err = self._decoded(out, encoding, errors), self._decoded(err, encoding, errors)
        if check_rc and status != 0:
            message = heuristic_log_sanitize(to_native(err).rstrip(), self.no_log_values)
            self.fail_json(cmd=shown, rc=status, stdout=out, stderr=err, msg=message)
        return status, out, err

    @staticmethod
    def _decoded(output, encoding, errors):
        return to_native(output, encoding=encoding, errors=errors) if encoding is not None else output

    def _shown_command(self, args):
        text = args if isinstance(args, str) else " ".join(shlex.quote(word) for word in args)
        return heuristic_log_sanitize(text, self.no_log_values)

    @staticmethod
    def _listen(child, data, prompt):
        if prompt is None or data is not None:
            out, err = child.communicate(data)
            return child.returncode, out, err
        child.stdin.close()
        heard = {child.stdout: b"", child.stderr: b""}
        waiting = set(heard)
        while waiting:
            for stream in select.select(list(waiting), [], [], 1)[0]:
                part = os.read(stream.fileno(), 65536)
                if not part:
                    waiting.discard(stream)
                heard[stream] += part
            if prompt.search(heard[child.stdout]):
                child.kill()
                child.wait()
                return 257, heard[child.stdout], heard[child.stderr]
        return child.wait(), heard[child.stdout], heard[child.stderr]

    # Files.

    @property
    def tmpdir(self):
        """A directory of this call's own, removed at its end."""
        if self._tmpdir is None:
            base = os.path.expanduser(os.path.expandvars(self._remote_tmp or "")) or None
            if base and not os.path.isdir(base):
                try:
                    os.makedirs(base, mode=0o700)
                except OSError as error:
                    self.warn("Unable to use %s as temporary directory, failing back to system: %s"
                              % (base, to_native(error)))
                    base = None
            made = tempfile.mkdtemp(prefix="ansible-moduletmp-%s-" % time.time(), dir=base)
            if not self._keep_remote_files:
                atexit.register(shutil.rmtree, made, True)
            self._tmpdir = made
        return self._tmpdir

    def add_cleanup_file(self, path):
        if path not in self.cleanup_files:
            self.cleanup_files.append(path)

    def do_cleanup_files(self):
        for path in self.cleanup_files:
            self.cleanup(path)

    def cleanup(self, tmpfile):
        if os.path.exists(tmpfile):
            try:
                os.unlink(tmpfile)
            except OSError as error:
                sys.stderr.write("could not cleanup %s: %s" % (tmpfile, to_native(error)))

    def digest_from_file(self, filename, algorithm):
        if not os.path.exists(filename):
            return None
        if os.path.isdir(filename):
            self.fail_json(msg="attempted to take checksum of directory: %s" % filename)
        method = algorithm
        if not hasattr(method, "update"):
            if algorithm not in hashlib.algorithms_available:
                self.fail_json(msg="Could not hash file '%s' with algorithm '%s'. Available algorithms: %s" % (
                    filename, algorithm, ", ".join(sorted(hashlib.algorithms_available))))
            method = hashlib.new(algorithm)
        with open(filename, "rb") as file:
            for part in iter(lambda: file.read(65536), b""):
                method.update(part)
        return method.hexdigest()

    def md5(self, filename):
        return self.digest_from_file(filename, "md5")

    def sha1(self, filename):
        return self.digest_from_file(filename, "sha1")

    def sha256(self, filename):
        return self.digest_from_file(filename, "sha256")

    def backup_local(self, fn):
        """Keeps a copy of a file beside it; the value is the copy's path."""
        if not os.path.exists(fn):
            return ""
        copy_path = "%s.%s.%s" % (fn, os.getpid(), time.strftime("%Y-%m-%d@%H:%M:%S~", time.localtime()))
        try:
            self.preserved_copy(fn, copy_path)
        except (shutil.Error, OSError) as error:
            self.fail_json(msg="Could not make backup of %s to %s: %s" % (fn, copy_path, to_native(error)))
        return copy_path

    def preserved_copy(self, src, dest):
        """A copy with owner, mode and times."""
        shutil.copy2(src, dest)
        try:
            before = os.stat(src)
            os.chown(dest, before.st_uid, before.st_gid)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise

    def atomic_move(self, src, dest, unsafe_writes=False, keep_dest_attrs=True):
        """Puts a file in the place of another: whoever looks sees the old or the new one."""
        src, dest = to_native(src), to_native(dest)
        existed = os.path.exists(dest)
        if existed and keep_dest_attrs:
            try:
                before = os.stat(dest)
                os.chmod(src, before.st_mode & PERM_BITS)
                os.chown(src, before.st_uid, before.st_gid)
            except OSError as error:
                if error.errno != errno.EPERM:
                    raise
        try:
            os.rename(src, dest)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EXDEV, errno.EACCES, errno.ETXTBSY, errno.EBUSY):
                self.fail_json(msg="Could not replace file: %s to %s: %s" % (src, dest, to_native(error)),
                               exception=traceback.format_exc())
            self._move_by_copy(src, dest, unsafe_writes, error)
        if not existed and keep_dest_attrs:
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(dest, DEFAULT_PERM & ~mask)
            try:
                os.chown(dest, os.geteuid(), os.getegid())
            except OSError:
                pass

    def _move_by_copy(self, src, dest, unsafe_writes, error):
        beside = None
        try:
            handle, beside = tempfile.mkstemp(prefix=".ansible_tmp", suffix=os.path.basename(dest),
                                              dir=os.path.dirname(dest) or ".")
            os.close(handle)
            shutil.copy2(src, beside)
            before = os.stat(src)
            try:
                os.chown(beside, before.st_uid, before.st_gid)
            except OSError:
                pass
            os.rename(beside, dest)
            beside = None
            os.unlink(src)
        except OSError as second:
            if unsafe_writes and os.path.exists(dest):
                try:
                    with open(src, "rb") as source, open(dest, "wb") as target:
                        shutil.copyfileobj(source, target)
                    os.unlink(src)
                    return
                except OSError as third:
                    second = third
            self.fail_json(msg="Failed to replace file: %s to %s: %s" % (src, dest, to_native(second)),
                           exception=traceback.format_exc())
        finally:
            if beside is not None:
                self.cleanup(beside)

    def load_file_common_arguments(self, params, path=None):
        path = path or params.get("path", params.get("dest"))
        if path is None:
            return {}
        path = os.path.expanduser(os.path.expandvars(to_native(path)))
        if params.get("follow", False) and os.path.islink(path):
            path = os.path.realpath(path)
        return dict(path=path, mode=params.get("mode"), owner=params.get("owner"), group=params.get("group"),
                    seuser=params.get("seuser"), serole=params.get("serole"), setype=params.get("setype"),
                    selevel=params.get("selevel"), secontext=[None, None, None],
                    attributes=params.get("attributes", params.get("attr")))

    def set_fs_attributes_if_different(self, file_args, changed, diff=None, expand=True):
        path = file_args["path"]
        changed = self.set_owner_if_different(path, file_args["owner"], changed, diff, expand)
        changed = self.set_group_if_different(path, file_args["group"], changed, diff, expand)
        return self.set_mode_if_different(path, file_args["mode"], changed, diff, expand)

    set_file_attributes_if_different = set_fs_attributes_if_different
    set_directory_attributes_if_different = set_fs_attributes_if_different

    def check_file_absent_if_check_mode(self, file_path):
        return self.check_mode and not os.path.exists(file_path)

    def user_and_group(self, path, expand=True):
        found = os.lstat(os.path.expanduser(path) if expand else path)
        return found.st_uid, found.st_gid

    def _noted(self, diff, name, before, after):
        if diff is not None:
            diff.setdefault("before", {})[name] = before
            diff.setdefault("after", {})[name] = after

    def set_owner_if_different(self, path, owner, changed, diff=None, expand=True):
        return self._own(path, owner, changed, diff, expand, "owner", 0,
                         lambda name: pwd.getpwnam(name).pw_uid, "chown")

    def set_group_if_different(self, path, group, changed, diff=None, expand=True):
        return self._own(path, group, changed, diff, expand, "group", 1,
                         lambda name: grp.getgrnam(name).gr_gid, "chgrp")

    def _own(self, path, name, changed, diff, expand, what, index, look_up, verb):
        if name is None:
            return changed
        path = os.path.expanduser(os.path.expandvars(path)) if expand else path
        if self.check_file_absent_if_check_mode(path):
            return True
        try:
            number = int(name)
        except ValueError:
            try:
                number = look_up(name)
            except KeyError:
                self.fail_json(path=path, msg="%s failed: failed to look up %s %s" % (
                    verb, "user" if what == "owner" else "group", name))
        before = self.user_and_group(path, expand=False)[index]
        if before == number:
            return changed
        self._noted(diff, what, before, number)
        if not self.check_mode:
            try:
                os.lchown(path, *((number, -1) if index == 0 else (-1, number)))
            except OSError as error:
                self.fail_json(path=path, msg="%s failed: %s" % (verb, to_native(error)))
        return True

    def set_mode_if_different(self, path, mode, changed, diff=None, expand=True):
        if mode is None:
            return changed
        path = os.path.expanduser(os.path.expandvars(path)) if expand else path
        if self.check_file_absent_if_check_mode(path):
            return True
        found = os.lstat(path)
        if not isinstance(mode, int):
            try:
                mode = int(mode, 8)
            except ValueError:
                try:
                    mode = self._symbolic_mode_to_octal(found, mode)
                except ValueError as error:
                    self.fail_json(path=path, msg="mode must be in octal or symbolic form", details=to_native(error))
        if mode != stat.S_IMODE(mode):
            self.fail_json(path=path, msg="Invalid mode supplied, only permission info is allowed", details=mode)
        before = stat.S_IMODE(found.st_mode)
        if before == mode or stat.S_ISLNK(found.st_mode):
            return changed
        self._noted(diff, "mode", "0%03o" % before, "0%03o" % mode)
        if not self.check_mode:
            try:
                os.chmod(path, mode)
            except OSError as error:
                self.fail_json(path=path, msg="chmod failed", details=to_native(error))
        return True

    @staticmethod
    def _symbolic_mode_to_octal(path_stat, symbolic_mode):
        """`u=rwX,g-w` as a number, from what a path has now."""
        mode = stat.S_IMODE(path_stat.st_mode)
        mask = os.umask(0)
        os.umask(mask)
        places = {"u": 6, "g": 3, "o": 0}
        for clause in symbolic_mode.split(","):
            found = re.match(r"^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$", clause)
            if not found:
                raise ValueError("bad symbolic permission for mode: %s" % clause)
            who = found.group(1) or "a"
            users = "ugo" if "a" in who else who
            for sign, letters in re.findall(r"([-+=])([rwxXst]*|[ugo])", found.group(2)):
                for user in dict.fromkeys(users):
                    bits = 0
                    if letters in ("u", "g", "o") and letters:
                        bits = mode >> places[letters] & 7
                    else:
                        bits |= 4 if "r" in letters else 0
                        bits |= 2 if "w" in letters else 0
                        may_run = stat.S_ISDIR(path_stat.st_mode) or mode & EXEC_PERM_BITS
                        bits |= 1 if "x" in letters or ("X" in letters and may_run) else 0
                    bits <<= places[user]
                    if not found.group(1):
                        bits &= ~mask
                    bits |= stat.S_ISUID if "s" in letters and user == "u" else 0
                    bits |= stat.S_ISGID if "s" in letters and user == "g" else 0
                    bits |= stat.S_ISVTX if "t" in letters else 0
                    if sign == "+":
                        mode |= bits
                    elif sign == "-":
                        mode &= ~bits
                    else:
                        special = {"u": stat.S_ISUID, "g": stat.S_ISGID, "o": stat.S_ISVTX}[user]
                        keep = 0 if not stat.S_ISDIR(path_stat.st_mode) else mode & special
                        mode = mode & ~(7 << places[user]) & ~special | bits | keep
        return mode

    def selinux_enabled(self):
        return False

    def selinux_mls_enabled(self):
        return False

    def selinux_context(self, path):
        return [None, None, None]

    def selinux_default_context(self, path, mode=0):
        return [None, None, None]

    selinux_initial_context = selinux_enabled

    def set_context_if_different(self, path, context, changed, diff=None):
        return changed

    set_default_selinux_context = set_context_if_different

    def set_attributes_if_different(self, path, attributes, changed, diff=None, expand=True):
        return changed

    def is_special_selinux_path(self, path):
        return False, None

    def find_mount_point(self, path):
        path = os.path.abspath(os.path.expanduser(os.path.expandvars(path)))
        while not os.path.ismount(path):
            path = os.path.dirname(path)
        return path

    def add_path_info(self, kwargs):
        """What `path` or `dest` in a result names, told with it."""
        path = kwargs.get("path", kwargs.get("dest"))
        if path is None or not isinstance(path, (str, bytes)) or not os.path.lexists(path):
            return kwargs
        found = os.lstat(path)
        kwargs["uid"], kwargs["gid"] = found.st_uid, found.st_gid
        for key, look_up, number in (("owner", lambda n: pwd.getpwuid(n).pw_name, found.st_uid),
                                     ("group", lambda n: grp.getgrgid(n).gr_name, found.st_gid)):
            try:
                kwargs[key] = look_up(number)
            except KeyError:
                kwargs[key] = str(number)
        kwargs["mode"] = "0%03o" % stat.S_IMODE(found.st_mode)
        kinds = ((stat.S_ISLNK, "link"), (stat.S_ISDIR, "directory"))
        kind = next((name for is_kind, name in kinds if is_kind(found.st_mode)), None)
        kwargs["state"] = kind or ("hard" if found.st_nlink > 1 else "file")
        kwargs["size"] = found.st_size
        return kwargs

    def append_to_file(self, filename, str):
        with open(os.path.expanduser(os.path.expandvars(filename)), "a") as file:
            file.write(str)

    def human_to_bytes(self, number, isbits=False):
        return human_to_bytes(number, isbits=isbits)

    def bytes_to_human(self, size):
        return bytes_to_human(size)

    pretty_bytes = bytes_to_human


def _usual_signals():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)

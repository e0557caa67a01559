"""Carries out Ansible modules for Muster: one interpreter, which forks for each call so that none spoils another.

Orders come on standard input and news go to standard output, as frames: two lengths of four bytes, a JSON header, a body.
"""
import sys


def resident():
    import atexit
    import errno
    import importlib.abc
    import importlib.util
    import json
    import os
    import select
    import signal
    import struct
    import time
    import traceback
    import types

    # What nearly every module needs is loaded before the forks.
    for common in ("collections", "datetime", "glob", "grp", "hashlib", "locale", "logging", "platform", "pwd", "re",
                   "selectors", "shlex", "shutil", "socket", "stat", "subprocess", "tempfile", "typing"):
        try:
            importlib.import_module(common)
        except ImportError:
            pass

    OUTPUT_LIMIT = 48 << 20
    AFTER_EXIT = 2.0
    GRACE = 3.0

    class Package:
        """The files of a module: its own and those that it imports, by path."""

        def __init__(self, text):
            content = json.loads(text)
            self.files = content["files"]
            self.module = content["module"]
            self.codes = {}
            self.root = "/muster/" + self.module
            for path in self.files:
                try:
                    self.codes[path] = self.compiled(path)
                except (SyntaxError, ValueError):
                    # Told when it is imported, by the one who imports it.
                    pass

        def compiled(self, path):
            return compile(self.files[path], self.root + "/" + path, "exec", dont_inherit=True)

        def path_of(self, name):
            base = name.replace(".", "/")
            for path in (base + "/__init__.py", base + ".py"):
                if path in self.files:
                    return path
            return None

    class Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
        """Imports from a package, before anything that the host has under the same names."""

        def __init__(self, package):
            self.package = package

        def find_spec(self, name, path=None, target=None):
            file = self.package.path_of(name)
            if file is None:
                return None
            origin = self.package.root + "/" + file
            spec = importlib.util.spec_from_loader(name, self, origin=origin, is_package=file.endswith("/__init__.py"))
            spec.has_location = True
            if spec.submodule_search_locations is not None:
                spec.submodule_search_locations.append(os.path.dirname(origin))
            return spec

        def is_package(self, name):
            return (self.package.path_of(name) or "").endswith("/__init__.py")

        def get_filename(self, name):
            return self.package.root + "/" + (self.package.path_of(name) or "")

        def get_source(self, name):
            return self.package.files.get(self.package.path_of(name))

        def get_code(self, name):
            path = self.package.path_of(name)
            return self.package.codes.get(path) or self.package.compiled(path)

        def get_data(self, path):
            text = self.package.files.get(path[len(self.package.root) + 1:])
            if text is None:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            return text.encode("utf-8", "surrogateescape")

        def exec_module(self, module):
            exec(self.get_code(module.__spec__.name), module.__dict__)

    class Main(types.ModuleType):
        """`__main__` of a call. A module that starts itself again in another interpreter asks for its files on disk."""

        @property
        def _modlib_path(self):
            import tempfile
            import zipfile
            handle, path = tempfile.mkstemp(prefix="muster-module-", suffix=".zip")
            with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
                for name, text in self._package.files.items():
                    archive.writestr(name, text.encode("utf-8", "surrogateescape"))
            atexit.register(lambda: os.path.exists(path) and os.unlink(path))
            return path

    def run_module(package, order, arguments):
        """The whole life of the forked child; the value is its exit status."""
        extra = order["environment"].get("PYTHONPATH", "")
        sys.path[0:0] = [part for part in extra.split(os.pathsep) if part]
        os.environ.update(order["environment"])
        if hasattr(time, "tzset"):
            time.tzset()
        sys.argv = [order["name"]]
        finder = Finder(package)
        sys.meta_path.insert(0, finder)
        # Names that the host's own installation may have claimed already, e.g. by a `.pth` file.
        for name in [name for name in sys.modules if name.split(".")[0] in ("ansible", "ansible_collections")]:
            del sys.modules[name]
        name = package.module
        try:
            if package.path_of("ansible.module_utils.basic"):
                basic = importlib.import_module("ansible.module_utils.basic")
                basic._ANSIBLE_ARGS = arguments
                if hasattr(basic, "_ANSIBLE_PROFILE"):
                    basic._ANSIBLE_PROFILE = "legacy"
            main = Main("__main__")
            spec = finder.find_spec(name)
            main.__dict__.update(
                __spec__=spec, __file__=spec.origin, __loader__=finder, __package__=name.rpartition(".")[0],
                __builtins__=__builtins__, _module_fqn=name, _package=package)
            sys.modules["__main__"] = main
            if "." in name:
                importlib.import_module(name.rpartition(".")[0])
            exec(finder.get_code(name), main.__dict__)
            return 0
        except SystemExit as end:
            if end.code is None or isinstance(end.code, int):
                return end.code or 0
            sys.stderr.write("%s\n" % (end.code,))
            return 1
        except BaseException as error:
            trace = traceback.format_exc()
            sys.stderr.write(trace)
            said = str(error) or type(error).__name__
            if isinstance(error, ImportError) or isinstance(error, SyntaxError):
                said = "%s: %s" % (type(error).__name__, said)
            shown = trace if order["verbosity"] > 2 else "(traceback unavailable)"
            result = {"failed": True, "msg": said, "exception": shown, "_muster_raised": True}
            sys.stdout.write("\n%s\n" % json.dumps(result))
            return 1

    def end_of_child(status):
        """What the interpreter would do at its end, without taking apart what belongs to the parent."""
        threads = sys.modules.get("threading")
        try:
            if threads is not None and hasattr(threads, "_shutdown"):
                threads._shutdown()
            atexit._run_exitfuncs()
        except BaseException:
            traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass
        os._exit(status & 0xFF)

    class Call:
        """A child that runs."""

        def __init__(self, number, pid, pipes):
            self.number = number
            self.pid = pid
            self.output = {pipes[0]: [], pipes[1]: []}
            self.order = pipes
            self.open = set(pipes)
            self.size = 0
            self.status = None
            self.ended = None
            self.killed = None

        def read(self, pipe):
            try:
                part = os.read(pipe, 1 << 16)
            except OSError:
                part = b""
            if not part:
                self.open.discard(pipe)
                os.close(pipe)
                return
            self.size += len(part)
            if self.size <= OUTPUT_LIMIT:
                self.output[pipe].append(part)

        def is_done(self):
            if self.status is None:
                return False
            return not self.open or time.monotonic() - self.ended > AFTER_EXIT

        def signal(self, number):
            try:
                os.killpg(self.pid, number)
            except OSError:
                pass

    def write_all(pipe, data):
        view = memoryview(data)
        while view:
            view = view[os.write(pipe, view):]

    class Desk:
        def __init__(self):
            self.orders = os.dup(0)
            self.news = os.dup(1)
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(2, 1)
            os.close(null)
            self.buffer = bytearray()
            self.packages = {}
            self.calls = {}
            # A child's end wakes the wait below.
            self.wake, waker = os.pipe()
            for pipe in (self.wake, waker):
                os.set_blocking(pipe, False)
            signal.signal(signal.SIGCHLD, lambda *_: None)
            signal.set_wakeup_fd(waker)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            self.waker = waker

        def serve(self):
            while True:
                waiting = [self.orders, self.wake] + [pipe for call in self.calls.values() for pipe in call.open]
                timeout = 0.1 if any(call.status is not None or call.killed for call in self.calls.values()) else None
                ready = select.select(waiting, [], [], timeout)[0]
                if self.wake in ready:
                    try:
                        os.read(self.wake, 4096)
                    except OSError:
                        pass
                for call in list(self.calls.values()):
                    for pipe in [pipe for pipe in call.open if pipe in ready]:
                        call.read(pipe)
                self.reap()
                if self.orders in ready and not self.hear():
                    return self.leave()

        def reap(self):
            for call in list(self.calls.values()):
                if call.status is None:
                    pid, status = os.waitpid(call.pid, os.WNOHANG)
                    if pid:
                        call.status = status
                        call.ended = time.monotonic()
                        # What it wrote before its end is in the pipes now.
                        for pipe in list(call.open):
                            while pipe in call.open and select.select([pipe], [], [], 0)[0]:
                                call.read(pipe)
                    elif call.killed and time.monotonic() - call.killed > GRACE:
                        call.signal(signal.SIGKILL)
                if call.is_done():
                    self.finish(call)

        def finish(self, call):
            for pipe in call.open:
                os.close(pipe)
            out, err = (b"".join(call.output[pipe]) for pipe in call.order)
            status = os.WEXITSTATUS(call.status) if os.WIFEXITED(call.status) else 128 + os.WTERMSIG(call.status)
            header = {"call": call.number, "status": status, "stdout": len(out), "too_much": call.size > OUTPUT_LIMIT}
            if os.WIFSIGNALED(call.status):
                header["signal"] = os.WTERMSIG(call.status)
            del self.calls[call.number]
            self.say(header, out + err)

        def say(self, header, body=b""):
            text = json.dumps(header).encode("ascii")
            write_all(self.news, struct.pack(">II", len(text), len(body)) + text + body)

        def hear(self):
            """Takes in what has come; false at the end of the orders."""
            part = os.read(self.orders, 1 << 20)
            if not part:
                return False
            self.buffer += part
            while len(self.buffer) >= 8:
                lengths = struct.unpack(">II", self.buffer[:8])
                end = 8 + sum(lengths)
                if len(self.buffer) < end:
                    break
                header = json.loads(bytes(self.buffer[8:8 + lengths[0]]).decode("utf-8"))
                body = bytes(self.buffer[8 + lengths[0]:end])
                del self.buffer[:end]
                self.obey(header, body)
            return True

        def obey(self, order, body):
            if "keep" in order:
                self.packages[order["keep"]] = Package(body.decode("utf-8"))
            elif "stop" in order:
                call = self.calls.get(order["stop"])
                if call is not None and call.status is None:
                    call.killed = time.monotonic()
                    call.signal(signal.SIGTERM)
            else:
                self.start(order, body)

        def start(self, order, arguments):
            package = self.packages[order["package"]]
            out, err = os.pipe(), os.pipe()
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    os.setsid()
                    signal.set_wakeup_fd(-1)
                    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE):
                        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                        signal.signal(number, signal.SIG_IGN if number == signal.SIGPIPE else default)
                    os.dup2(out[1], 1)
                    os.dup2(err[1], 2)
                    others = [pipe for call in self.calls.values() for pipe in call.open]
                    for pipe in [self.orders, self.news, self.wake, self.waker] + others + list(out + err):
                        os.close(pipe)
                    self.calls.clear()
                    status = run_module(package, order, arguments)
                finally:
                    end_of_child(status)
            os.close(out[1])
            os.close(err[1])
            self.calls[order["call"]] = Call(order["call"], pid, (out[0], err[0]))

        def leave(self):
            """The orders have ended: so do the children."""
            for call in self.calls.values():
                call.signal(signal.SIGTERM)
            until = time.monotonic() + GRACE
            while self.calls and time.monotonic() < until:
                for call in list(self.calls.values()):
                    if os.waitpid(call.pid, os.WNOHANG)[0]:
                        del self.calls[call.number]
                time.sleep(0.02)
            for call in self.calls.values():
                call.signal(signal.SIGKILL)

    desk = Desk()
    sys.path[:] = [part for part in sys.path if part not in ("", ".")]
    desk.say({"ready": list(sys.version_info[:3])})
    desk.serve()


resident()

"""Finding programs."""
import os


def is_executable(path):
    return os.path.isfile(path) and os.access(path, os.X_OK)


def get_bin_path(arg, opt_dirs=None, required=None):
    """Where a program is: in directories that are named, in `PATH`, or where administrators' tools are."""
    directories = [directory for directory in opt_dirs or [] if directory]
    directories += [part for part in os.environ.get("PATH", "").split(os.pathsep) if part]
    directories += ["/sbin", "/usr/sbin", "/usr/local/sbin"]
    for directory in directories:
        path = os.path.join(directory, arg)
        if not os.path.isdir(path) and is_executable(path):
            return path
    raise ValueError('Failed to find required executable "%s" in paths: %s' % (arg, os.pathsep.join(directories)))

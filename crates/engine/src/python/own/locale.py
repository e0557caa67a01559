"""A locale in which programs print UTF-8."""


def get_best_parsable_locale(module, preferences=None, raise_on_locale=False):
    """The first of the preferred locales that the host has; `C` is always there."""
    wanted = preferences or ["C.utf8", "C.UTF-8", "en_US.utf8", "en_US.UTF-8", "C", "POSIX"]
    locale = module.get_bin_path("locale")
    if locale is None:
        if raise_on_locale:
            raise RuntimeWarning("Could not find 'locale' tool")
        return "C"
    status, out, err = module.run_command([locale, "-a"])
    if status != 0 or not out:
        if raise_on_locale:
            raise RuntimeWarning("Unable to get locale information, rc=%s: %s" % (status, err))
        return "C"
    known = out.splitlines()
    return next((name for name in wanted if name in known), "C")

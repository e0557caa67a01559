//! A stand-in for the parts of `ansible.module_utils` that most modules need, for controllers without ansible-core. Its
//! text is our own; it does what the documentation of module development says.

/// The files by their paths inside a package.
const FILES: &[(&str, &str)] = &[
    ("ansible/module_utils/__init__.py", ""),
    ("ansible/module_utils/basic.py", include_str!("own/basic.py")),
    ("ansible/module_utils/common/__init__.py", ""),
    ("ansible/module_utils/common/text/__init__.py", ""),
    ("ansible/module_utils/common/text/converters.py", include_str!("own/converters.py")),
    ("ansible/module_utils/six/__init__.py", include_str!("own/six.py")),
    ("ansible/module_utils/_text.py", include_str!("own/text.py")),
    ("ansible/module_utils/parsing/__init__.py", ""),
    ("ansible/module_utils/parsing/convert_bool.py", include_str!("own/convert_bool.py")),
    ("ansible/module_utils/common/dict_transformations.py", include_str!("own/dicts.py")),
    ("ansible/module_utils/common/validation.py", include_str!("own/validation.py")),
    ("ansible/module_utils/common/process.py", include_str!("own/process.py")),
    ("ansible/module_utils/common/locale.py", include_str!("own/locale.py")),
    ("ansible/module_utils/common/collections.py", include_str!("own/collections.py")),
];

/// The file of a module, by its path without an ending.
pub(super) fn find(path: &str) -> Option<(String, &'static str)> {
    let candidates = [format!("{path}/__init__.py"), format!("{path}.py")];
    candidates.into_iter().find_map(|path| {
        FILES.iter().find(|(name, _)| *name == path).map(|(_, text)| (path, *text))
    })
}

//! `--extra-vars`: `key=value` words, a YAML or JSON mapping, or a file of variables behind an `@`.

use std::path::{Path, PathBuf};

use yaml::{Diagnostic, NodeValue, Result, SourceFile};

use crate::source::read_document;
use crate::value::{is_variable_name, vars_from_node};
use crate::{Source, Vars, arguments};

/// Reads one `--extra-vars`; `place` says where a named file is. Warnings are added to `warnings`.
pub fn extra_vars(
    text: &str,
    source: &dyn Source,
    place: &dyn Fn(&Path) -> PathBuf,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Vars> {
    let text = text.trim();
    if let Some(name) = text.strip_prefix('@') {
        let path = place(Path::new(name));
        let node = read_document(source, &path, warnings)?;
        if !matches!(node.value, NodeValue::Map(_) | NodeValue::Null) {
            let message = format!("a file of variables must hold a mapping, not {}", node.kind());
            return Err(Diagnostic::error(message).at(&node.span));
        }
        return vars_from_node(&node, "a file of variables");
    }
    let file = SourceFile::new("--extra-vars", text);
    let whole = file.span(0, file.text.len());
    if text.starts_with(['/', '.']) {
        return Err(Diagnostic::error("this looks like the name of a file")
            .at(&whole)
            .hint(format!("files of variables are named with an `@`: `-e @{text}`")));
    }
    if text.starts_with(['{', '[']) {
        let (node, found) = yaml::load_one(&file)?;
        warnings.extend(found);
        return vars_from_node(&node, "`--extra-vars`");
    }
    let parsed = arguments::parse(text, &whole, false)?;
    if let Some(free) = parsed.free {
        let written = free.to_string();
        return Err(Diagnostic::error(format!("`{written}` is not `name=value`")).at(&whole).hint(
            "variables are given as `-e name=value`, `-e '{\"name\": [1, 2]}'` or `-e @file.yml`",
        ));
    }
    if let Some(name) = parsed.named.keys().find(|name| !is_variable_name(name)) {
        return Err(Diagnostic::error(format!("Invalid variable name '{name}'")).at(&whole));
    }
    Ok(parsed.named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;

    fn read(text: &str) -> Result<Vars> {
        let files = Memory::new([
            ("/base/vars.yml", "a: [1, 2]\nb: '{{ x }}'\n"),
            ("/base/list.yml", "- 1\n"),
        ]);
        extra_vars(text, &files, &|path| Path::new("/base").join(path), &mut Vec::new())
    }

    fn shown(text: &str) -> String {
        let vars = read(text).expect("good");
        let shown = vars.iter().map(|(name, value)| format!("{name}={}", value.repr()));
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn all_forms_are_read() {
        for (text, expected) in [
            ("", ""),
            ("a=1 b='two words'", "a='1' b='two words'"),
            ("url=http://x/?q=1", "url='http://x/?q=1'"),
            ("a={{ b }}", "a='{{ b }}'"),
            (r#"{"a": 1, "b": [true, null]}"#, "a=1 b=[True, None]"),
            ("{a: 1}", "a=1"),
            ("@vars.yml", "a=[1, 2] b='{{ x }}'"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert!(read("a={{ b }}").expect("good")["a"].is_template());
    }

    #[test]
    fn bad_ones_are_explained() {
        for (text, expected) in [
            ("word", "`word` is not `name=value`"),
            ("vars.yml a=1", "`vars.yml` is not `name=value`"),
            ("./vars.yml", "this looks like the name of a file"),
            ("[1, 2]", "`--extra-vars` must be a mapping of variables, not a list"),
            ("2a=1", "Invalid variable name '2a'"),
            ("@list.yml", "a file of variables must hold a mapping, not a list"),
            ("@none.yml", "cannot read /base/none.yml: no such file"),
            ("a='1", "a quote or a template is not closed in these arguments"),
        ] {
            assert_eq!(read(text).expect_err(text).message(), expected, "{text}");
        }
        assert!(read("{a: [}").is_err());
    }
}

//! What a Python file imports, read off its text: enough of Python's grammar to tell imports from strings and comments.

/// One import of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    /// How many packages up it begins; 0 for one by its full name.
    pub(super) level: usize,
    /// What is written behind `import`, or between `from` and `import`.
    pub(super) module: String,
    /// What is taken from it; empty for a plain `import`.
    pub(super) names: Vec<String>,
    /// It stands under something (`try`, `if`, a function), so that the file may do without it.
    pub(super) optional: bool,
}

/// All imports of a file, in their order.
pub(super) fn imports(text: &str) -> Vec<Import> {
    let mut found = Vec::new();
    for line in logical_lines(text) {
        for statement in statements(&line.text) {
            let optional = line.indented || statement.nested;
            found.extend(import(statement.text, optional));
        }
    }
    found
}

struct Logical {
    text: String,
    indented: bool,
}

/// The text without strings and comments, with continued lines joined.
fn logical_lines(text: &str) -> Vec<Logical> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        rest = &rest[next.len_utf8()..];
        match next {
            '\n' if depth == 0 => push(&mut lines, std::mem::take(&mut line)),
            '\n' => line.push(' '),
            '#' => rest = &rest[rest.find('\n').unwrap_or(rest.len())..],
            '\\' if rest.starts_with('\n') => {
                rest = &rest[1..];
                line.push(' ');
            }
            '\'' | '"' => {
                rest = behind_string(rest, next);
                line.push_str("''");
            }
            '(' | '[' | '{' => {
                depth += 1;
                line.push(next);
            }
            ')' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                line.push(next);
            }
            other => line.push(other),
        }
    }
    push(&mut lines, line);
    lines
}

fn push(lines: &mut Vec<Logical>, text: String) {
    let indented = text.starts_with([' ', '\t', '\x0c']);
    if !text.trim().is_empty() {
        lines.push(Logical { text, indented });
    }
}

/// What comes behind a string whose opening quote has been read.
fn behind_string(text: &str, quote: char) -> &str {
    let triple: String = std::iter::repeat_n(quote, 3).collect();
    let is_long = text.starts_with(&triple[1..]);
    let mut rest = if is_long { &text[2..] } else { text };
    loop {
        let Some(next) = rest.chars().next() else { return rest };
        if is_long && rest.starts_with(&triple) {
            return &rest[3..];
        }
        if !is_long && next == '\n' {
            // It was none: what follows is read as usual.
            return rest;
        }
        rest = &rest[next.len_utf8()..];
        if next == '\\' {
            rest = rest.chars().next().map_or(rest, |escaped| &rest[escaped.len_utf8()..]);
        } else if !is_long && next == quote {
            return rest;
        }
    }
}

struct Statement<'a> {
    text: &'a str,
    nested: bool,
}

/// The statements of a line; `try: import x` has one that is nested.
fn statements(line: &str) -> impl Iterator<Item = Statement<'_>> {
    const OPENERS: &[&str] =
        &["try", "except", "else", "finally", "if", "elif", "with", "for", "while"];
    let first = line.split([' ', ':', '\t']).find(|word| !word.is_empty()).unwrap_or_default();
    let nested = OPENERS.contains(&first);
    let body = if nested { line.split_once(':').map_or("", |(_, body)| body) } else { line };
    body.split(';').map(move |text| Statement { text: text.trim(), nested })
}

fn import(statement: &str, optional: bool) -> Vec<Import> {
    let plain = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
    if let Some(list) = after_word(statement, "import") {
        let one =
            |name: &str| Import { level: 0, module: plain(name), names: Vec::new(), optional };
        return list.split(',').map(one).filter(|import| !import.module.is_empty()).collect();
    }
    let Some(rest) = after_word(statement, "from") else { return Vec::new() };
    // `from .import x` is as good as `from . import x`.
    let Some(at) = rest.find("import") else { return Vec::new() };
    let (module, names) = (rest[..at].trim(), rest[at + "import".len()..].trim());
    let level = module.chars().take_while(|c| *c == '.').count();
    let names = names.trim_start_matches('(').trim_end_matches(')');
    let names: Vec<String> = names.split(',').map(plain).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![Import { level, module: module[level..].trim().to_owned(), names, optional }]
}

fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    (rest.starts_with([' ', '\t', '.', '('])).then(|| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        imports(text)
            .iter()
            .map(|import| {
                let mark = if import.optional { "?" } else { "" };
                let dots = ".".repeat(import.level);
                format!("{mark}{dots}{}:{}", import.module, import.names.join(","))
            })
            .collect()
    }

    #[test]
    fn every_form_of_import_is_found() {
        for (text, wanted) in [
            ("import a.b.c\n", vec!["a.b.c:"]),
            ("import a as x, b.c as y\n", vec!["a:", "b.c:"]),
            ("from a.b import c as d, e\n", vec!["a.b:c,e"]),
            ("from a import (b,  # why\n    c,\n)\n", vec!["a:b,c"]),
            ("from a import \\\n  b\n", vec!["a:b"]),
            (
                "from . import x\nfrom ..y.z import w\nfrom .import v\n",
                vec![".:x", "..y.z:w", ".:v"],
            ),
            ("try:\n    import a\nexcept ImportError:\n    pass\n", vec!["?a:"]),
            ("try: import a; import b\n", vec!["?a:", "?b:"]),
            ("if x: from a import b\n", vec!["?a:b"]),
            ("from a import *\n", vec!["a:*"]),
            ("import a\r\nimport b\r\n", vec!["a:", "b:"]),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_an_import_is_none() {
        for text in [
            "'''\nimport a\n'''\n",
            "D = r\"\"\"\nfrom a import b\n\"\"\"\n",
            "# import a\n",
            "x = 'import a'\n",
            "x = '\\''; y = \"import a\"\n",
            "important = 1\n",
            "f(\nimport_a,\n)\n",
            "from\n",
            "from a import\n",
            "'unended\n",
            "\"\"\"unended import a\n",
        ] {
            assert_eq!(shown(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn an_import_behind_a_broken_string_is_found() {
        assert_eq!(shown("x = 'it\nimport a\n"), ["a:"]);
    }
}

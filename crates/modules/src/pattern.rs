//! Python's regular expressions as the modules that edit and search texts take them.

use fancy_regex::{Captures, Regex, RegexBuilder};

use crate::contract::Failure;

/// Steps after which a pattern is given up.
const BACKTRACK_LIMIT: usize = 2_000_000;

/// What an expression means besides its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags {
    /// `^` and `$` also match at line ends.
    pub(crate) multiline: bool,
    /// `.` also matches line ends.
    pub(crate) dot_all: bool,
    /// It must match from the beginning.
    pub(crate) anchored: bool,
}

/// Compiles the expression given as the argument `name`.
pub(crate) fn compile(name: &str, text: &str, flags: Flags) -> Result<Regex, Failure> {
    let (letters, body) = inline_flags(text);
    let mut letters: String = letters.chars().filter(|flag| "imsx".contains(*flag)).collect();
    for (wanted, letter) in [(flags.multiline, 'm'), (flags.dot_all, 's')] {
        if wanted && !letters.contains(letter) {
            letters.push(letter);
        }
    }
    let body = translate(body, letters.contains('m'));
    let anchored = if flags.anchored { format!(r"\A(?:{body})") } else { body };
    let source = if letters.is_empty() { anchored } else { format!("(?{letters}){anchored}") };
    RegexBuilder::new(&source).backtrack_limit(BACKTRACK_LIMIT).build().map_err(|error| {
        Failure::new(format!("{name} is no regular expression: {error}: `{text}`"))
    })
}

/// Whether an expression asks by itself to be matched over several lines.
pub(crate) fn is_multiline(text: &str) -> bool {
    inline_flags(text).0.contains('m')
}

/// A match that was given up.
pub(crate) fn gave_up(error: fancy_regex::Error) -> Failure {
    Failure::new(format!("the regular expression gave up: {error}"))
}

/// Whether an expression is found in a text.
pub(crate) fn is_match(regex: &Regex, text: &str) -> Result<bool, Failure> {
    regex.is_match(text).map_err(gave_up)
}

/// `(?im)` at the beginning, apart from the rest.
fn inline_flags(text: &str) -> (&str, &str) {
    text.strip_prefix("(?")
        .and_then(|rest| rest.split_once(')'))
        .filter(|(flags, _)| {
            !flags.is_empty() && flags.bytes().all(|flag| b"aiLmsux".contains(&flag))
        })
        .unwrap_or(("", text))
}

/// What Python writes differently: `\Z`, letters that need no escape, a bracket within a class, and `$`, which also
/// matches before the last line end.
fn translate(text: &str, multiline: bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut letters = text.chars().peekable();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('Z') if !in_class => out.push_str(r"\z"),
                Some(' ') => out.push_str(r"\x20"),
                Some(plain) if "/\"'@%!:;,=`_<>".contains(plain) => out.push(plain),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push_str(r"\\"),
            },
            '[' if in_class => out.push_str(r"\["),
            '[' => {
                in_class = true;
                out.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // A bracket that comes first is a letter of the class.
                if letters.next_if_eq(&']').is_some() {
                    out.push_str(r"\]");
                }
            }
            '&' | '~' if in_class && letters.peek() == Some(&letter) => {
                out.extend(['\\', letter]);
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            '$' if !in_class && !multiline => out.push_str(r"(?=\n?\z)"),
            other => out.push(other),
        }
    }
    out
}

/// What is wrong with a text that [`expand`] is to fill in, in Python's words.
pub(crate) fn fault_of_template(template: &str, regex: &Regex) -> Option<String> {
    let mut letters = template.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != '\\' {
            continue;
        }
        let (place, escaped) = letters.next()?;
        let digits: String =
            template[place..].chars().take(2).take_while(char::is_ascii_digit).collect();
        match escaped {
            'g' => {
                let inner = template[place + 1..].strip_prefix('<');
                let Some((name, _)) = inner.and_then(|inner| inner.split_once('>')) else {
                    return Some(format!("missing <, unterminated name at position {}", place + 1));
                };
                let is_known = match name.parse::<usize>() {
                    Ok(number) => number < regex.captures_len(),
                    Err(_) => regex.capture_names().flatten().any(|known| known == name),
                };
                if !is_known {
                    return Some(format!("unknown group name '{name}'"));
                }
            }
            '1'..='9' if digits.parse::<usize>().is_ok_and(|n| n >= regex.captures_len()) => {
                return Some(format!("invalid group reference {digits} at position {place}"));
            }
            other if other.is_ascii_alphabetic() && !"abfnrtv".contains(other) => {
                return Some(format!("bad escape \\{other} at position {at}"));
            }
            _ => {}
        }
    }
    None
}

/// Python's references to groups: `\1`, `\g<1>`, `\g<name>`, and the escapes `\n`, `\t`, `\\`.
pub(crate) fn expand(template: &str, captures: &Captures<'_, str>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (name, length) =
            match rest.strip_prefix("g<").and_then(|inner| Some((inner, inner.find('>')?))) {
                Some((inner, end)) => (&inner[..end], end + 3),
                None => {
                    let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
                    (&rest[..digits], digits)
                }
            };
        if length > 0 {
            let group = name
                .parse()
                .ok()
                .map_or_else(|| captures.name(name), |number| captures.get(number));
            out.push_str(group.map_or("", |group| group.as_str()));
            rest = &rest[length..];
            continue;
        }
        let mut letters = rest.chars();
        match letters.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('a') => out.push('\x07'),
            Some('b') => out.push('\x08'),
            Some('f') => out.push('\x0c'),
            Some('v') => out.push('\x0b'),
            Some('\\') => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
        rest = letters.as_str();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_mean_what_python_means() {
        let whole = Flags::default();
        let lines = Flags { multiline: true, ..whole };
        let start = Flags { anchored: true, ..whole };
        for (text, flags, subject, wanted) in [
            ("OK$", whole, "x\nOK\n", true),
            ("KO$", whole, "KO\nOK\n", false),
            ("KO$", lines, "KO\nOK\n", true),
            ("(?m)^KO$", whole, "x\nKO\nOK\n", true),
            ("b", start, "ab", false),
            (r"\Aa\Z", whole, "a", true),
            (r"[]a]\=\/", whole, "]=/", true),
            (r"[[a]", whole, "[", true),
            ("[$]", whole, "$", true),
            ("(?i)ok", start, "OK", true),
        ] {
            let regex = compile("regexp", text, flags).expect("it is one");
            assert_eq!(is_match(&regex, subject).expect("short"), wanted, "{text} {subject:?}");
        }
        let regex = compile("regexp", "(a)(?P<b>.)", whole).expect("it is one");
        for (template, fault) in [
            (r"\1\g<2>\g<b>\n\\\-", None),
            (r"x\3", Some("invalid group reference 3 at position 2")),
            (r"\D", Some(r"bad escape \D at position 0")),
            (r"\g<c>", Some("unknown group name 'c'")),
        ] {
            assert_eq!(fault_of_template(template, &regex).as_deref(), fault, "{template}");
        }
        let failure = compile("regexp", "(", whole).expect_err("it is none");
        assert!(failure.message.starts_with("regexp is no regular expression"));
    }
}

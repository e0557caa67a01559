//! What is put in the place of a match: Python's references to groups, and its escapes.

use fancy_regex::{Captures, Regex};

/// What is wrong with a text that [`expand`] is to fill in, in Python's words.
pub fn fault_of_template(template: &str, regex: &Regex) -> Option<String> {
    let mut letters = template.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != '\\' {
            continue;
        }
        let Some((place, escaped)) = letters.next() else {
            return Some("bad escape (end of pattern)".to_owned());
        };
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
            '1'..='9'
                if octal(&template[place..], 3).is_none()
                    && digits.parse::<usize>().is_ok_and(|n| n >= regex.captures_len()) =>
            {
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

/// Python's references to groups: `\1`, `\g<1>`, `\g<name>`, and the escapes `\n`, `\t`, `\\`, `\0`.
pub fn expand(template: &str, captures: &Captures<'_, str>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some((letter, length)) =
            octal(rest, 3).or_else(|| rest.starts_with('0').then(|| octal_of(rest)))
        {
            out.push(letter);
            rest = &rest[length..];
            continue;
        }
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
            Some('\\') | None => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
        }
        rest = letters.as_str();
    }
    out.push_str(rest);
    out
}

/// `\123`: exactly that many octal digits, and what they mean.
fn octal(text: &str, digits: usize) -> Option<(char, usize)> {
    let number = text.get(..digits)?;
    let is_octal = number.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let code = u8::from_str_radix(number, 8).ok()?;
    is_octal.then_some((char::from(code), digits))
}

/// `\0`, `\07`: what begins with a zero is no group.
fn octal_of(text: &str) -> (char, usize) {
    octal(text, 2).unwrap_or(('\0', 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Anchor, Flags, compile};

    #[test]
    fn templates_are_judged_and_filled_in() {
        let regex = compile("(a)(?P<b>.)", Flags::default(), Anchor::None).expect("it is one");
        for (template, fault) in [
            (r"\1\g<2>\g<b>\n\\\-", None),
            (r"x\3", Some("invalid group reference 3 at position 2")),
            (r"\D", Some(r"bad escape \D at position 0")),
            (r"\g<c>", Some("unknown group name 'c'")),
            (r"\g<1", Some("missing <, unterminated name at position 2")),
            ("x\\", Some("bad escape (end of pattern)")),
        ] {
            assert_eq!(fault_of_template(template, &regex).as_deref(), fault, "{template}");
        }
        let captures = regex.captures("ab").expect("short").expect("it matches");
        for (template, wanted) in [
            (r"\2\1", "ba"),
            (r"\g<b>1\\\n\-", "b1\\\n\\-"),
            (r"\0\07x\101", "\0\x07xA"),
            (r"\g<0>!", "ab!"),
        ] {
            assert_eq!(expand(template, &captures), wanted, "{template}");
        }
    }
}

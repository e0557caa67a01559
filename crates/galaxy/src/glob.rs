//! Patterns of file names: as shells know them, and with `*` that crosses directories. Knows no files.

/// What `*` does at a slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Star {
    /// `*` stops there; `**` does not.
    Stops,
    /// It goes on.
    Crosses,
}

/// Whether the whole text is what the pattern means. Takes time in proportion to both lengths.
pub(crate) fn matches(pattern: &str, text: &str, star: Star) -> bool {
    let tokens = tokens(pattern, star);
    let text: Vec<char> = text.chars().collect();
    // The states of the pattern that the text read so far may be in.
    let mut states = vec![false; tokens.len() + 1];
    states[0] = true;
    follow_empty(&tokens, &mut states);
    for character in text {
        let mut next = vec![false; tokens.len() + 1];
        for (at, token) in tokens.iter().enumerate().filter(|(at, _)| states[*at]) {
            match token {
                Token::Any => next[at] = true,
                Token::Within if character != '/' => next[at] = true,
                Token::One if star == Star::Crosses || character != '/' => next[at + 1] = true,
                Token::Set(set) if set.holds(character) => next[at + 1] = true,
                Token::Literal(wanted) if *wanted == character => next[at + 1] = true,
                _ => {}
            }
        }
        follow_empty(&tokens, &mut next);
        states = next;
    }
    states[tokens.len()]
}

fn follow_empty(tokens: &[Token], states: &mut [bool]) {
    for at in 0..tokens.len() {
        if states[at] && matches!(tokens[at], Token::Any | Token::Within) {
            states[at + 1] = true;
        }
    }
}

enum Token {
    Any,
    Within,
    One,
    Set(Set),
    Literal(char),
}

struct Set {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Set {
    fn holds(&self, character: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != self.negated
    }
}

fn tokens(pattern: &str, star: Star) -> Vec<Token> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let (token, length) = match rest {
            ['*', '*', ..] => (Token::Any, 2),
            ['*', ..] if star == Star::Crosses => (Token::Any, 1),
            ['*', ..] => (Token::Within, 1),
            ['?', ..] => (Token::One, 1),
            ['[', ..] => set(rest).unwrap_or((Token::Literal('['), 1)),
            [other, ..] => (Token::Literal(*other), 1),
            [] => break,
        };
        tokens.push(token);
        at += length;
    }
    tokens
}

fn set(rest: &[char]) -> Option<(Token, usize)> {
    let negated = matches!(rest.get(1), Some('!' | '^'));
    let begin = if negated { 2 } else { 1 };
    // A bracket that comes first is one of the set.
    let end = begin + 1 + rest.get(begin + 1..)?.iter().position(|character| *character == ']')?;
    let (mut at, mut ranges) = (begin, Vec::new());
    while at < end {
        let is_range = at + 2 < end && rest[at + 1] == '-';
        ranges.push(if is_range { (rest[at], rest[at + 2]) } else { (rest[at], rest[at]) });
        at += if is_range { 3 } else { 1 };
    }
    Some((Token::Set(Set { negated, ranges }), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stop_or_cross() {
        for (pattern, text, stops, crosses) in [
            ("*.py", "a.py", true, true),
            ("*.py", "d/a.py", false, true),
            ("d/**.py", "d/e/a.py", true, true),
            ("?", "/", false, true),
            ("[a-c]x", "bx", true, true),
            ("[!a-c]x", "bx", false, false),
            ("[]x]", "]", true, true),
            ("[x", "[x", true, true),
            ("", "", true, true),
            ("", "a", false, false),
        ] {
            assert_eq!(matches(pattern, text, Star::Stops), stops, "{pattern} {text}");
            assert_eq!(matches(pattern, text, Star::Crosses), crosses, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_blow_up() {
        assert!(!matches(
            &"*a".repeat(200),
            &"a".repeat(2000).replace("aaaaaaaaaa", "b"),
            Star::Crosses
        ));
    }
}

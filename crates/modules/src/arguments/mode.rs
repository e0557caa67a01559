//! File modes: `0644`, `"0644"`, `u=rwX,g-w`.

use serde_json::Value;
use system::Probe;

use super::types::{ArgType, Mismatch, python_text};

/// A file mode as a playbook gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileMode {
    /// Permission bits.
    Exact(u32),
    /// Changes to what is there.
    Symbolic(Vec<ModeClause>),
    /// `preserve`: that of the source.
    Preserve,
}

/// One clause of a symbolic mode, e.g. `go-w`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModeClause {
    /// Whose bits, as a mask of `0o700`, `0o070` and `0o007`.
    who: u32,
    /// Nobody was named: all, less the umask.
    masked: bool,
    /// `=`, `+` or `-`, each with its letters.
    edits: Vec<(char, String)>,
}

impl FileMode {
    /// The bits, for something that has `current` now. `Preserve` leaves them.
    pub(crate) fn resolve(&self, current: u32, is_directory: bool, umask: u32) -> u32 {
        match self {
            Self::Exact(bits) => *bits,
            Self::Preserve => current,
            Self::Symbolic(clauses) => {
                clauses.iter().fold(current, |mode, clause| clause.apply(mode, is_directory, umask))
            }
        }
    }
}

impl ArgType for FileMode {
    const TYPE: &'static str = "raw";

    fn convert(value: &Value, _: &dyn Probe) -> Result<Self, Mismatch> {
        let bad = |reason: String| Mismatch::Type { wanted: "mode", reason };
        let text = match value {
            Value::Number(number) => {
                let bits = number.as_u64().filter(|bits| *bits <= 0o7777);
                return bits.map(|bits| Self::Exact(bits as u32)).ok_or_else(|| {
                    bad(format!("{number} is not a mode: write it as an octal number in quotes, e.g. \"0644\""))
                });
            }
            other => python_text(other),
        };
        if text == "preserve" {
            return Ok(Self::Preserve);
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let digits = text.strip_prefix("0o").unwrap_or(&text);
            return match u32::from_str_radix(digits, 8) {
                Ok(bits) if bits <= 0o7777 => Ok(Self::Exact(bits)),
                _ => Err(bad(format!("mode must be in octal or symbolic form, got: {text}"))),
            };
        }
        text.split(',')
            .map(|clause| ModeClause::parse(clause.trim()))
            .collect::<Option<_>>()
            .map(Self::Symbolic)
            .ok_or_else(|| bad(format!("bad symbolic permission for mode: {text}")))
    }

    /// YAML's `mode: 644` is the decimal number, which is `0o1204`.
    fn doubt(name: &str, value: &Value) -> Option<String> {
        let number = value.as_u64()?;
        let looks_octal = (0o1000..1000).contains(&number)
            && number.to_string().bytes().all(|digit| digit < b'8');
        looks_octal.then(|| {
            format!(
                "{name}: {number} is a decimal number and means the mode 0{number:o}; if you mean 0{number}, write \"0{number}\" in quotes"
            )
        })
    }
}

impl ModeClause {
    fn parse(text: &str) -> Option<Self> {
        let start = text.find(['=', '+', '-'])?;
        let (who, mut rest) = text.split_at(start);
        let mut mask = 0;
        for letter in who.chars() {
            mask |= match letter {
                'u' => 0o700,
                'g' => 0o070,
                'o' => 0o007,
                'a' => 0o777,
                _ => return None,
            };
        }
        let mut edits = Vec::new();
        while let Some(sign) = rest.chars().next() {
            let letters = &rest[1..];
            let end = letters.find(['=', '+', '-']).unwrap_or(letters.len());
            let (letters, after) = letters.split_at(end);
            if !letters.chars().all(|letter| "rwxXstugo".contains(letter)) {
                return None;
            }
            edits.push((sign, letters.to_owned()));
            rest = after;
        }
        let masked = mask == 0;
        Some(Self { who: if masked { 0o777 } else { mask }, masked, edits })
    }

    fn apply(&self, mode: u32, is_directory: bool, umask: u32) -> u32 {
        self.edits.iter().fold(mode, |mode, (sign, letters)| {
            let mut bits = self.bits(letters, mode, is_directory);
            if self.masked {
                bits &= !(umask & 0o777);
            }
            match sign {
                '+' => mode | bits,
                '-' => mode & !bits,
                _ => (mode & !self.owned()) | bits,
            }
        })
    }

    /// Every bit that belongs to those named, setuid, setgid and sticky included.
    fn owned(&self) -> u32 {
        let special = [(0o700, 0o4000), (0o070, 0o2000), (0o007, 0o1000)];
        special
            .iter()
            .filter(|(who, _)| self.who & who != 0)
            .fold(self.who, |mask, (_, bit)| mask | bit)
    }

    fn bits(&self, letters: &str, mode: u32, is_directory: bool) -> u32 {
        letters.chars().fold(0, |bits, letter| {
            let copied = |shift: u32| {
                let three = (mode >> shift) & 7;
                (three << 6) | (three << 3) | three
            };
            bits | match letter {
                'r' => 0o444 & self.who,
                'w' => 0o222 & self.who,
                'x' => 0o111 & self.who,
                'X' if is_directory || mode & 0o111 != 0 => 0o111 & self.who,
                's' => self.owned() & 0o6000,
                't' => 0o1000,
                'u' => copied(6) & self.who,
                'g' => copied(3) & self.who,
                'o' => copied(0) & self.who,
                _ => 0,
            }
        })
    }
}

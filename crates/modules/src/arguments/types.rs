//! The types that arguments may have, and what each accepts.

use std::path::PathBuf;

use model::{Args, Digest, Secret};
use serde_json::Value;
use system::Probe;

use super::{Arguments, Field, Reader};
use crate::contract::Failure;

/// A type that an argument may have.
pub trait ArgType: Sized {
    /// Ansible's word for it.
    const TYPE: &'static str;
    /// The values it may have, each with what it means; empty: any.
    const CHOICES: &'static [(&'static str, &'static str)] = &[];
    /// Its values are masked wherever they show up.
    const SECRET: bool = false;

    /// Takes a value that was given. The host answers for `~` and `$VARIABLE`.
    fn convert(value: &Value, host: &dyn Probe) -> Result<Self, Mismatch>;

    /// What it is when nothing was given; `None`: it must be given.
    fn absent() -> Option<Self> {
        None
    }

    /// A warning about a value that is allowed and probably not what was meant.
    fn doubt(name: &str, value: &Value) -> Option<String> {
        let _ = (name, value);
        None
    }

    /// The fields of the specification that it stands for: itself, but for a nested struct.
    fn describe(field: Field) -> Vec<Field> {
        vec![field]
    }

    /// Takes it from the reader.
    fn take(reader: &mut Reader<'_>, name: &'static str) -> Result<Self, Failure> {
        reader.take(name)
    }
}

/// A value that does not fit its argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Mismatch {
    /// Not of the type.
    Type {
        /// The type's name.
        wanted: &'static str,
        /// Why not.
        reason: String,
    },
    /// An element of a list, not of the type.
    Element {
        /// The element.
        element: Value,
        /// The type's name.
        wanted: &'static str,
        /// Why not.
        reason: String,
    },
    /// None of the choices.
    Choice {
        /// What was given.
        given: String,
        /// What may be given.
        choices: &'static [(&'static str, &'static str)],
    },
}

impl Mismatch {
    fn new(wanted: &'static str, reason: impl Into<String>) -> Self {
        Self::Type { wanted, reason: reason.into() }
    }

    pub(super) fn into_failure(self, name: &str, value: &Value) -> Failure {
        Failure::new(match self {
            Self::Type { wanted, reason } => format!(
                "argument '{name}' is of type {} and we were unable to convert to {wanted}: {reason}",
                python_type(value)
            ),
            Self::Element { element, wanted, reason } => format!(
                "Elements value for option '{name}' is of type {} and we were unable to convert to {wanted}: {reason}",
                python_type(&element)
            ),
            Self::Choice { given, choices } => {
                let words: Vec<_> = choices.iter().map(|(text, _)| *text).collect();
                format!("value of {name} must be one of: {}, got: {given}", words.join(", "))
            }
        })
    }
}

impl ArgType for String {
    const TYPE: &'static str = "str";

    fn convert(value: &Value, _: &dyn Probe) -> Result<Self, Mismatch> {
        Ok(python_text(value))
    }
}

impl ArgType for bool {
    const TYPE: &'static str = "bool";

    fn convert(value: &Value, _: &dyn Probe) -> Result<Self, Mismatch> {
        let word = match value {
            Value::Bool(flag) => return Ok(*flag),
            Value::String(text) => text.trim().to_lowercase(),
            Value::Number(number) if number.as_f64() == Some(1.0) => "1".to_owned(),
            Value::Number(number) if number.as_f64() == Some(0.0) => "0".to_owned(),
            other => {
                return Err(Mismatch::new(
                    "bool",
                    format!("{} cannot be converted to a bool", python_repr(other)),
                ));
            }
        };
        match word.as_str() {
            "y" | "yes" | "on" | "1" | "true" | "t" => Ok(true),
            "n" | "no" | "off" | "0" | "false" | "f" => Ok(false),
            _ => Err(Mismatch::new(
                "bool",
                format!(
                    "The value '{word}' is not a valid boolean. Valid booleans include: 'y', 'yes', 'on', '1', 'true', 't', 1, 'n', 'no', 'off', '0', 'false', 'f', 0"
                ),
            )),
        }
    }
}

impl ArgType for i64 {
    const TYPE: &'static str = "int";

    fn convert(value: &Value, _: &dyn Probe) -> Result<Self, Mismatch> {
        let whole = match value {
            Value::Bool(flag) => Some(i64::from(*flag)),
            Value::Number(number) => number.as_i64().or_else(|| {
                number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 1e15).map(|n| n as i64)
            }),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        whole.ok_or_else(|| {
            Mismatch::new(
                "int",
                format!("\"{}\" cannot be converted to an int", python_repr(value)),
            )
        })
    }
}

macro_rules! smaller_ints {
    ($($type:ty),*) => {$(
        impl ArgType for $type {
            const TYPE: &'static str = "int";

            fn convert(value: &Value, host: &dyn Probe) -> Result<Self, Mismatch> {
                let number = i64::convert(value, host)?;
                <$type>::try_from(number).map_err(|_| {
                    Mismatch::new("int", format!("{number} is out of range"))
                })
            }
        }
    )*};
}

smaller_ints!(u16, u32, u64, i32, usize);

impl ArgType for f64 {
    const TYPE: &'static str = "float";

    fn convert(value: &Value, _: &dyn Probe) -> Result<Self, Mismatch> {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| number.is_finite()).ok_or_else(|| {
            Mismatch::new("float", format!("{} cannot be converted to a float", python_repr(value)))
        })
    }
}

impl ArgType for PathBuf {
    const TYPE: &'static str = "path";

    fn convert(value: &Value, host: &dyn Probe) -> Result<Self, Mismatch> {
        let text = expand_variables(&python_text(value), host);
        Ok(PathBuf::from(expand_home(&text, host)))
    }
}

impl ArgType for Value {
    const TYPE: &'static str = "raw";

    fn convert(value: &Value, _: &dyn Probe) -> Result<Self, Mismatch> {
        Ok(value.clone())
    }
}

impl ArgType for Digest {
    const TYPE: &'static str = "str";

    fn convert(value: &Value, _: &dyn Probe) -> Result<Self, Mismatch> {
        python_text(value)
            .parse()
            .map_err(|error: model::ParseIdError| Mismatch::new("digest", error.to_string()))
    }
}

impl ArgType for Args {
    const TYPE: &'static str = "dict";

    fn convert(value: &Value, _: &dyn Probe) -> Result<Self, Mismatch> {
        match value {
            Value::Object(object) => Ok(object.clone()),
            Value::String(text) if text.trim_start().starts_with('{') => serde_json::from_str(text)
                .map_err(|_| Mismatch::new("dict", "unable to evaluate string as dictionary")),
            Value::String(text) if text.contains('=') => pairs(text),
            Value::String(_) => Err(Mismatch::new(
                "dict",
                "dictionary requested, could not parse JSON or key=value",
            )),
            other => Err(Mismatch::new(
                "dict",
                format!("<class '{}'> cannot be converted to a dict", python_type(other)),
            )),
        }
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: ArgType> ArgType for Option<T> {
    const TYPE: &'static str = T::TYPE;
    const CHOICES: &'static [(&'static str, &'static str)] = T::CHOICES;
    const SECRET: bool = T::SECRET;

    fn convert(value: &Value, host: &dyn Probe) -> Result<Self, Mismatch> {
        T::convert(value, host).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn doubt(name: &str, value: &Value) -> Option<String> {
        T::doubt(name, value)
    }
}

impl<T: ArgType> ArgType for Vec<T> {
    const TYPE: &'static str = "list";
    const CHOICES: &'static [(&'static str, &'static str)] = T::CHOICES;

    fn convert(value: &Value, host: &dyn Probe) -> Result<Self, Mismatch> {
        let elements = match value {
            Value::Array(list) => list.clone(),
            Value::String(text) => text.split(',').map(Value::from).collect(),
            Value::Number(_) => vec![python_text(value).into()],
            other => {
                return Err(Mismatch::new(
                    "list",
                    format!("<class '{}'> cannot be converted to a list", python_type(other)),
                ));
            }
        };
        elements
            .into_iter()
            .map(|element| {
                T::convert(&element, host).map_err(|mismatch| match mismatch {
                    Mismatch::Type { wanted, reason } => {
                        Mismatch::Element { element, wanted, reason }
                    }
                    other => other,
                })
            })
            .collect()
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }
}

/// How the type of secrets is told apart in a specification.
pub(super) const SECRET_TYPE: &str = "str (secret)";

impl ArgType for Secret<String> {
    const TYPE: &'static str = SECRET_TYPE;
    const SECRET: bool = true;

    fn convert(value: &Value, _: &dyn Probe) -> Result<Self, Mismatch> {
        Ok(Secret::new(python_text(value)))
    }
}

/// The fields of one struct among those of another.
impl<T: Arguments> ArgType for T {
    const TYPE: &'static str = "dict";

    fn convert(_: &Value, _: &dyn Probe) -> Result<Self, Mismatch> {
        unreachable!("a nested struct is taken field by field")
    }

    fn describe(_: Field) -> Vec<Field> {
        T::spec().fields.clone()
    }

    fn take(reader: &mut Reader<'_>, _: &'static str) -> Result<Self, Failure> {
        T::take_all(reader)
    }
}

/// `key=value` pairs, separated by commas or spaces, values quoted where needed.
fn pairs(text: &str) -> Result<Args, Mismatch> {
    let mut args = Args::new();
    let mut quote = None;
    let mut escaped = false;
    let mut words = vec![String::new()];
    for character in text.trim().chars() {
        let word = words.last_mut().expect("never empty");
        if std::mem::take(&mut escaped) {
            word.push(character);
        } else if character == '\\' {
            escaped = true;
        } else if quote == Some(character) {
            quote = None;
        } else if quote.is_none() && matches!(character, '\'' | '"') {
            quote = Some(character);
        } else if quote.is_none() && matches!(character, ',' | ' ') {
            words.push(String::new());
        } else {
            word.push(character);
        }
    }
    for word in words.iter().filter(|word| !word.is_empty()) {
        let (key, value) = word.split_once('=').ok_or_else(|| {
            Mismatch::new("dict", "unable to evaluate string in the \"key=value\" format")
        })?;
        args.insert(key.to_owned(), value.into());
    }
    Ok(args)
}

/// `$NAME` and `${NAME}`; what is not set stays as it stands.
pub(crate) fn expand_variables(text: &str, host: &dyn Probe) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, length) = if let Some((name, _)) = braced {
            (name, name.len() + 2)
        } else {
            let end =
                after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            (&after[..end], end)
        };
        match host.variable(name).filter(|_| !name.is_empty()) {
            Some(value) => expanded.push_str(&value),
            None => expanded.push_str(&rest[at..=at + length]),
        }
        rest = &after[length..];
    }
    expanded.push_str(rest);
    expanded
}

/// `~` and `~user`; an unknown user stays as it stands.
pub(crate) fn expand_home(text: &str, host: &dyn Probe) -> String {
    let Some(after) = text.strip_prefix('~') else { return text.to_owned() };
    let (user, rest) = after.split_at(after.find('/').unwrap_or(after.len()));
    let own = || host.user_by_id(host.own_uid());
    let account = if user.is_empty() { own() } else { host.user(user) };
    let home = match host.variable("HOME") {
        Some(home) if user.is_empty() => Some(home),
        _ => account.ok().flatten().map(|account| account.home.to_string_lossy().into_owned()),
    };
    home.map_or_else(|| text.to_owned(), |home| format!("{}{rest}", home.trim_end_matches('/')))
}

/// A value as Python's `str()` writes it: what Ansible makes of a value where a string is wanted.
pub(crate) fn python_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => python_repr(other),
    }
}

fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.contains('\'') && !text.contains('"') => format!("\"{text}\""),
        Value::String(text) => {
            format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n"))
        }
        Value::Array(list) => {
            format!("[{}]", list.iter().map(python_repr).collect::<Vec<_>>().join(", "))
        }
        Value::Object(object) => {
            let pairs = object.iter().map(|(key, value)| {
                format!("{}: {}", python_repr(&Value::from(key.as_str())), python_repr(value))
            });
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Python's name of a value's type.
pub(crate) fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

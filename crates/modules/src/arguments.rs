//! Arguments of modules: one declaration makes the struct, its parser and its reference page.
//!
//! ```ignore
//! arguments! {
//!     /// What the module is for.
//!     pub struct Example {
//!         /// Where. A type that is not `Option` and has no default is required.
//!         pub path: PathBuf { aliases: ["dest", "name"] },
//!         pub state: Option<State>,              // a `choices!` enum
//!         pub recurse: bool { default: false },
//!         pub password: Option<Secret<String>>,  // masked wherever it shows up
//!         pub kind: Option<String> { named: "type" },
//!         pub content: Option<String> { unlogged },  // masked in `invocation` only
//!         pub digest: Option<Digest> { named: "_blob", hidden },  // set by the controller, not by people
//!         pub file: FileAttributes,              // the fields of another `arguments!` struct
//!     }
//!     mutually_exclusive: [&["content", "src"]];
//!     required_together: [&["a", "b"]];
//!     required_one_of: [&["a", "b"]];
//!     required_if: [("state", "link", &["src"])];
//! }
//! ```
//! Values are taken leniently, as Ansible takes them; complaints are worded as Ansible words them.

mod mode;
mod presence;
mod secrets;
mod types;

use std::collections::BTreeMap;
use std::fmt::Write;

use model::Args;
use serde_json::Value;
use system::Probe;

pub(crate) use mode::FileMode;
pub(crate) use presence::Presence;
pub(crate) use secrets::Secrets;
pub use types::{ArgType, Mismatch};
pub(crate) use types::{expand_home, expand_variables, python_text, python_type};

use crate::contract::Failure;
use crate::registry::nearest_of;

/// What is shown in place of a secret argument.
pub(crate) const MASKED: &str = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER";

/// A struct made by `arguments!`.
pub trait Arguments: Sized {
    /// The arguments and their documentation.
    fn spec() -> &'static Spec;
    /// Takes every field from the reader.
    fn take_all(reader: &mut Reader<'_>) -> Result<Self, Failure>;
}

/// The arguments of a module, for the parser and for the reference page.
#[derive(Debug, Clone)]
pub struct Spec {
    /// What the module is for.
    pub doc: String,
    /// Its arguments, in the order of the declaration.
    pub fields: Vec<Field>,
    /// Which arguments go together.
    pub rules: Rules,
}

/// One argument.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name in the playbook.
    pub name: &'static str,
    /// Its other names.
    pub aliases: &'static [&'static str],
    /// What it does.
    pub doc: String,
    /// Its type, in Ansible's word: `str`, `path`, `bool`, `list`...
    pub type_name: &'static str,
    /// The values it may have, each with what it means; empty: any.
    pub choices: &'static [(&'static str, &'static str)],
    /// What it is when it is not given.
    pub default: Option<Value>,
    /// The module cannot do without.
    pub required: bool,
    /// Masked in the result's `invocation`.
    pub unlogged: bool,
    /// Set by the controller; not for people.
    pub hidden: bool,
    /// The variable of the step's environment that it is taken from when it is not given.
    pub environment: Option<&'static str>,
}

/// Which arguments go together.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// At most one of each group.
    pub mutually_exclusive: &'static [&'static [&'static str]],
    /// All of each group or none.
    pub required_together: &'static [&'static [&'static str]],
    /// At least one of each group.
    pub required_one_of: &'static [&'static [&'static str]],
    /// When the first has the value of the second, all of the third are required.
    pub required_if: &'static [(&'static str, &'static str, &'static [&'static str])],
}

/// Declares the arguments of a module; see the top of this file.
macro_rules! arguments {
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                pub $field:ident: $type:ty $({ $($option:ident $(: $value:expr)?),* $(,)? })?
            ),* $(,)?
        }
        $($rule:ident: [$($group:expr),* $(,)?];)*
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone)]
        #[allow(dead_code, reason = "some arguments concern the controller alone")]
        #[allow(clippy::struct_field_names, reason = "the names are Ansible's")]
        pub(crate) struct $name {
            $($(#[doc = $field_doc])* pub(crate) $field: $type,)*
        }

        impl $crate::arguments::Arguments for $name {
            fn spec() -> &'static $crate::arguments::Spec {
                static SPEC: std::sync::OnceLock<$crate::arguments::Spec> =
                    std::sync::OnceLock::new();
                SPEC.get_or_init(|| $crate::arguments::Spec {
                    doc: [$($doc),*].map(str::trim).join("\n"),
                    fields: <[Vec<$crate::arguments::Field>]>::concat(&[$(
                        <$type as $crate::arguments::ArgType>::describe({
                            #[allow(unused_mut, reason = "a field may have no options")]
                            let mut field = $crate::arguments::Field::new::<$type>(
                                stringify!($field),
                                [$($field_doc),*].map(str::trim).join("\n"),
                            );
                            $($($crate::arguments::field_option!(field $option $($value)?);)*)?
                            field
                        })
                    ),*]),
                    rules: $crate::arguments::Rules {
                        $($rule: &[$($group),*],)*
                        ..$crate::arguments::Rules::default()
                    },
                })
            }

            fn take_all(
                reader: &mut $crate::arguments::Reader<'_>,
            ) -> Result<Self, $crate::contract::Failure> {
                let _ = &reader;
                Ok(Self {
                    $($field: <$type as $crate::arguments::ArgType>::take(
                        reader,
                        $crate::arguments::field_name!($field $({ $($option $($value)?),* })?),
                    )?,)*
                })
            }
        }
    };
}

/// Sets one option of a field.
macro_rules! field_option {
    ($field:ident named $name:expr) => {
        $field.name = $name;
    };
    ($field:ident aliases $aliases:expr) => {
        $field.aliases = &$aliases;
    };
    ($field:ident default $default:expr) => {
        $field.default = Some(serde_json::json!($default));
        $field.required = false;
    };
    ($field:ident environment $name:expr) => {
        $field.environment = Some($name);
    };
    ($field:ident required) => {
        $field.required = true;
    };
    ($field:ident unlogged) => {
        $field.unlogged = true;
    };
    ($field:ident hidden) => {
        $field.hidden = true;
    };
}

/// The name of a field in the playbook.
macro_rules! field_name {
    ($field:ident { named $name:expr $(, $($rest:tt)*)? }) => {
        $name
    };
    ($field:ident $($rest:tt)*) => {
        stringify!($field)
    };
}

/// Declares an enum of the values that an argument may have.
macro_rules! choices {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident {
            $($(#[doc = $choice_doc:literal])* $choice:ident = $text:literal),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[doc = $choice_doc])* $choice,)*
        }

        impl $name {
            /// The word in the playbook.
            #[allow(dead_code, reason = "not every enum is printed")]
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$choice => $text),* }
            }
        }

        impl $crate::arguments::ArgType for $name {
            const TYPE: &'static str = "str";
            const CHOICES: &'static [(&'static str, &'static str)] =
                &[$(($text, concat!($($choice_doc),*))),*];

            fn convert(
                value: &serde_json::Value,
                _: &dyn system::Probe,
            ) -> Result<Self, $crate::arguments::Mismatch> {
                match $crate::arguments::choice_text(value, Self::CHOICES).as_str() {
                    $($text => Ok(Self::$choice),)*
                    other => Err($crate::arguments::Mismatch::Choice {
                        given: other.to_owned(),
                        choices: Self::CHOICES,
                    }),
                }
            }
        }
    };
}

pub(crate) use {arguments, choices, field_name, field_option};

impl Field {
    /// A field of a type, before its options are set.
    pub fn new<T: ArgType>(name: &'static str, doc: String) -> Self {
        Self {
            name,
            aliases: &[],
            doc,
            type_name: T::TYPE,
            choices: T::CHOICES,
            default: None,
            required: T::absent().is_none(),
            unlogged: T::SECRET,
            hidden: false,
            environment: None,
        }
    }
}

/// The word given for an argument with choices; YAML's `yes`, `no`, `on` and `off` arrive as booleans.
pub(crate) fn choice_text(value: &Value, choices: &[(&str, &str)]) -> String {
    if let Value::Bool(flag) = value {
        let words: &[&str] =
            if *flag { &["yes", "on", "true", "True"] } else { &["no", "off", "false", "False"] };
        if let Some(word) = words.iter().find(|word| choices.iter().any(|(text, _)| text == *word))
        {
            return (*word).to_owned();
        }
    }
    python_text(value)
}

/// Arguments, parsed.
pub(crate) struct Parsed<M> {
    /// The module.
    pub module: M,
    /// What it was called with, defaults included and secrets masked.
    pub invocation: Args,
    /// The secret values among them.
    pub secrets: Secrets,
    /// What looked odd.
    pub warnings: Vec<String>,
}

/// Parses the arguments of a step. The host is asked for `~` and `$VARIABLE` in paths.
pub(crate) fn parse<M: Arguments>(args: &Args, host: &dyn Probe) -> Result<Parsed<M>, Failure> {
    let spec = M::spec();
    let mut reader = Reader { host, given: BTreeMap::new(), warnings: Vec::new() };
    reader.gather(spec, args)?;
    for field in &spec.fields {
        let Some(value) = field.environment.and_then(|name| host.variable(name)) else { continue };
        reader.given.entry(field.name).or_insert_with(|| value.into());
    }
    spec.check_rules(&reader.given)?;
    for field in &spec.fields {
        if let Some(default) = &field.default {
            reader.given.entry(field.name).or_insert_with(|| default.clone());
        }
    }
    let mut secrets = Secrets::default();
    let mut invocation = Args::new();
    for field in &spec.fields {
        match reader.given.get(field.name) {
            Some(value) if field.unlogged => {
                if field.type_name == types::SECRET_TYPE {
                    secrets.add(value);
                }
                invocation.insert(field.name.into(), MASKED.into());
            }
            _ if field.hidden => {}
            given => {
                invocation.insert(field.name.into(), given.cloned().unwrap_or_default());
            }
        }
    }
    for field in &spec.fields {
        if let Some(default) = &field.default {
            reader.given.entry(field.name).or_insert_with(|| default.clone());
        }
    }
    let module = M::take_all(&mut reader).map_err(|failure| secrets.mask_failure(failure))?;
    Ok(Parsed { module, invocation, secrets, warnings: reader.warnings })
}

/// The suboptions of an argument; `what` names it.
pub(crate) fn part<M: Arguments>(what: &str, given: &Args, host: &dyn Probe) -> Result<M, Failure> {
    let parsed = parse::<M>(given, host);
    parsed.map(|parsed| parsed.module).map_err(|failure| {
        Failure::new(format!("{} found in {what}", failure.message.trim_end_matches('.')))
    })
}

/// Hands the given values to the fields, one by one.
pub struct Reader<'a> {
    host: &'a dyn Probe,
    given: BTreeMap<&'static str, Value>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    /// Sorts what was given under the fields' names, and refuses what no field takes.
    fn gather(&mut self, spec: &'static Spec, args: &Args) -> Result<(), Failure> {
        let mut unknown = Vec::new();
        for (key, value) in args.iter().filter(|(key, _)| !key.starts_with("_ansible_")) {
            let found = spec
                .fields
                .iter()
                .find(|field| field.name == key || field.aliases.contains(&key.as_str()));
            match found {
                None => unknown.push(key.as_str()),
                Some(_) if value.is_null() => {}
                Some(field) => {
                    if field.name != key && args.get(field.name).is_some_and(|v| !v.is_null()) {
                        self.warnings.push(format!(
                            "Both option {} and its alias {key} are set.",
                            field.name
                        ));
                    }
                    if field.name != key || !self.given.contains_key(field.name) {
                        self.given.insert(field.name, value.clone());
                    }
                }
            }
        }
        if unknown.is_empty() { Ok(()) } else { Err(spec.refuse(&mut unknown)) }
    }

    /// The value of one argument.
    pub fn take<T: ArgType>(&mut self, spec_name: &'static str) -> Result<T, Failure> {
        match self.given.remove(spec_name) {
            Some(value) => self.convert(spec_name, &value),
            None => T::absent().ok_or_else(|| missing(&[spec_name])),
        }
    }

    fn convert<T: ArgType>(&mut self, name: &str, value: &Value) -> Result<T, Failure> {
        self.warnings.extend(T::doubt(name, value));
        T::convert(value, self.host).map_err(|mismatch| mismatch.into_failure(name, value))
    }
}

impl Spec {
    fn refuse(&self, unknown: &mut Vec<&str>) -> Failure {
        unknown.sort_unstable();
        let shown = || self.fields.iter().filter(|field| !field.hidden);
        let mut names: Vec<_> = shown().map(|field| field.name).collect();
        names.sort_unstable();
        let mut aliases: Vec<_> = shown().flat_map(|field| field.aliases).copied().collect();
        aliases.sort_unstable();
        let mut message = format!(
            "Unsupported parameters: {}. Supported parameters include: {}",
            unknown.join(", "),
            names.join(", ")
        );
        if !aliases.is_empty() {
            let _ = write!(message, " ({})", aliases.join(", "));
        }
        message.push('.');
        for word in unknown {
            if let Some(near) = nearest_of(word, names.iter().chain(&aliases).copied()) {
                let _ = write!(message, " Did you mean `{near}` instead of `{word}`?");
            }
        }
        Failure::new(message)
    }

    fn check_rules(&self, given: &BTreeMap<&'static str, Value>) -> Result<(), Failure> {
        let has = |name: &&str| given.contains_key(name);
        for group in self.rules.mutually_exclusive {
            if group.iter().filter(|name| has(name)).count() > 1 {
                return Err(Failure::new(format!(
                    "parameters are mutually exclusive: {}",
                    group.join("|")
                )));
            }
        }
        let lacking: Vec<_> = self
            .fields
            .iter()
            .filter(|field| field.required && !has(&field.name))
            .map(|field| field.name)
            .collect();
        if !lacking.is_empty() {
            return Err(missing(&lacking));
        }
        for group in self.rules.required_together {
            if group.iter().any(has) && !group.iter().all(has) {
                return Err(Failure::new(format!(
                    "parameters are required together: {}",
                    group.join(", ")
                )));
            }
        }
        for group in self.rules.required_one_of {
            if !group.iter().any(has) {
                return Err(Failure::new(format!(
                    "one of the following is required: {}",
                    group.join(", ")
                )));
            }
        }
        self.check_required_if(given)
    }

    fn check_required_if(&self, given: &BTreeMap<&'static str, Value>) -> Result<(), Failure> {
        for (key, wanted, needed) in self.rules.required_if {
            let default =
                || self.fields.iter().find(|f| f.name == *key).and_then(|f| f.default.as_ref());
            let value = given.get(key).or_else(default).map(python_text);
            let lacking: Vec<_> =
                needed.iter().filter(|name| !given.contains_key(*name)).copied().collect();
            if value.as_deref() == Some(wanted) && !lacking.is_empty() {
                return Err(Failure::new(format!(
                    "{key} is {wanted} but all of the following are missing: {}",
                    lacking.join(", ")
                )));
            }
        }
        Ok(())
    }
}

fn missing(names: &[&str]) -> Failure {
    Failure::new(format!("missing required arguments: {}", names.join(", ")))
}

//! `muster config` and `ansible-config`: what can be set, what is set, and where.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value as Json, json};

use super::GlobalArgs;
use crate::error::CliError;
use crate::settings::definition::{self, Definition};
use crate::settings::{ConfigFile, Configuration, Environment, Origin, Setting};
use crate::terminal;

/// `muster config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    action: Action,
    /// Show more
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print all settings that there are
    List(Listing),
    /// Print the values of settings, and who set them
    Dump(Dump),
    /// Print the configuration file
    View(Shared),
    /// Print a configuration file with every setting at its default
    Init(Init),
    /// Look for settings that do not exist
    Validate(Validate),
}

/// Which file, and which settings.
#[derive(Debug, Args)]
struct Shared {
    /// The configuration file [default: the first of the usual ones]
    #[arg(short, long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only the general settings (base), all, or those of one kind of plugin
    #[arg(short = 't', long = "type", value_name = "TYPE", default_value = "base",
          value_parser = ["all", "base", "become", "cache", "callback", "cliconf", "connection", "httpapi",
                          "inventory", "lookup", "netconf", "shell", "vars"])]
    kind: String,
    /// Only these plugins of the kind
    #[arg(value_name = "PLUGIN")]
    names: Vec<String>,
}

#[derive(Debug, Args)]
struct Listing {
    #[command(flatten)]
    shared: Shared,
    /// How
    #[arg(short, long, default_value = "yaml")]
    format: Format,
}

#[derive(Debug, Args)]
struct Dump {
    #[command(flatten)]
    shared: Shared,
    /// Only what somebody set
    #[arg(long, visible_alias = "changed-only")]
    only_changed: bool,
    /// How
    #[arg(short, long, default_value = "display")]
    format: Format,
}

#[derive(Debug, Args)]
struct Init {
    #[command(flatten)]
    shared: Shared,
    /// For what
    #[arg(short, long, default_value = "ini")]
    format: Template,
    /// Write them as comments
    #[arg(long)]
    disabled: bool,
}

#[derive(Debug, Args)]
struct Validate {
    #[command(flatten)]
    shared: Shared,
    /// The file, or the environment
    #[arg(short, long, default_value = "ini")]
    format: Template,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Display,
    Json,
    Yaml,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    Ini,
    Env,
    Vars,
}

/// Shows settings.
pub(crate) async fn config(
    _: &GlobalArgs,
    args: ConfigArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let shared = match &args.action {
        Action::List(Listing { shared, .. })
        | Action::Dump(Dump { shared, .. })
        | Action::View(shared)
        | Action::Init(Init { shared, .. })
        | Action::Validate(Validate { shared, .. }) => shared,
    };
    let set = shared.configuration(environment)?;
    let text = match &args.action {
        Action::List(listing) => serialize(&list(shared), listing.format),
        Action::Dump(dump) => {
            if args.verbose > 0 {
                terminal::print(&match &set.file {
                    Some(file) => format!("Using {} as config file\n", shown(&file.path)),
                    None => "No config file found; using defaults\n".to_owned(),
                })?;
            }
            dump.text(&set)?
        }
        Action::View(_) => match &set.file {
            Some(file) => std::fs::read_to_string(&file.path)?,
            None => return Err(CliError::failed("Invalid or no config file was supplied")),
        },
        Action::Init(init) => init.text(),
        Action::Validate(validate) => {
            let wrong = validate.wrong(&set);
            wrong.iter().for_each(|text| terminal::complain("ERROR", text));
            if !wrong.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
            "All configurations seem valid!\n".to_owned()
        }
    };
    terminal::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

impl Shared {
    fn configuration(&self, environment: &Environment) -> Result<Configuration, CliError> {
        let file = match &self.config {
            Some(path) if !path.is_file() => {
                let path = path.display();
                let text = "The provided configuration file is missing or not accessible:";
                return Err(CliError::options(format!("{text} {path}")));
            }
            Some(path) if !path.extension().is_some_and(|end| end == "cfg" || end == "ini") => {
                let path = path.display();
                let text = "Unsupported configuration file extension for";
                return Err(CliError::options(format!("{text} {path}: expected .cfg or .ini")));
            }
            Some(path) => Some(ConfigFile::read(path)?),
            None => {
                let (file, warning) = ConfigFile::find(environment, Path::new(""))?;
                warning.iter().for_each(|text| terminal::complain("WARNING", text));
                file
            }
        };
        Ok(Configuration::new(environment, file, Path::new(""), Path::new("")))
    }

    fn has_general(&self) -> bool {
        matches!(self.kind.as_str(), "base" | "all")
    }

    /// The general settings, when they are meant.
    fn general(&self) -> impl Iterator<Item = &'static Definition> {
        let wanted = self.has_general();
        definition::general().filter(move |known| wanted && !known.is_hidden())
    }

    /// The kinds of plugins that are meant.
    fn kinds(&self) -> Vec<&str> {
        match self.kind.as_str() {
            "base" => Vec::new(),
            "all" => KINDS.to_vec(),
            kind => vec![kind],
        }
    }

    /// The plugins of a kind that are meant, by name, with their options.
    fn plugins(&self, kind: &str) -> Vec<(&'static str, Vec<&'static Definition>)> {
        let mut names: Vec<_> = definition::plugins()
            .filter(|(known, name)| {
                *known == kind
                    && (self.names.is_empty() || self.names.iter().any(|wanted| wanted == name))
            })
            .map(|(_, name)| name)
            .collect();
        names.sort_unstable();
        let options = |name| {
            let all = definition::definitions().iter();
            all.filter(|known| known.plugin == Some((kind, name))).collect()
        };
        names.into_iter().map(|name| (name, options(name))).collect()
    }
}

/// Kinds of plugins that have settings.
const KINDS: [&str; 11] = [
    "become",
    "cache",
    "callback",
    "cliconf",
    "connection",
    "httpapi",
    "inventory",
    "lookup",
    "netconf",
    "shell",
    "vars",
];

fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// What a setting is, as `list` shows it.
fn describe(known: &Definition) -> Json {
    let named =
        |names: &[&str]| names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>();
    let mut map = Map::new();
    map.insert("default".into(), known.default.map_or(Json::Null, |text| json!(text)));
    map.insert("description".into(), json!(known.effect.describe()));
    if !known.environment.is_empty() {
        map.insert("env".into(), json!(named(&known.environment)));
    }
    if !known.ini.is_empty() {
        let keys = known.ini.iter().map(|(section, key)| json!({ "section": section, "key": key }));
        map.insert("ini".into(), keys.collect());
    }
    if !known.choices.is_empty() {
        map.insert("choices".into(), json!(known.choices));
    }
    if !known.variables.is_empty() {
        map.insert("vars".into(), json!(named(&known.variables)));
    }
    map.insert("name".into(), json!(known.name));
    map.insert("type".into(), json!(known.kind.word()));
    Json::Object(map)
}

fn list(shared: &Shared) -> Json {
    let by_name = |all: Vec<&Definition>| -> Map<String, Json> {
        all.into_iter().map(|known| (known.name.to_owned(), describe(known))).collect()
    };
    let mut all = by_name(shared.general().collect());
    let kinds: Map<String, Json> = shared
        .kinds()
        .into_iter()
        .map(|kind| {
            let plugins = shared.plugins(kind).into_iter();
            let plugins: Map<_, _> = plugins
                .map(|(name, options)| (name.to_owned(), Json::Object(by_name(options))))
                .collect();
            (kind.to_owned(), Json::Object(plugins))
        })
        .collect();
    if !kinds.is_empty() {
        all.insert("PLUGINS".into(), Json::Object(kinds));
    }
    Json::Object(all)
}

fn serialize(value: &Json, format: Format) -> String {
    match format {
        Format::Json => {
            let mut out = Vec::new();
            let style = serde_json::ser::PrettyFormatter::with_indent(b"    ");
            let mut serializer = serde_json::Serializer::with_formatter(&mut out, style);
            serde::Serialize::serialize(value, &mut serializer).expect("it is text in memory");
            String::from_utf8_lossy(&out).into_owned() + "\n"
        }
        _ => serde_yaml::to_string(value).expect("JSON is YAML"),
    }
}

/// A value with its name and its origin.
struct Row {
    name: &'static str,
    setting: Setting,
}

impl Row {
    fn of(known: &'static Definition, set: &Configuration) -> Result<Self, CliError> {
        let name = known.name;
        let setting = match (name, &set.file) {
            ("CONFIG_FILE", Some(file)) => Setting {
                value: json!(shown(&file.path)),
                origin: Origin::Environment(String::new()),
            },
            _ => set.get(known)?,
        };
        Ok(Self { name, setting })
    }

    fn origin(&self) -> String {
        if self.name == "CONFIG_FILE" { String::new() } else { self.setting.origin.to_string() }
    }

    fn is_changed(&self) -> bool {
        self.name == "CONFIG_FILE" || self.setting.origin != Origin::Default
    }

    fn line(&self) -> String {
        format!("{}({}) = {}\n", self.name, self.origin(), python(&self.setting.value, true))
    }

    fn json(&self) -> Json {
        json!({ "name": self.name, "origin": self.origin(), "value": self.setting.value })
    }
}

impl Dump {
    fn rows(
        &self,
        all: impl Iterator<Item = &'static Definition>,
        set: &Configuration,
    ) -> Result<Vec<Row>, CliError> {
        let rows = all.map(|known| Row::of(known, set)).collect::<Result<Vec<_>, _>>()?;
        Ok(rows.into_iter().filter(|row| !self.only_changed || row.is_changed()).collect())
    }

    fn text(&self, set: &Configuration) -> Result<String, CliError> {
        let base = self.shared.general().filter(|known| known.name != "GALAXY_SERVERS");
        let base = self.rows(base, set)?;
        let servers = galaxy_servers(set)?;
        if self.format != Format::Display {
            let mut all: Vec<Json> = base.iter().map(Row::json).collect();
            if self.shared.has_general() {
                all.push(json!({ "GALAXY_SERVERS": servers }));
            }
            for kind in self.shared.kinds() {
                let plugins = self.plugins(kind, set)?;
                let plugins: Vec<Json> = plugins
                    .into_iter()
                    .map(|(name, rows)| json!({ name: rows.iter().map(Row::json).collect::<Vec<_>>() }))
                    .collect();
                match self.shared.kind.as_str() {
                    "all" => {
                        all.push(json!({ format!("{}_PLUGINS", kind.to_uppercase()): plugins }));
                    }
                    _ => all.extend(plugins),
                }
            }
            return Ok(serialize(&Json::Array(all), self.format));
        }
        let mut out: String = base.iter().map(Row::line).collect();
        if self.shared.has_general() {
            out.push_str("\nGALAXY_SERVERS:\n\n");
            out.push_str(&self.servers(&servers));
        }
        for kind in self.shared.kinds() {
            let plugins = self.plugins(kind, set)?;
            if self.shared.kind == "all" && !plugins.is_empty() {
                let head = kind.to_uppercase();
                let _ = write!(out, "\n{head}:\n{}\n", "=".repeat(head.len()));
            }
            for (name, rows) in plugins {
                let _ = write!(out, "\n{name}:\n{}\n", "_".repeat(name.len()));
                rows.iter().for_each(|row| out.push_str(&row.line()));
            }
        }
        Ok(out)
    }

    /// The plugins of a kind with their values; those without any are left out when only changes are wanted.
    fn plugins(
        &self,
        kind: &str,
        set: &Configuration,
    ) -> Result<Vec<(&'static str, Vec<Row>)>, CliError> {
        let mut found = Vec::new();
        for (name, options) in self.shared.plugins(kind) {
            let rows = self.rows(options.into_iter(), set)?;
            if !rows.is_empty() || !self.only_changed {
                found.push((name, rows));
            }
        }
        Ok(found)
    }

    fn servers(&self, servers: &Map<String, Json>) -> String {
        let mut out = String::new();
        for (name, options) in servers {
            let _ = write!(out, "\n{name}\n{}\n", "=".repeat(name.len()));
            for option in options.as_array().map(Vec::as_slice).unwrap_or_default() {
                if !self.only_changed || option["origin"] != "default" {
                    let (name, origin) =
                        (python(&option["name"], true), python(&option["origin"], true));
                    let _ = writeln!(out, "{name}({origin}) = {}", python(&option["value"], true));
                }
            }
        }
        out
    }
}

/// The servers of `[galaxy] server_list`, each with its options.
fn galaxy_servers(set: &Configuration) -> Result<Map<String, Json>, CliError> {
    const OPTIONS: [&str; 10] = [
        "url",
        "username",
        "password",
        "token",
        "auth_url",
        "api_version",
        "validate_certs",
        "client_id",
        "client_secret",
        "timeout",
    ];
    let mut all = Map::new();
    for server in set.list("GALAXY_SERVER_LIST")?.into_iter().filter(|name| !name.is_empty()) {
        let options = OPTIONS.map(|name| {
            let (value, origin) = match set.galaxy_option(&server, name) {
                Some((text, origin)) => (json!(text), origin.to_string()),
                None if name == "timeout" => {
                    let general = set.number::<i64>("GALAXY_SERVER_TIMEOUT");
                    (json!(general.ok().flatten()), "default".to_owned())
                }
                None => (Json::Null, "default".to_owned()),
            };
            json!({ "name": name, "origin": origin, "type": null, "value": value })
        });
        all.insert(server, json!(options));
    }
    Ok(all)
}

/// A value as Python prints it; a text alone has no quotes.
fn python(value: &Json, is_whole: bool) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(flag) => if *flag { "True" } else { "False" }.to_owned(),
        Json::Number(number) => number.to_string(),
        Json::String(text) if is_whole => text.clone(),
        value => jinja::Value::from_json(value.clone()).repr(),
    }
}

impl Init {
    fn text(&self) -> String {
        let kinds = self.shared.kinds();
        let plugins = kinds.into_iter().flat_map(|kind| self.shared.plugins(kind));
        let all = self.shared.general().chain(plugins.flat_map(|(_, options)| options));
        match self.format {
            Template::Ini => self.ini(all),
            Template::Env => {
                let all = all.filter(|known| !known.environment.is_empty());
                all.fold(String::new(), |text, known| {
                    text + &format!(
                        "{}{}{}={}\n\n",
                        heading(known, "# "),
                        self.mark("#"),
                        known.environment[0],
                        plain(known)
                    )
                })
            }
            Template::Vars => {
                let all = all.filter(|known| !known.variables.is_empty());
                all.fold(String::new(), |text, known| {
                    let value =
                        known.default.map_or("null".to_owned(), |text| json!(text).to_string());
                    text + &format!(
                        "{}{}{}: {value}\n\n",
                        heading(known, "# "),
                        self.mark("#"),
                        known.variables[0]
                    )
                })
            }
        }
    }

    fn mark(&self, mark: &'static str) -> &'static str {
        if self.disabled { mark } else { "" }
    }

    fn ini(&self, all: impl Iterator<Item = &'static Definition>) -> String {
        let mut sections: Vec<(&str, String)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for known in all {
            let Some(&(section, key)) = known.ini.first() else { continue };
            if !seen.insert((section, key)) {
                continue;
            }
            let at = sections.iter().position(|(name, _)| *name == section).unwrap_or_else(|| {
                sections.push((section, String::new()));
                sections.len() - 1
            });
            let _ = write!(
                sections[at].1,
                "{}{}{key}={}\n\n",
                heading(known, "# "),
                self.mark(";"),
                plain(known)
            );
        }
        sections
            .into_iter()
            .fold(String::new(), |text, (name, lines)| text + &format!("[{name}]\n{lines}\n"))
    }
}

fn heading(known: &Definition, mark: &str) -> String {
    format!(
        "{mark}({}) {} {}\n",
        known.kind.word(),
        known.label().replace('\'', ""),
        known.effect.describe()
    )
}

/// A default as a file would have it.
fn plain(known: &Definition) -> String {
    let text = known.default.unwrap_or_default().replace("{{ANSIBLE_HOME}}", "~/.ansible");
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inner) => inner.to_owned(),
        None => text,
    }
}

impl Validate {
    fn wrong(&self, set: &Configuration) -> Vec<String> {
        match self.format {
            Template::Env => {
                let names = set.unknown_variables().into_iter();
                names.map(|name| format!("Found unknown environment variable '{name}'.")).collect()
            }
            _ => {
                let Some(file) = &set.file else { return Vec::new() };
                let place = |line| format!("{}:{line}", shown(&file.path));
                let sections = set.unknown_sections().into_iter().map(|(section, line)| {
                    format!("Found unknown section '{section}' in '{}'.", place(line))
                });
                let keys = set.unknown_keys().into_iter().map(|(section, key, line)| {
                    format!(
                        "Found unknown key '{key}' in section '{section}' in '{}'.",
                        place(line)
                    )
                });
                sections.chain(keys).collect()
            }
        }
    }
}

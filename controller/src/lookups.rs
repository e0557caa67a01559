//! Lookups that need what only the programs have: `url` asks with the client of the module `uri`. It must not know plays.

use std::collections::BTreeMap;

use jinja::{Environment, Error, ErrorKind, Scope, Value};
use model::{Args, Mode, Outcome, Step, StepId, Verdict};
use system::{Context, RealSystem};

/// Options of the lookup that the module has too, and its name for them.
const OPTIONS: [(&str, &str); 16] = [
    ("ca_path", "ca_path"),
    ("ciphers", "ciphers"),
    ("follow_redirects", "follow_redirects"),
    ("force", "force"),
    ("force_basic_auth", "force_basic_auth"),
    ("headers", "headers"),
    ("http_agent", "http_agent"),
    ("password", "url_password"),
    ("timeout", "timeout"),
    ("unix_socket", "unix_socket"),
    ("unredirected_headers", "unredirected_headers"),
    ("use_gssapi", "use_gssapi"),
    ("use_netrc", "use_netrc"),
    ("use_proxy", "use_proxy"),
    ("username", "url_username"),
    ("validate_certs", "validate_certs"),
];

/// The tables of names with the programs' own lookups.
pub(crate) fn environment() -> Environment {
    let mut environment = Environment::new();
    environment.lookup("url", |scope, terms, mut args| {
        let split = args.take_named("split_lines").is_none_or(|flag| flag.is_true());
        let mut options = Args::from_iter([
            ("return_content".to_owned(), true.into()),
            ("timeout".to_owned(), 10.into()),
            ("follow_redirects".to_owned(), "urllib2".into()),
        ]);
        for (name, of_module) in OPTIONS {
            let given = args.take_named(name).filter(|value| !value.is_none());
            let given = given.map_or_else(|| elsewhere(scope, name), |value| Ok(Some(value)))?;
            if let Some(value) = given {
                options.insert(of_module.to_owned(), value.to_json()?);
            }
        }
        let mut found = Vec::new();
        for term in terms.sequence().unwrap_or_else(|| vec![terms.clone()]) {
            let content = fetched(&term.to_string(), &options)?;
            if split {
                found.extend(content.lines().map(Value::from));
            } else {
                found.push(Value::from(content));
            }
        }
        Ok(Value::list(found))
    });
    environment
}

/// An option that the lookup was not called with: from a variable, the environment or the configuration.
fn elsewhere(scope: &Scope<'_>, option: &str) -> Result<Option<Value>, Error> {
    let Some(configuration) = &scope.environment().configuration else { return Ok(None) };
    let variable = |name: &str| {
        let value = scope.variable(name).ok().filter(|value| !value.is_undefined())?;
        scope.force(value).ok()
    };
    let found = configuration.setting(Some(("lookup", "url")), option, &variable);
    let found = found.map_err(|message| Error::new(ErrorKind::Lookup, message))?;
    // What nobody set is the module's to decide.
    let given = found.filter(|(value, origin)| !value.is_none() && origin != "default");
    Ok(given.map(|(value, _)| value))
}

fn fetched(url: &str, options: &Args) -> Result<String, Error> {
    let mut args = options.clone();
    args.insert("url".to_owned(), url.into());
    let step = Step {
        id: StepId(0),
        module: "uri".to_owned(),
        args,
        mode: Mode::default(),
        run_as: None,
        environment: BTreeMap::new(),
        timeout: None,
        no_log: true,
    };
    let outcome = modules::run(&step, &RealSystem::new(Context::default()));
    let content = outcome.result.get("content").and_then(|content| content.as_str());
    match (&outcome.verdict, content) {
        (Verdict::Failed { message }, _) => {
            Err(Error::new(ErrorKind::Lookup, failure(url, &outcome, message)))
        }
        (_, content) => Ok(content.unwrap_or_default().to_owned()),
    }
}

fn failure(url: &str, outcome: &Outcome, message: &str) -> String {
    match outcome.result.get("status").and_then(serde_json::Value::as_i64) {
        Some(status) if status > 0 => {
            let reason = message.rsplit(": ").next().unwrap_or_default();
            format!("Received HTTP error for {url}: HTTP Error {status}: {reason}")
        }
        _ => format!("Failed lookup url for {url}: {message}"),
    }
}

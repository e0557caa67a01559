//! Which reporters show a run: the callback of standard output by its name, and those that are enabled beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use report::{
    Console, Document, Format, JUnit, JUnitOptions, Keep, Minimal, OneLine, Options, Profile,
    Reporter, Several, Sum, Timer, Tree,
};

use crate::log_file::LogFile;
use crate::settings::Settings;
use crate::terminal;

/// The reporters of a run: `default` names the one for standard output when no setting does.
pub(crate) fn reporters(settings: &Settings, options: Options, default: &str) -> Box<dyn Reporter> {
    let display = &settings.display;
    let options = Options {
        display_skipped: settings.display_skipped,
        display_ok: settings.display_ok,
        failed_to_stderr: display.failed_to_stderr,
        path_on_failure: display.path_on_failure,
        check_markers: display.check_markers,
        format: if display.yaml { Format::Yaml } else { Format::Json },
        pretty: display.pretty,
        deprecations: display.deprecations,
        ..options
    };
    let wanted = display.callback.as_deref().unwrap_or(default);
    let first = for_screen(short(wanted), options).or_else(|| beside(short(wanted), settings));
    let first = first.unwrap_or_else(|| {
        let message = format!("there is no callback '{wanted}' here; the default one is used");
        terminal::complain("WARNING", &message);
        Box::new(Console::new(Box::new(io::stdout()), Box::new(io::stderr()), options))
    });
    let mut all = vec![first];
    for name in &display.enabled {
        match beside(short(name), settings) {
            Some(reporter) => all.push(reporter),
            // Enabling one that writes to the screen adds nothing to it.
            None if for_screen(short(name), options).is_some() => {}
            None => {
                let message = format!("Skipping callback plugin '{name}', unable to load");
                terminal::complain("WARNING", &message);
            }
        }
    }
    all.extend(display.log_path.as_deref().and_then(|path| in_file(path, settings, options)));
    Box::new(Several::new(all))
}

/// What people see, in a file.
fn in_file(path: &Path, settings: &Settings, options: Options) -> Option<Box<dyn Reporter>> {
    let log = match LogFile::open(path) {
        Ok(log) => log,
        Err(error) => {
            let message = format!("log file at '{}' cannot be written: {error}", path.display());
            terminal::complain("WARNING", &message);
            return None;
        }
    };
    let verbosity = settings.display.log_verbosity.unwrap_or(options.verbosity);
    let options = Options { verbosity, colour: false, width: None, errors_seen: false, ..options };
    Some(Box::new(Console::new(Box::new(log.clone()), Box::new(log), options)))
}

/// A callback's name without its collection.
fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Callbacks that own standard output.
fn for_screen(name: &str, options: Options) -> Option<Box<dyn Reporter>> {
    let (out, err) = (Box::new(io::stdout()), Box::new(io::stderr()));
    let pretty = Options { pretty: Some(options.pretty.unwrap_or(true)), ..options };
    Some(match name {
        "default" => Box::new(Console::new(out, err, options)),
        "yaml" => Box::new(Console::new(out, err, Options { format: Format::Yaml, ..options })),
        "debug" => Box::new(Console::new(out, err, pretty)),
        "minimal" => Box::new(Minimal::new(out, err, options)),
        "oneline" => Box::new(OneLine::new(out, err, options)),
        "json" => Box::new(Document::new(out, err)),
        _ => return None,
    })
}

/// Callbacks that add to what the one of standard output shows.
fn beside(name: &str, settings: &Settings) -> Option<Box<dyn Reporter>> {
    let display = &settings.display;
    let out = Box::new(io::stdout());
    Some(match name {
        "timer" => Box::new(Timer::new(out)),
        "profile_tasks" => Box::new(Profile::new(out, Sum::Tasks, TimeZone::system())),
        "profile_roles" => Box::new(Profile::new(out, Sum::Roles, TimeZone::system())),
        "tree" => Box::new(Tree::new(keep_in(display.tree.clone()))),
        "junit" => {
            let junit = display.junit.clone();
            let options = JUnitOptions {
                fail_on_change: junit.fail_on_change,
                fail_on_ignore: junit.fail_on_ignore,
                task_class: junit.task_class,
                relative_to: junit.relative_to,
                without_setup: !junit.include_setup,
                prefix: junit.prefix,
            };
            Box::new(JUnit::new(keep_in(junit.directory), options))
        }
        _ => return None,
    })
}

/// Keeps documents as files of a directory. Names of hosts do not lead out of it.
fn keep_in(directory: PathBuf) -> Keep {
    Box::new(move |name, text| {
        fs::create_dir_all(&directory)?;
        let name = name.replace('/', "_");
        let name = if matches!(name.as_str(), "." | "..") { "_".to_owned() } else { name };
        fs::write(directory.join(name), text)
    })
}

//! The settings of what is shown: which callbacks, and how.

use std::path::PathBuf;

use super::Configuration;
use crate::error::CliError;

/// What environment and configuration say of output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Display {
    /// `stdout_callback`.
    pub(crate) callback: Option<String>,
    /// `bin_ansible_callbacks`: ad hoc commands use these callbacks, too.
    pub(crate) loads_callbacks: bool,
    /// `callbacks_enabled`.
    pub(crate) enabled: Vec<String>,
    /// `callback_result_format: yaml`.
    pub(crate) yaml: bool,
    /// `callback_format_pretty`.
    pub(crate) pretty: Option<bool>,
    pub(crate) failed_to_stderr: bool,
    pub(crate) path_on_failure: bool,
    pub(crate) check_markers: bool,
    /// Where the `tree` callback keeps results.
    pub(crate) tree: PathBuf,
    pub(crate) junit: JUnit,
    /// `log_path`: a file that gets what people see.
    pub(crate) log_path: Option<PathBuf>,
    /// `log_verbosity`: how much of it, when not as much as people see.
    pub(crate) log_verbosity: Option<u8>,
    /// `deprecation_warnings`.
    pub(crate) deprecations: bool,
}

/// The settings of the `junit` callback.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JUnit {
    pub(crate) directory: PathBuf,
    pub(crate) task_class: bool,
    pub(crate) relative_to: String,
    pub(crate) fail_on_change: bool,
    pub(crate) fail_on_ignore: bool,
    pub(crate) include_setup: bool,
    pub(crate) prefix: String,
}

/// Everything that environment and configuration say of output.
pub(super) fn display(set: &Configuration) -> Result<Display, CliError> {
    let own = ("callback", "default");
    let format = set.plugin_text(own, "result_format")?;
    let pretty = set.plugin_text(own, "pretty_results")?;
    let tree = set.plugin_text(("callback", "tree"), "directory")?;
    Ok(Display {
        loads_callbacks: set.flag("DEFAULT_LOAD_CALLBACK_PLUGINS")?,
        callback: set.text("DEFAULT_STDOUT_CALLBACK")?.filter(|name| name != "default"),
        enabled: set.list("CALLBACKS_ENABLED")?,
        yaml: format.as_deref() == Some("yaml"),
        pretty: pretty.map(|text| is_true(&text)),
        failed_to_stderr: set.plugin_flag(own, "display_failed_stderr")?,
        path_on_failure: set.plugin_flag(own, "show_task_path_on_failure")?,
        check_markers: set.plugin_flag(own, "check_mode_markers")?,
        tree: tree.unwrap_or_default().into(),
        junit: junit(set)?,
        log_path: set.path("DEFAULT_LOG_PATH")?,
        log_verbosity: set.number("LOG_VERBOSITY")?,
        deprecations: set.flag("DEPRECATION_WARNINGS")?,
    })
}

fn junit(set: &Configuration) -> Result<JUnit, CliError> {
    let text = |name| set.plugin_text(("callback", "junit"), name);
    let flag = |name| Ok::<_, CliError>(text(name)?.is_some_and(|text| is_true(&text)));
    Ok(JUnit {
        directory: text("output_dir")?.unwrap_or_default().into(),
        task_class: flag("task_class")?,
        relative_to: text("task_relative_path")?.unwrap_or_default(),
        fail_on_change: flag("fail_on_change")?,
        fail_on_ignore: flag("fail_on_ignore")?,
        include_setup: flag("include_setup_tasks_in_report")?,
        prefix: text("test_case_prefix")?.unwrap_or_default(),
    })
}

fn is_true(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "1" | "yes" | "y" | "true" | "t" | "on")
}

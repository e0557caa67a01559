//! How much is shown, and how: what `-v`, `--diff`, the terminal and `ansible.cfg` decide.

/// What a reporter for people shows.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many `-v` were given. From 1 results are shown, from 2 places of tasks, from 3 results are pretty and whole.
    pub verbosity: u8,
    /// `ANSIBLE_DEBUG`: also what plays do by themselves.
    pub debug: bool,
    /// Use colours.
    pub colour: bool,
    /// Columns of the terminal; `None` when the output is not one.
    pub width: Option<u16>,
    /// Standard error is a terminal, where a carriage return covers what was said before it.
    pub errors_seen: bool,
    /// Show the diffs that results carry.
    pub show_diff: bool,
    /// `display_skipped_hosts`.
    pub display_skipped: bool,
    /// `display_ok_hosts`.
    pub display_ok: bool,
    /// `show_custom_stats`: what `set_stats` collected, after the recap.
    pub show_custom_stats: bool,
    /// `display_failed_stderr`: failures go to standard error.
    pub failed_to_stderr: bool,
    /// `show_task_path_on_failure`.
    pub path_on_failure: bool,
    /// `check_mode_markers`: banners say that it is check mode.
    pub check_markers: bool,
    /// `deprecation_warnings`: what will not be possible any more.
    pub deprecations: bool,
    /// `callback_result_format`.
    pub format: Format,
    /// `callback_format_pretty`; `None` leaves it to the verbosity.
    pub pretty: Option<bool>,
    /// Gives the text of a content file, for excerpts at failed tasks. A reporter itself opens no file.
    pub read_source: fn(&str) -> Option<String>,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            verbosity: 0,
            debug: false,
            colour: false,
            width: None,
            errors_seen: true,
            show_diff: true,
            display_skipped: true,
            display_ok: true,
            show_custom_stats: false,
            failed_to_stderr: false,
            path_on_failure: false,
            check_markers: false,
            deprecations: false,
            format: Format::Json,
            pretty: None,
            read_source: |_| None,
        }
    }
}

//! `alternatives`: which of several programs a common name means, through `update-alternatives`.

use std::path::PathBuf;

use model::{Args, Diff};
use serde_json::{Value, json};
use system::{Command, Probe, System};

use crate::arguments::{arguments, choices, part};
use crate::contract::{Change, Check, Failure, Module};
use crate::{diff, tool};

choices! {
    /// What becomes of the alternative.
    pub enum Wanted {
        /// It is known, and not chosen for that.
        Present = "present",
        /// It is not known.
        Absent = "absent",
        /// It is known and chosen.
        Selected = "selected",
        /// It is known, and the one with the highest priority is chosen.
        Auto = "auto",
    }
}

arguments! {
    /// Chooses which of several programs a common name means.
    pub struct Alternatives {
        /// The common name, e.g. `editor`.
        pub name: String,
        /// The program.
        pub path: Option<PathBuf>,
        /// The family of programs, where the distribution has them.
        pub family: Option<String>,
        /// The link that leads to the program; needed for a name that is new.
        pub link: Option<PathBuf>,
        /// The priority; 50 for an alternative that is new.
        pub priority: Option<i64>,
        /// What becomes of it.
        pub state: Wanted { default: "selected" },
        /// Links that go with it (`name`, `link`, `path`). An empty list removes them.
        pub subcommands: Option<Vec<Args>> { aliases: ["slaves"] },
    }
    required_one_of: [&["path", "family"]];
}

arguments! {
    /// A link that goes with an alternative.
    pub struct Subcommand {
        /// Its name.
        pub name: String,
        /// Where it is.
        pub link: PathBuf,
        /// What it leads to.
        pub path: PathBuf,
    }
}

/// A link that goes with an alternative: name, link, path.
type Follower = (String, String, String);

/// What `update-alternatives` says of a name.
#[derive(Debug, Default, PartialEq)]
struct Known {
    is_auto: bool,
    link: Option<String>,
    current: Option<String>,
    choices: Vec<Choice>,
}

#[derive(Debug, Default, PartialEq)]
struct Choice {
    path: String,
    priority: i64,
    family: Option<String>,
    followers: Vec<Follower>,
}

impl Known {
    fn told(text: &str, name: &str) -> Self {
        let mut known = Self::default();
        let mut links: Vec<(&str, &str)> = Vec::new();
        for line in text.lines() {
            let is_inner = line.starts_with(' ');
            let words = line.trim();
            if !is_inner && let Some(status) = words.strip_prefix(&format!("{name} - ")) {
                known.is_auto = status.starts_with("auto") || status.starts_with("status is auto");
            } else if let Some(path) = words.strip_prefix("link currently points to ") {
                known.current = Some(path.to_owned());
            } else if let Some(link) = words.strip_prefix(&format!("link {name} is ")) {
                known.link = Some(link.to_owned());
            } else if let Some(rest) = words.strip_prefix("slave ") {
                if let Some((name, link)) = rest.split_once(" is ") {
                    links.push((name, link));
                } else if let (Some((name, path)), Some(choice)) =
                    (rest.split_once(": "), known.choices.last_mut())
                {
                    let link = links.iter().find(|(known, _)| *known == name);
                    let link = link.map_or("", |(_, link)| link);
                    choice.followers.push((name.to_owned(), link.to_owned(), path.to_owned()));
                }
            } else if !is_inner && let Some((path, rest)) = words.rsplit_once(" - ") {
                let mut words = rest.split_whitespace();
                let mut choice = Choice { path: path.to_owned(), ..Choice::default() };
                while let Some(word) = words.next() {
                    match word {
                        "priority" => {
                            choice.priority =
                                words.next().and_then(|number| number.parse().ok()).unwrap_or(0);
                        }
                        "family" => choice.family = words.next().map(str::to_owned),
                        _ => {}
                    }
                }
                known.choices.push(choice);
            }
        }
        known
    }
}

/// The calls to make, and the alternative on both sides.
pub(crate) struct Work {
    commands: Vec<Command>,
    before: Value,
    after: Value,
}

impl Change for Work {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("alternatives", self.before.clone(), self.after.clone())])
    }
}

fn call<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("update-alternatives", words);
    command.environment.insert("LC_ALL".to_owned(), "C".to_owned());
    command
}

impl Module for Alternatives {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        let name = self.name.as_str();
        if name.is_empty() || name.starts_with('-') || name.contains(['/', ' ']) {
            return Err(Failure::new(format!("`{name}` is no name of alternatives")));
        }
        let output = host.query(&call(["--display", name]))?;
        let text = if output.is_success() { output.stdout_text() } else { String::new() };
        let known = Known::told(&text, name);
        let path = self.path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let chosen = match (&path, &self.family) {
            (Some(path), _) => path.clone(),
            (None, family) => family.clone().unwrap_or_default(),
        };
        let mine = known.choices.iter().find(|choice| choice.path == chosen);
        let (mut commands, mut messages) = (Vec::new(), Vec::new());
        if self.state == Wanted::Absent {
            if mine.is_some() {
                commands.push(call(["--remove", name, &chosen]));
                messages.push(format!("Remove alternative '{chosen}' from '{name}'."));
            }
        } else {
            if path.is_some() && self.must_install(host, mine)? {
                commands.push(self.install(host, &known, mine, &chosen)?);
                messages.push(format!("Install alternative '{chosen}' for '{name}'."));
            }
            let is_current = match &path {
                Some(path) => known.current.as_ref() == Some(path),
                None => known.choices.iter().any(|choice| {
                    choice.family == self.family && Some(&choice.path) == known.current.as_ref()
                }),
            };
            if self.state == Wanted::Selected && !is_current {
                commands.push(call(["--set", name, &chosen]));
                messages.push(format!("Set alternative '{chosen}' for '{name}'."));
            }
            if self.state == Wanted::Auto && !known.is_auto && !known.choices.is_empty() {
                commands.push(call(["--auto", name]));
                messages.push(format!("Set alternative to auto for '{name}'."));
            }
        }
        result.insert("msg".into(), messages.join(" ").into());
        if commands.is_empty() {
            return Ok(Check::InSync);
        }
        let before = match mine {
            Some(choice) => json!({
                "path": choice.path, "priority": choice.priority, "link": known.link, "current": known.current,
            }),
            None => json!({ "state": "absent", "current": known.current }),
        };
        let after = json!({ "state": self.state.as_str(), "path": chosen, "does": messages });
        Ok(Check::Drift(Work { commands, before, after }))
    }

    fn apply(&self, work: Work, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        work.commands.iter().try_for_each(|command| tool::run(host, command).map(drop))
    }
}

impl Alternatives {
    fn followers(&self, host: &dyn Probe) -> Result<Option<Vec<Follower>>, Failure> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let one = |given: &Args| {
            let Subcommand { name, link, path } = part("subcommands", given, host)?;
            Ok((name, text(link), text(path)))
        };
        self.subcommands.as_ref().map(|list| list.iter().map(one).collect()).transpose()
    }

    fn must_install(&self, host: &dyn Probe, mine: Option<&Choice>) -> Result<bool, Failure> {
        let Some(choice) = mine else { return Ok(true) };
        let differs = |wanted: &[Follower]| {
            // What is told has no link where the distribution does not tell it.
            let fits = |one: &Follower, other: &Follower| {
                one.0 == other.0 && one.2 == other.2 && (other.1.is_empty() || one.1 == other.1)
            };
            wanted.len() != choice.followers.len()
                || !wanted.iter().all(|one| choice.followers.iter().any(|other| fits(one, other)))
        };
        let is_other_family = self.family.is_some() && self.family != choice.family;
        Ok(self.priority.is_some_and(|priority| priority != choice.priority)
            || is_other_family
            || self.followers(host)?.is_some_and(|wanted| differs(&wanted)))
    }

    fn install(
        &self,
        host: &dyn Probe,
        known: &Known,
        mine: Option<&Choice>,
        path: &str,
    ) -> Result<Command, Failure> {
        if host.stat(path.as_ref(), true)?.is_none() {
            return Err(Failure::new(format!("Specified path {path} does not exist")));
        }
        let given = self.link.as_ref().map(|link| link.to_string_lossy().into_owned());
        let link = given.or_else(|| known.link.clone()).ok_or_else(|| {
            Failure::new(
                "Needed to install the alternative, but unable to do so as we are missing the link",
            )
        })?;
        let old = mine.map(|choice| choice.priority);
        let priority = self.priority.or(old).unwrap_or(50).to_string();
        let mut words =
            vec!["--install".into(), link, self.name.clone(), path.to_owned(), priority];
        if let Some(family) = &self.family {
            words.extend(["--family".to_owned(), family.clone()]);
        }
        let kept = || mine.map(|choice| choice.followers.clone()).unwrap_or_default();
        for (name, link, path) in self.followers(host)?.unwrap_or_else(kept) {
            words.extend(["--slave".to_owned(), link, name, path]);
        }
        Ok(call(words))
    }
}

//! What an account needs, and the commands that do it.

use jiff::Timestamp;
use model::{Args, Diff, Secret};
use serde_json::json;
use system::{Account, Command, Probe, System};

use super::{Shadow, UpdatePassword, User, groups, home, key};
use crate::contract::{Change, Failure};
use crate::{diff, tool};

const SECONDS_A_DAY: f64 = 86_400.0;

/// What an account needs, in the order in which it is done.
#[derive(Debug, Default)]
pub(crate) struct UserChange {
    /// `useradd`, `usermod` or `userdel` with its options; the name follows.
    command: Option<(&'static str, Vec<String>)>,
    /// Options of `chage`.
    aging: Vec<String>,
    password: Option<Secret<String>>,
    makes_home: bool,
    makes_key: bool,
    before: Args,
    after: Args,
}

impl Change for UserChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let (before, after) = (self.before.clone().into(), self.after.clone().into());
        Ok(vec![diff::state("user", before, after)])
    }
}

impl UserChange {
    pub(super) fn is_empty(&self) -> bool {
        self.command.is_none()
            && self.aging.is_empty()
            && self.password.is_none()
            && !self.makes_home
            && !self.makes_key
    }

    pub(super) fn makes_key(&self) -> bool {
        self.makes_key
    }

    pub(super) fn delete(account: &Account) -> Self {
        let mut change = Self { command: Some(("userdel", Vec::new())), ..Self::default() };
        change.tell("name", json!(account.name), json!(null));
        change.tell("state", json!("present"), json!("absent"));
        change
    }

    pub(super) fn create(user: &User, host: &dyn Probe) -> Result<Self, Failure> {
        let mut change = Self {
            command: Some(("useradd", create_options(user, host)?)),
            aging: aging(user, None),
            password: user.password.as_ref().map(|hash| locked_if(user, hash)),
            makes_key: user.generate_ssh_key,
            ..Self::default()
        };
        change.tell("state", json!("absent"), json!("present"));
        change.tell("name", json!(null), json!(user.name));
        Ok(change)
    }

    pub(super) fn modify(
        user: &User,
        account: &Account,
        host: &dyn Probe,
    ) -> Result<Self, Failure> {
        let shadow = user.shadow(host);
        let mut change = Self::default();
        let mut options = change.modify_fields(user, account, host)?;
        change.modify_expiry(user, shadow.as_ref(), &mut options)?;
        change.modify_password(user, shadow.as_ref(), &mut options);
        change.aging = aging(user, shadow.as_ref());
        if !change.aging.is_empty() {
            change.tell("password_aging", json!("differs"), json!(change.aging.join(" ")));
        }
        let home = user.home.as_deref().unwrap_or(&account.home);
        let moves = user.move_home && home != account.home;
        change.makes_home = user.create_home && !moves && host.stat(home, true)?.is_none();
        if change.makes_home {
            change.tell("home_exists", json!(false), json!(true));
        }
        change.makes_key = key::is_needed(user, account, host)?;
        if change.makes_key {
            change.tell("ssh_key", json!("absent"), json!("present"));
        }
        if !options.is_empty() {
            change.command = Some(("usermod", options));
        }
        Ok(change)
    }

    /// The options of `usermod` for the fields of /etc/passwd and the groups.
    fn modify_fields(
        &mut self,
        user: &User,
        account: &Account,
        host: &dyn Probe,
    ) -> Result<Vec<String>, Failure> {
        let mut options = Vec::new();
        let mut option =
            |words: &[&str]| options.extend(words.iter().map(|word| (*word).to_owned()));
        if let Some(uid) = user.uid.filter(|uid| *uid != account.uid) {
            option(&["-u", &uid.to_string()]);
            if user.non_unique {
                option(&["-o"]);
            }
            self.tell("uid", json!(account.uid), json!(uid));
        }
        let mut primary = account.gid;
        if let Some(group) = &user.group {
            let group = groups::find(host, group)?;
            primary = group.gid;
            if group.gid != account.gid {
                option(&["-g", &group.gid.to_string()]);
                self.tell("group", json!(account.gid), json!(group.gid));
            }
        }
        if let Some(names) = groups::difference(user, account, primary, host)? {
            if user.append {
                option(&["-a"]);
            }
            option(&["-G", &names.join(",")]);
            self.tell("groups", json!(null), json!(names));
        }
        if let Some(comment) = user.comment.as_ref().filter(|text| **text != account.gecos) {
            option(&["-c", comment]);
            self.tell("comment", json!(account.gecos), json!(comment));
        }
        if let Some(home) = user.home.as_ref().filter(|home| **home != account.home) {
            option(&["-d", &home.to_string_lossy()]);
            if user.move_home {
                option(&["-m"]);
            }
            self.tell("home", json!(account.home), json!(home));
        }
        if let Some(shell) = user.shell.as_ref().filter(|shell| account.shell != **shell) {
            option(&["-s", &shell.to_string_lossy()]);
            self.tell("shell", json!(account.shell), json!(shell));
        }
        Ok(options)
    }

    fn modify_expiry(
        &mut self,
        user: &User,
        shadow: Option<&Shadow>,
        options: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let Some(wanted) = user.expires else { return Ok(()) };
        let current = shadow.and_then(|shadow| shadow.expires).filter(|days| *days >= 0);
        let days = (wanted >= 0.0).then(|| (wanted / SECONDS_A_DAY).floor() as i64);
        // `usermod` also makes the line in /etc/shadow that an account lacks.
        if current != days || shadow.is_none() {
            options.extend(["-e".to_owned(), expiry_date(wanted)?]);
            self.tell("expires", json!(current), json!(days));
        }
        Ok(())
    }

    fn modify_password(&mut self, user: &User, shadow: Option<&Shadow>, options: &mut Vec<String>) {
        let is_locked = shadow.is_some_and(Shadow::is_locked);
        let wanted = user.password.as_ref().filter(|hash| {
            user.update_password == UpdatePassword::Always
                && !shadow.is_some_and(|shadow| shadow.has_hash(hash.reveal()))
        });
        if let Some(hash) = wanted {
            self.password = Some(locked_if(user, hash));
            self.tell("password", json!("(one)"), json!("(another)"));
            return;
        }
        match user.password_lock {
            Some(true) if !is_locked => options.push("-L".to_owned()),
            // `usermod` refuses to unlock an account that has no password.
            Some(false) if is_locked => options.push("-U".to_owned()),
            _ => return,
        }
        self.tell("password_lock", json!(is_locked), json!(!is_locked));
    }

    fn tell(&mut self, key: &str, before: serde_json::Value, after: serde_json::Value) {
        self.before.insert(key.to_owned(), before);
        self.after.insert(key.to_owned(), after);
    }

    pub(super) fn apply(
        self,
        user: &User,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        if let Some((program, mut options)) = self.command {
            if program == "userdel" {
                let flags = [("-f", user.force), ("-r", user.remove)];
                options
                    .extend(flags.iter().filter(|(_, on)| *on).map(|(flag, _)| (*flag).to_owned()));
            }
            if program == "usermod" && options.iter().any(|option| option == "-m") {
                home::make_parent(user, host)?;
            }
            options.extend(["--".to_owned(), user.name.clone()]);
            let command = Command::new(program, options);
            let output = tool::run(host, &command)
                .map_err(|failure| failure.with("name", user.name.clone()))?;
            tool::show(result, &output);
        }
        if let Some(hash) = self.password {
            set_password(user, &hash, host)?;
        }
        if !self.aging.is_empty() {
            let args = self.aging.into_iter().chain(["--".to_owned(), user.name.clone()]);
            tool::run(host, &Command::new("chage", args))?;
        }
        Ok(())
    }
}

/// The hash as it stands in /etc/shadow.
fn locked_if(user: &User, hash: &Secret<String>) -> Secret<String> {
    if user.password_lock == Some(true) && !hash.reveal().starts_with('!') {
        Secret::new(format!("!{}", hash.reveal()))
    } else {
        hash.clone()
    }
}

fn set_password(user: &User, hash: &Secret<String>, host: &dyn System) -> Result<(), Failure> {
    if hash.reveal().is_empty() {
        let args = ["-d", "--", user.name.as_str()];
        return tool::run(host, &Command::new("passwd", args)).map(drop);
    }
    let mut command = Command::new("chpasswd", ["-e"]);
    let line = format!("{}:{}\n", user.name, hash.reveal());
    command.stdin = Some(Secret::new(line.into_bytes()));
    tool::run(host, &command).map(drop)
}

fn create_options(user: &User, host: &dyn Probe) -> Result<Vec<String>, Failure> {
    let mut options: Vec<String> = Vec::new();
    let mut option = |words: &[&str]| options.extend(words.iter().map(|word| (*word).to_owned()));
    if let Some(uid) = user.uid {
        option(&["-u", &uid.to_string()]);
        if user.non_unique {
            option(&["-o"]);
        }
    }
    if let Some(seuser) = &user.seuser {
        option(&["-Z", seuser]);
    }
    if let Some(group) = &user.group {
        option(&["-g", &groups::find(host, group)?.name]);
    } else if host.group(&user.name)?.is_some() {
        // A group of the user's name is there already and is not for this module to hand out.
        option(&["-N"]);
    }
    if let Some(groups) = groups::wanted(user, host)?.filter(|groups| !groups.is_empty()) {
        let names: Vec<String> = groups.into_iter().map(|group| group.name).collect();
        option(&["-G", &names.join(",")]);
    }
    if let Some(comment) = &user.comment {
        option(&["-c", comment]);
    }
    if let Some(home) = &user.home {
        option(&["-d", &home.to_string_lossy()]);
    }
    if let Some(shell) = &user.shell {
        option(&["-s", &shell.to_string_lossy()]);
    }
    if let Some(expires) = user.expires {
        option(&["-e", &expiry_date(expires)?]);
    }
    option(&[if user.create_home { "-m" } else { "-M" }]);
    if let Some(skeleton) = user.skeleton.as_ref().filter(|_| user.create_home) {
        option(&["-k", &skeleton.to_string_lossy()]);
    }
    if let Some(umask) = user.umask()? {
        option(&["-K", &format!("UMASK={umask:04o}")]);
    }
    for (name, value) in [("UID_MIN", user.uid_min), ("UID_MAX", user.uid_max)] {
        if let Some(value) = value {
            option(&["-K", &format!("{name}={value}")]);
        }
    }
    if user.system {
        option(&["-r"]);
    }
    Ok(options)
}

/// The options of `chage` for what differs.
fn aging(user: &User, shadow: Option<&Shadow>) -> Vec<String> {
    let fields = [
        ("-M", user.password_expire_max, shadow.and_then(|shadow| shadow.max)),
        ("-m", user.password_expire_min, shadow.and_then(|shadow| shadow.min)),
        ("-W", user.password_expire_warn, shadow.and_then(|shadow| shadow.warn)),
        ("-I", user.password_expire_account_disable, shadow.and_then(|shadow| shadow.inactive)),
    ];
    let differing = fields.iter().filter_map(|(flag, wanted, current)| {
        let wanted = wanted.filter(|wanted| Some(*wanted) != *current)?;
        Some([(*flag).to_owned(), wanted.to_string()])
    });
    differing.flatten().collect()
}

/// A date for `-e`; empty: never.
fn expiry_date(seconds: f64) -> Result<String, Failure> {
    if seconds < 0.0 {
        return Ok(String::new());
    }
    let time = Timestamp::from_second(seconds as i64)
        .map_err(|error| Failure::new(format!("Invalid value for 'expires' {seconds}: {error}")))?;
    Ok(time.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_a_date() {
        assert_eq!(expiry_date(-1.0).expect("never"), "");
        assert_eq!(expiry_date(1_700_000_000.5).expect("a date"), "2023-11-14");
        assert!(expiry_date(1e30).is_err());
    }
}

//! `user`: accounts of the user database. Password hashes travel on standard input, never on a command line.

mod change;
mod groups;
mod home;
mod key;
mod shadow;

use std::path::{Path, PathBuf};

use model::{Args, Secret};
use system::{Account, Probe, System};

use crate::arguments::{Presence, arguments, choices};
use crate::contract::{Check, Failure, Module, warn};

use change::UserChange;
use shadow::Shadow;

choices! {
    /// When a password is set.
    pub enum UpdatePassword {
        /// Whenever it differs.
        Always = "always",
        /// Only for a new account.
        OnCreate = "on_create",
    }
}

arguments! {
    /// Creates, changes and removes user accounts.
    pub struct User {
        /// The account's name.
        pub name: String { aliases: ["user"] },
        /// Its number.
        pub uid: Option<u32>,
        /// Its full name or purpose.
        pub comment: Option<String>,
        /// Allow a number that another account has already.
        pub non_unique: bool { default: false },
        /// Its type under SELinux.
        pub seuser: Option<String>,
        /// Its primary group.
        pub group: Option<String>,
        /// Its other groups; an empty list removes it from all.
        pub groups: Option<Vec<String>>,
        /// Add to `groups` and leave other memberships alone.
        pub append: bool { default: false },
        /// Its login shell.
        pub shell: Option<PathBuf>,
        /// Its home directory.
        pub home: Option<PathBuf>,
        /// The directory that a new home is copied from.
        pub skeleton: Option<PathBuf>,
        /// The hash of its password, as in /etc/shadow.
        pub password: Option<Secret<String>>,
        /// Whether the account exists.
        pub state: Presence { default: "present" },
        /// Whether its home directory is made when it does not exist.
        pub create_home: bool { default: true, aliases: ["createhome"] },
        /// Move what is in the old home directory to the new one.
        pub move_home: bool { default: false },
        /// A new account gets a number of the range for system accounts.
        pub system: bool { default: false },
        /// Remove it even when it is logged in.
        pub force: bool { default: false },
        /// Remove its home directory and mail with it.
        pub remove: bool { default: false },
        /// Only for macOS and FreeBSD.
        pub login_class: Option<String>,
        /// Make an SSH key for it.
        pub generate_ssh_key: bool { default: false },
        /// The size of that key.
        pub ssh_key_bits: Option<u32>,
        /// Its kind.
        pub ssh_key_type: String { default: "rsa" },
        /// Its file, in the home directory unless absolute.
        pub ssh_key_file: Option<PathBuf>,
        /// Its comment.
        pub ssh_key_comment: Option<String>,
        /// The passphrase it is locked with.
        pub ssh_key_passphrase: Option<Secret<String>>,
        /// When the password is set.
        pub update_password: UpdatePassword { default: "always" },
        /// When the account expires, in seconds since 1970; negative: never.
        pub expires: Option<f64>,
        /// Whether its password is locked.
        pub password_lock: Option<bool>,
        /// Look only at /etc/passwd, not at directories on the network.
        pub local: bool { default: false },
        /// The `umask` that decides the mode of a new home directory.
        pub umask: Option<String>,
        /// Days after which the password must be changed.
        pub password_expire_max: Option<i64>,
        /// Days before which it cannot be changed again.
        pub password_expire_min: Option<i64>,
        /// Days of warning before it must be changed.
        pub password_expire_warn: Option<i64>,
        /// Days after the password's end until the account is disabled.
        pub password_expire_account_disable: Option<i64>,
        /// The lowest number for a new account.
        pub uid_min: Option<u32>,
        /// The highest number for a new account.
        pub uid_max: Option<u32>,
    }
    required_if: [("non_unique", "True", &["uid"])];
}

impl Module for User {
    type Change = UserChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<UserChange>, Failure> {
        self.validate(result)?;
        result.insert("name".to_owned(), self.name.clone().into());
        result.insert("state".to_owned(), self.state.as_str().into());
        let account = self.find(host)?;
        match (self.state, account) {
            (Presence::Absent, None) => Ok(Check::InSync),
            (Presence::Absent, Some(account)) => {
                result.insert("force".to_owned(), self.force.into());
                result.insert("remove".to_owned(), self.remove.into());
                Ok(Check::Drift(UserChange::delete(&account)))
            }
            (Presence::Present, None) => {
                self.tell_password(result);
                result.insert("create_home".to_owned(), self.create_home.into());
                result.insert("system".to_owned(), self.system.into());
                Ok(Check::Drift(UserChange::create(self, host)?))
            }
            (Presence::Present, Some(account)) => {
                self.tell_password(result);
                result.insert("append".to_owned(), self.append.into());
                result.insert("move_home".to_owned(), self.move_home.into());
                let change = UserChange::modify(self, &account, host)?;
                self.tell(&account, result);
                if self.generate_ssh_key && !change.makes_key() {
                    key::tell(self, &account, host, result)?;
                }
                Ok(if change.is_empty() { Check::InSync } else { Check::Drift(change) })
            }
        }
    }

    fn apply(
        &self,
        change: UserChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let makes_key = change.makes_key();
        change.apply(self, host, result)?;
        if !self.state.is_present() {
            return Ok(());
        }
        let account = self
            .find(host)?
            .ok_or_else(|| Failure::new(format!("failed to look up user name: {}", self.name)))?;
        home::ensure(self, &account, host)?;
        if makes_key {
            key::generate(self, &account, host)?;
        }
        if self.generate_ssh_key {
            key::tell(self, &account, host, result)?;
        }
        self.tell(&account, result);
        Ok(())
    }
}

impl User {
    /// Refuses what a line of /etc/passwd or of `chpasswd` would take for two fields or lines.
    fn validate(&self, result: &mut Args) -> Result<(), Failure> {
        if self.login_class.is_some() {
            warn(result, "login_class means nothing on Linux");
        }
        if self.append && self.groups.is_none() {
            warn(
                result,
                "'append' is set, but no 'groups' are specified. Use 'groups' for appending new groups.",
            );
        }
        let of_useradd = [
            ("uid_min", self.uid_min.is_some()),
            ("uid_max", self.uid_max.is_some()),
            ("umask", self.umask.is_some()),
        ];
        for (name, is_given) in of_useradd {
            if self.local && is_given {
                return Err(Failure::new(format!("'{name}' can not be used with 'local'")));
            }
        }
        let splits = |text: &str| text.contains([':', '\n', '\0']);
        if self.name.is_empty() || self.name.starts_with('-') || splits(&self.name) {
            return Err(Failure::new(format!(
                "`{}` cannot be the name of a user",
                self.name.escape_debug()
            )));
        }
        let Some(password) = &self.password else { return Ok(()) };
        if splits(password.reveal()) {
            return Err(Failure::new("a password hash cannot contain a colon or a new line"));
        }
        if !shadow::looks_hashed(password.reveal()) {
            warn(
                result,
                "The input password appears not to have been hashed. The 'password' argument must be encrypted for this module to work properly.",
            );
        }
        Ok(())
    }

    /// The account, where it is looked for.
    fn find(&self, host: &dyn Probe) -> Result<Option<Account>, Failure> {
        if !self.local {
            return Ok(host.user(&self.name)?);
        }
        let text = host.read(Path::new("/etc/passwd"), crate::group::LOCAL_LIMIT)?;
        let text = text.unwrap_or_default();
        Ok(local_account(&String::from_utf8_lossy(&text), &self.name))
    }

    /// The account's line of /etc/shadow, when that may be read.
    fn shadow(&self, host: &dyn Probe) -> Option<Shadow> {
        let text = host.read(Path::new("/etc/shadow"), crate::group::LOCAL_LIMIT).ok()??;
        shadow::find(&String::from_utf8_lossy(&text), &self.name)
    }

    fn tell(&self, account: &Account, result: &mut Args) {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        result.insert("uid".to_owned(), account.uid.into());
        result.insert("group".to_owned(), account.gid.into());
        result.insert("comment".to_owned(), account.gecos.clone().into());
        result.insert("home".to_owned(), text(&account.home).into());
        result.insert("shell".to_owned(), text(&account.shell).into());
        if let Some(groups) = &self.groups {
            result.insert("groups".to_owned(), groups.join(",").into());
        }
    }

    fn tell_password(&self, result: &mut Args) {
        if self.password.is_some() {
            result.insert("password".to_owned(), "NOT_LOGGING_PASSWORD".into());
        }
    }

    /// `umask`, as a number.
    fn umask(&self) -> Result<Option<u32>, Failure> {
        let parse = |text: &String| {
            let number = u32::from_str_radix(text.trim_start_matches("0o"), 8).ok();
            number.filter(|umask| *umask <= 0o777).ok_or_else(|| {
                Failure::new(format!("umask `{text}` is not an octal number up to 0777"))
            })
        };
        self.umask.as_ref().map(parse).transpose()
    }
}

/// A line of /etc/passwd.
fn local_account(text: &str, name: &str) -> Option<Account> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let fields: Vec<&str> = line.split(':').collect();
    let field = |index: usize| fields.get(index).copied().unwrap_or_default();
    Some(Account {
        name: name.to_owned(),
        uid: field(1).parse().ok()?,
        gid: field(2).parse().ok()?,
        gecos: field(3).to_owned(),
        home: field(4).into(),
        shell: field(5).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_passwd_file_are_read() {
        let text =
            "root:x:0:0:root:/root:/bin/bash\nanna:x:1000:100:Anna,,,:/home/anna:\nbad:x:u:0\n";
        let anna = local_account(text, "anna").expect("has a line");
        assert_eq!((anna.uid, anna.gid, anna.gecos.as_str()), (1000, 100, "Anna,,,"));
        assert_eq!(anna.shell, PathBuf::new());
        assert_eq!(local_account(text, "bad"), None);
        assert_eq!(local_account(text, "ann"), None);
    }
}

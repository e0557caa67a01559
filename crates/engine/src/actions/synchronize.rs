//! `synchronize`: the controller's half. rsync runs here, or on the host that the task is delegated to, and reaches the
//! task's host over SSH by itself: this says how.

use std::path::Path;

use jinja::{Controller as _, SearchKind, Variables};
use model::{Args, BecomeMethod, Outcome, RunAs};
use serde_json::json;

use super::{Attempt, Call, Draft, Prepared, failure, single};
use crate::link::{Connection, Target};
use crate::talk::Way;

/// The other side of rsync.
struct Other {
    address: String,
    port: Option<u16>,
    user: Option<String>,
}

/// What was asked for.
struct Sync {
    args: Args,
    /// The host of the task in the inventory, and what its variables say about the way to it.
    host: String,
    other: Other,
    is_delegated: bool,
    is_pull: bool,
    private_key: Option<String>,
    use_ssh_args: bool,
    multiplexing: bool,
    verify_host: bool,
    set_remote_user: bool,
}

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    let mut args = call.json_args()?;
    let is_pull = call.text("mode").is_some_and(|mode| mode == "pull");
    let (src, dest) = (call.required("src")?, call.required("dest")?);
    // The controller's side may be beside the role or the playbook.
    if is_pull {
        args.insert("dest".into(), beside(call, &dest).into());
    } else {
        args.insert("src".into(), found(call, &src).into());
    }
    // With `delegate_to`, too, these are of the task's own host.
    let of_host = |name: &str| -> Attempt<Option<String>> {
        if Variables::get(call.scope, name).is_none() {
            return Ok(None);
        }
        let value = call.templar.variable(name)?;
        Ok((!value.is_none()).then(|| value.to_string()))
    };
    let host = of_host("inventory_hostname")?.unwrap_or_default();
    if let Some(path) = of_host("ansible_rsync_path")? {
        args.insert("_local_rsync_path".into(), path.into());
    }
    let port = match call.text("dest_port").or(of_host("ansible_port")?) {
        Some(text) => Some(
            text.trim()
                .parse()
                .map_err(|_| failure(format!("dest_port must be a port number, got '{text}'")))?,
        ),
        None => None,
    };
    let sync = Sync {
        other: Other {
            address: of_host("ansible_host")?.unwrap_or_else(|| host.clone()),
            port,
            user: of_host("ansible_user")?,
        },
        host,
        is_delegated: call.planned.inherited(|common| common.delegate_to.as_ref()).is_some(),
        is_pull,
        private_key: call.text("private_key"),
        use_ssh_args: call.flag("use_ssh_args", false)?,
        multiplexing: call.flag("ssh_connection_multiplexing", false)?,
        verify_host: call.flag("verify_host", false)?,
        set_remote_user: call.flag("set_remote_user", true)?,
        args,
    };
    Ok(Prepared::Talk(Box::new(move |way| {
        Box::pin(async move {
            let outcome = match sync.place(way) {
                Ok((target, attributes, args)) => {
                    let (links, no_log) = (way.links, way.no_log);
                    let way = Way { links, target: &target, attributes: &attributes, no_log };
                    way.ask_once(Draft { module: "ansible.posix.synchronize".into(), args }).await?
                }
                Err(message) => Outcome::failed(message),
            };
            Ok(single(vec![outcome]))
        })
    })))
}

/// A path of the controller's that is to be read; a slash at its end stays.
fn found(call: &Call<'_>, src: &str) -> String {
    if src.starts_with('/') || src.contains("://") || src.contains("::") {
        return src.to_owned();
    }
    let slash = if src.ends_with('/') { "/" } else { "" };
    match call.files.find(SearchKind::Files, src) {
        Some(path) => format!("{}{slash}", path.display().to_string().trim_end_matches('/')),
        None => beside(call, src),
    }
}

fn beside(call: &Call<'_>, path: &str) -> String {
    if path.contains("://") || path.contains("::") {
        return path.to_owned();
    }
    let slash = if path.ends_with('/') { "/" } else { "" };
    let place = call.files.beside_playbook(Path::new(path));
    format!("{}{slash}", place.display().to_string().trim_end_matches('/'))
}

type Place = (Target, crate::attributes::Attributes, Args);

impl Sync {
    /// Where rsync runs, as whom, and with which arguments; or why it cannot.
    fn place(&self, way: &Way<'_>) -> Result<Place, String> {
        let (mut target, mut attributes) = (way.target.clone(), way.attributes.clone());
        let mut args = self.args.clone();
        let is_there = target.host.as_str() == self.host;
        let is_daemon = ["src", "dest"].iter().any(|side| {
            args[*side].as_str().is_some_and(|path| path.contains("://") || path.contains("::"))
        });
        // Both sides are one machine, or a daemon of rsync is one of them.
        let is_here = is_there && (target.connection == Connection::Local || self.is_delegated);
        if is_here || is_daemon {
            if !self.is_delegated {
                target.connection = Connection::Local;
            }
            return Ok((target, attributes, args));
        }
        if is_there {
            self.check_way(way)?;
            target.connection = Connection::Local;
        }
        if let Some(run_as) = attributes.run_as.take() {
            let path =
                remote_rsync(&run_as, args.get("rsync_path").and_then(|path| path.as_str()))?;
            args.insert("rsync_path".into(), path.into());
        }
        let is_own = is_there.then_some(way.target);
        let user = is_own.and_then(|own| own.user.clone()).or_else(|| self.other.user.clone());
        let address = is_own.map_or(&self.other.address, |own| &own.address);
        let side = if self.is_pull { "src" } else { "dest" };
        let path = args[side].as_str().unwrap_or_default();
        args.insert(side.into(), json!(self.remote(path, user.as_deref(), address)?));
        args.insert("_rsh".into(), self.rsh(is_own)?.into());
        Ok((target, attributes, args))
    }

    /// rsync opens a connection of its own, and cannot answer a question for a password.
    fn check_way(&self, way: &Way<'_>) -> Result<(), String> {
        let host = &self.host;
        match way.target.connection {
            Connection::Agent => Err(format!(
                "synchronize cannot reach {host} through its resident agent: rsync needs SSH. Set `ansible_connection: ssh` for this task, or use `copy` or `unarchive`"
            )),
            _ if way.target.password.is_some() => Err(format!(
                "synchronize cannot give rsync the password for {host}: use a key, or `copy` or `unarchive`"
            )),
            _ => Ok(()),
        }
    }

    /// A path at the other side.
    fn remote(&self, path: &str, user: Option<&str>, address: &str) -> Result<String, String> {
        let is_odd = |word: &str| word.starts_with('-') || word.contains(char::is_whitespace);
        if is_odd(address) || user.is_some_and(is_odd) {
            return Err(format!("`{address}` is no address, or its user no user's name"));
        }
        let address =
            if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        Ok(match user.filter(|_| self.set_remote_user) {
            Some(user) => format!("{user}@{address}:{path}"),
            None => format!("{address}:{path}"),
        })
    }

    /// The command line with which rsync opens its connection.
    fn rsh(&self, own: Option<&Target>) -> Result<String, String> {
        let mut words = vec!["ssh".to_owned()];
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        if !self.multiplexing {
            add(&["-S", "none"]);
        }
        let key = own.and_then(|own| own.private_key.as_ref()).map(|key| key.display().to_string());
        if let Some(key) = self.private_key.clone().or(key) {
            add(&["-i", &key]);
        }
        if let Some(port) = self.other.port.or(own.and_then(|own| own.port)) {
            add(&["-p", &port.to_string()]);
        }
        add(&["-o", "BatchMode=yes"]);
        if !self.verify_host {
            add(&["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        }
        if let Some(own) = own.filter(|_| self.use_ssh_args) {
            words.extend(own.ssh_args.iter().cloned());
        }
        // rsync knows quotes of shells, but no backslashes.
        let quoted = words.iter().map(|word| match word {
            word if word.contains('\'') => {
                Err(format!("`{word}` cannot be an argument of ssh here"))
            }
            word if word.contains([' ', '"', '\\']) => Ok(format!("'{word}'")),
            word => Ok(word.clone()),
        });
        Ok(quoted.collect::<Result<Vec<_>, _>>()?.join(" "))
    }
}

/// rsync at the other side, as another user.
fn remote_rsync(run_as: &RunAs, given: Option<&str>) -> Result<String, String> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    if run_as.password.is_some() || run_as.method != BecomeMethod::Sudo {
        return Err(
            "synchronize becomes another user with `sudo` that asks for no password, and in no other way: say `rsync_path`, or `become: false`"
                .to_owned(),
        );
    }
    let user = &run_as.user;
    if user.contains(|letter: char| letter.is_whitespace() || "'\"\\;&|$`<>()".contains(letter)) {
        return Err(format!("`{user}` cannot be the user of rsync at the other side"));
    }
    let user = if user.is_empty() { "root" } else { user };
    Ok(format!("sudo -n -u {user} rsync"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sync() -> Sync {
        Sync {
            args: Args::new(),
            host: "web01".to_owned(),
            other: Other { address: "192.0.2.7".to_owned(), port: Some(2200), user: None },
            is_delegated: false,
            is_pull: false,
            private_key: Some("/keys/my key".to_owned()),
            use_ssh_args: false,
            multiplexing: false,
            verify_host: true,
            set_remote_user: true,
        }
    }

    #[test]
    fn the_other_side_is_named_as_rsync_wants_it() {
        for (address, user, named) in [
            ("web01", None, Some("web01:/x y")),
            ("web01", Some("anna"), Some("anna@web01:/x y")),
            ("2001:db8::1", Some("anna"), Some("anna@[2001:db8::1]:/x y")),
            ("-oProxyCommand=x", None, None),
            ("web01", Some("-l root"), None),
        ] {
            assert_eq!(sync().remote("/x y", user, address).ok().as_deref(), named, "{address}");
        }
        let quiet = Sync { set_remote_user: false, ..sync() };
        assert_eq!(quiet.remote("x", Some("anna"), "web01").as_deref(), Ok("web01:x"));
    }

    #[test]
    fn ssh_asks_nothing() {
        let rsh = "ssh -S none -i '/keys/my key' -p 2200 -o BatchMode=yes";
        assert_eq!(sync().rsh(None).as_deref(), Ok(rsh));
        let trusting = Sync { verify_host: false, private_key: None, multiplexing: true, ..sync() };
        assert_eq!(
            trusting.rsh(None).as_deref(),
            Ok(
                "ssh -p 2200 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
            )
        );
        assert!(Sync { private_key: Some("it's".to_owned()), ..sync() }.rsh(None).is_err());
    }

    #[test]
    fn another_user_is_had_by_sudo_without_a_password_or_not_at_all() {
        let sudo = |user: &str| RunAs::new(user, BecomeMethod::Sudo);
        assert_eq!(remote_rsync(&sudo(""), None).as_deref(), Ok("sudo -n -u root rsync"));
        assert_eq!(remote_rsync(&sudo("anna"), None).as_deref(), Ok("sudo -n -u anna rsync"));
        assert_eq!(remote_rsync(&sudo("anna"), Some("r")).as_deref(), Ok("r"));
        let asking = RunAs { password: Some(model::Secret::new("x".to_owned())), ..sudo("anna") };
        let su = RunAs::new("anna", BecomeMethod::Su);
        for refused in [sudo("a; reboot"), asking, su] {
            assert!(remote_rsync(&refused, None).is_err(), "{}", refused.user);
        }
    }
}

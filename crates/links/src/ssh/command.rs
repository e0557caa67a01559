//! The command line of `ssh`. Secrets are not on it.

use std::ffi::OsString;

use engine::link::Target;

use super::bootstrap::SCRIPT;

/// The program when nobody names another.
const PROGRAM: &str = "ssh";

/// The program and its arguments.
pub(crate) fn line(target: &Target) -> (String, Vec<OsString>) {
    let option = |name: &str| target.options.get(name).filter(|value| !value.is_empty());
    let program = option("ansible_ssh_executable").cloned().unwrap_or_else(|| PROGRAM.to_owned());
    let mut words: Vec<OsString> = vec!["-T".into()];
    // Of several values ssh takes the first: what the inventory says comes before what we say.
    words.extend(target.ssh_args.iter().map(OsString::from));
    let mut set = |value: String| words.extend(["-o".into(), value.into()]);
    set(format!("ConnectTimeout={}", target.connect_timeout.as_secs().max(1)));
    set("ServerAliveInterval=8".to_owned());
    set("ServerAliveCountMax=2".to_owned());
    if !target.host_key_checking {
        set("StrictHostKeyChecking=no".to_owned());
    }
    if target.password.is_some() {
        set("NumberOfPasswordPrompts=1".to_owned());
        set("PreferredAuthentications=password,keyboard-interactive".to_owned());
        set("PubkeyAuthentication=no".to_owned());
    } else {
        set("BatchMode=yes".to_owned());
    }
    if let Some(port) = target.port {
        words.extend(["-p".into(), port.to_string().into()]);
    }
    if let Some(user) = &target.user {
        words.extend(["-l".into(), user.into()]);
    }
    if let Some(key) = &target.private_key {
        words.extend(["-i".into(), key.into()]);
    }
    words.push("--".into());
    words.push(target.address.as_str().into());
    // One word for whatever login shell there is: no quotes, backslashes or line feeds within.
    words.push(format!("exec sh -c '{SCRIPT}'").into());
    (program, words)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use engine::link::Connection;
    use model::Secret;

    use super::*;

    pub(crate) fn target() -> Target {
        Target {
            host: "web01".into(),
            connection: Connection::Ssh,
            address: "192.0.2.7".to_owned(),
            port: None,
            user: None,
            password: None,
            private_key: None,
            ssh_args: vec![],
            host_key_checking: true,
            connect_timeout: Duration::from_secs(10),
            options: BTreeMap::new(),
        }
    }

    fn words(target: &Target) -> String {
        let (program, mut words) = line(target);
        let script = words.pop().expect("the script").to_string_lossy().into_owned();
        assert!(script.starts_with("exec sh -c '") && script.matches('\'').count() == 2);
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        format!("{program} {}", words.join(" "))
    }

    #[test]
    fn a_plain_host_asks_nobody() {
        assert_eq!(
            words(&target()),
            "ssh -T -o ConnectTimeout=10 -o ServerAliveInterval=8 -o ServerAliveCountMax=2 \
             -o BatchMode=yes -- 192.0.2.7"
        );
    }

    #[test]
    fn everything_that_an_inventory_can_say() {
        let target = Target {
            port: Some(2222),
            user: Some("deploy".to_owned()),
            password: Some(Secret::new("hunter2".to_owned())),
            private_key: Some("/k".into()),
            ssh_args: vec!["-J".to_owned(), "jump".to_owned()],
            host_key_checking: false,
            options: [("ansible_ssh_executable".to_owned(), "/opt/ssh".to_owned())].into(),
            ..target()
        };
        let words = words(&target);
        assert!(words.starts_with("/opt/ssh -T -J jump -o ConnectTimeout=10"), "{words}");
        assert!(words.contains("-o StrictHostKeyChecking=no"), "{words}");
        assert!(words.ends_with("-p 2222 -l deploy -i /k -- 192.0.2.7"), "{words}");
        assert!(!words.contains("hunter2") && !words.contains("BatchMode"), "{words}");
    }
}

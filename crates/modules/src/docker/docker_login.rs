//! `docker_login`: logins to registries, kept where Docker's own client keeps them.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{Args, Diff, Secret};
use serde_json::{Value, json};
use system::{Attributes, Probe, System, WriteFile};

use super::engine::Connection;
use super::registry::{DOCKER_HUB, call, configuration, helper, kept};
use crate::arguments::{Presence, arguments};
use crate::contract::{Change, Check, Failure, Module};
use crate::edits::{Edit, missing_directories};
use crate::{diff, tool};

arguments! {
    /// Logs in to registries of images, and out.
    pub struct DockerLogin {
        /// The registry.
        pub registry_url: String { aliases: ["registry", "url"], default: "https://index.docker.io/v1/" },
        /// The user.
        pub username: Option<String>,
        /// That user's password.
        pub password: Option<Secret<String>>,
        /// Log in even if the login is known.
        pub reauthorize: bool { aliases: ["reauth"], default: false },
        /// The file that logins are kept in.
        pub config_path: PathBuf { aliases: ["dockercfg_path"], default: "~/.docker/config.json" },
        /// Whether the login shall be known.
        pub state: Presence { default: "present" },
        pub connection: Connection,
    }
    required_if: [("state", "present", &["username", "password"])];
}

/// A login to be kept or forgotten.
pub(crate) struct LoginChange {
    first: Vec<Edit>,
    /// The program that keeps logins, or else the new content of the file.
    helper: Option<String>,
    configuration: Secret<String>,
    registry: String,
    shown: (Value, Value),
}

impl Change for LoginChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let (before, after) = self.shown.clone();
        Ok(vec![diff::state("login", before, after)])
    }
}

impl Module for DockerLogin {
    type Change = LoginChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<LoginChange>, Failure> {
        let mut configuration = configuration(host, &self.config_path)?;
        let registry = self.registry_url.clone();
        let is_hub =
            matches!(registry.as_str(), "index.docker.io" | "docker.io" | "registry-1.docker.io");
        let registry = if is_hub { DOCKER_HUB.to_owned() } else { registry };
        let helper = helper(&configuration, &registry);
        let known = known(host, helper.as_deref(), &configuration, &registry)?;
        let user = |known: &Option<(String, Secret<String>)>| json!({ "registry": registry, "username": known.as_ref().map(|(user, _)| user.clone()) });
        let before = user(&known);
        let login = self.login();
        let is_known = match (&known, &login) {
            (Some((user, password)), Some((wanted, secret))) => {
                user == wanted && password.reveal() == secret.reveal()
            }
            (None, None) => true,
            _ => false,
        };
        if let Some((user, _)) = &login {
            let told = json!({ "username": user, "serveraddress": registry });
            result.insert("login_result".into(), told);
        }
        if is_known && (login.is_none() || !self.reauthorize) {
            return Ok(Check::InSync);
        }
        let after = user(&login);
        let auths = &mut configuration["auths"];
        if !auths.is_object() {
            *auths = json!({});
        }
        match (&login, &helper, auths.as_object_mut()) {
            (Some((user, secret)), None, Some(auths)) => {
                let pair = STANDARD.encode(format!("{user}:{}", secret.reveal()));
                auths.insert(registry.clone(), json!({ "auth": pair }));
            }
            (None, None, Some(auths)) => _ = auths.remove(&registry),
            _ => {}
        }
        let text = serde_json::to_string_pretty(&configuration).expect("JSON can be written");
        let change = LoginChange {
            first: if helper.is_none() {
                missing_directories(host, &self.config_path)?
            } else {
                Vec::new()
            },
            helper,
            configuration: Secret::new(text + "\n"),
            registry,
            shown: (before, after),
        };
        Ok(if is_known { Check::Act(change) } else { Check::Drift(change) })
    }

    fn apply(&self, change: LoginChange, host: &dyn System, _: &mut Args) -> Result<(), Failure> {
        let registry = &change.registry;
        if let Some((user, secret)) = self.login() {
            let worker = self.connection.worker(host)?;
            let body =
                json!({ "username": user, "password": secret.reveal(), "serveraddress": registry });
            let doing = format!("Logging into {registry} for user {user} failed");
            worker.post(&doing, "/auth", Some(&body))?;
            if let Some(program) = &change.helper {
                let input =
                    json!({ "ServerURL": registry, "Username": user, "Secret": secret.reveal() });
                tool::run(host, &call(program, "store", input.to_string().into_bytes()))?;
            }
        } else if let Some(program) = &change.helper {
            tool::run(host, &call(program, "erase", registry.as_bytes().to_vec()))?;
        }
        if change.helper.is_some() {
            return Ok(());
        }
        change.first.into_iter().try_for_each(|edit| edit.apply(host))?;
        host.write(WriteFile {
            path: &self.config_path,
            content: &mut change.configuration.reveal().as_bytes(),
            attributes: Attributes { mode: Some(0o600), ..Attributes::default() },
            validate: None,
            in_place: false,
        })?;
        Ok(())
    }
}

impl DockerLogin {
    /// The login that shall be known.
    fn login(&self) -> Option<(String, Secret<String>)> {
        let user = self.username.clone().filter(|_| self.state.is_present())?;
        Some((user, self.password.clone()?))
    }
}

/// The login that is kept.
fn known(
    host: &dyn Probe,
    helper: Option<&str>,
    configuration: &Value,
    registry: &str,
) -> Result<Option<(String, Secret<String>)>, Failure> {
    let Some(program) = helper else {
        return Ok(kept(&configuration["auths"][registry]));
    };
    let output = host.query(&call(program, "get", registry.as_bytes().to_vec()))?;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let (user, secret) = (told["Username"].as_str(), told["Secret"].as_str());
    let both = user.zip(secret).filter(|_| output.is_success());
    Ok(both.map(|(user, secret)| (user.to_owned(), Secret::new(secret.to_owned()))))
}

//! `docker_volume`: volumes.

use model::{Args, Diff};
use serde_json::{Map, Value, json};
use system::{Probe, System};

use super::engine::{Connection, Engine};
use crate::arguments::{Presence, arguments, choices, python_text};
use crate::contract::{Change, Check, Failure, Module};
use crate::diff;
use crate::http::url::form_encoded;

choices! {
    /// When a volume that is there is made anew, which loses what is in it.
    pub enum Recreate {
        /// Each time.
        Always = "always",
        /// Never.
        Never = "never",
        /// When its driver, options or labels differ.
        OptionsChanged = "options-changed",
    }
}

arguments! {
    /// Creates and deletes volumes of Docker.
    pub struct DockerVolume {
        /// Its name.
        pub volume_name: String { aliases: ["name"] },
        /// Its driver.
        pub driver: String { default: "local" },
        /// Options of that.
        pub driver_options: Args,
        /// Its labels.
        pub labels: Option<Args>,
        /// When one that is there is made anew, which loses what is in it.
        pub recreate: Recreate { default: "never" },
        /// Whether it shall be there.
        pub state: Presence { default: "present" },
        pub connection: Connection,
    }
}

/// What is to be done to a volume.
pub(crate) struct VolumeChange {
    removes: bool,
    before: Map<String, Value>,
    after: Map<String, Value>,
}

impl Change for VolumeChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("volume", json!(self.before), json!(self.after))])
    }
}

impl Module for DockerVolume {
    type Change = VolumeChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<VolumeChange>, Failure> {
        let engine = self.connection.engine(host)?;
        let found = self.find(&engine)?;
        let mut change = VolumeChange { removes: false, before: Map::new(), after: Map::new() };
        let mut differs = |name: &str, before: Value, after: Value| {
            change.before.insert(name.to_owned(), before);
            change.after.insert(name.to_owned(), after);
        };
        match (self.state, found) {
            (Presence::Absent, None) => return Ok(Check::InSync),
            (Presence::Absent, Some(_)) => {
                differs("exists", true.into(), false.into());
                change.removes = true;
            }
            (Presence::Present, None) => differs("exists", false.into(), true.into()),
            (Presence::Present, Some(volume)) => {
                self.compare(&volume, &mut differs);
                let is_changed = !change.before.is_empty();
                result.insert("volume".into(), volume);
                change.removes = match self.recreate {
                    Recreate::Always => true,
                    Recreate::OptionsChanged => is_changed,
                    Recreate::Never => false,
                };
                if !change.removes {
                    return Ok(Check::InSync);
                }
                if self.recreate == Recreate::Always {
                    return Ok(Check::Act(change));
                }
            }
        }
        Ok(Check::Drift(change))
    }

    fn apply(
        &self,
        change: VolumeChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let worker = self.connection.worker(host)?;
        if change.removes {
            let doing = format!("Error removing volume {}", self.volume_name);
            worker.delete(&doing, &self.path())?;
        }
        if self.state.is_present() {
            let texts = |given: &Args| -> Map<String, Value> {
                given.iter().map(|(key, value)| (key.clone(), python_text(value).into())).collect()
            };
            let mut body = json!({
                "Name": self.volume_name,
                "Driver": self.driver,
                "DriverOpts": texts(&self.driver_options),
            });
            if let Some(labels) = &self.labels {
                body["Labels"] = Value::Object(texts(labels));
            }
            let doing = format!("Error creating volume {}", self.volume_name);
            worker.post(&doing, "/volumes/create", Some(&body))?;
            result.insert("volume".into(), self.find(&worker)?.unwrap_or_default());
        }
        Ok(())
    }
}

impl DockerVolume {
    fn path(&self) -> String {
        format!("/volumes/{}", form_encoded(&self.volume_name))
    }

    fn find(&self, engine: &Engine<'_>) -> Result<Option<Value>, Failure> {
        engine.find(&self.path())
    }

    fn compare(&self, volume: &Value, differs: &mut dyn FnMut(&str, Value, Value)) {
        if volume["Driver"] != self.driver.as_str() {
            differs("driver", volume["Driver"].clone(), self.driver.clone().into());
        }
        let mut texts = |what: &str, key: &str, given: &Args| {
            for (name, value) in given {
                let wanted = Value::from(python_text(value));
                if volume[key][name] != wanted {
                    differs(&format!("{what}.{name}"), volume[key][name].clone(), wanted);
                }
            }
        };
        texts("driver_options", "Options", &self.driver_options);
        if let Some(labels) = &self.labels {
            texts("labels", "Labels", labels);
        }
    }
}

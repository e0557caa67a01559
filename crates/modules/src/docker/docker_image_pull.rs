//! `docker_image_pull`: images, pulled from registries.

use model::{Args, Diff};
use serde_json::{Value, json};
use system::{Probe, System};

use super::engine::Connection;
use super::image;
use super::registry::{ImageName, is_id};
use crate::arguments::{arguments, choices};
use crate::contract::{Change, Check, Failure, Module};
use crate::diff;

choices! {
    /// When an image is pulled.
    pub enum PullWhen {
        /// In any case.
        Always = "always",
        /// When it is not here.
        NotPresent = "not_present",
    }
}

arguments! {
    /// Pulls images from registries.
    pub struct DockerImagePull {
        /// Its name, with or without tag or digest.
        pub name: String,
        /// The tag of a name without one.
        pub tag: String { default: "latest" },
        /// Its platform.
        pub platform: Option<String>,
        /// When it is pulled.
        pub pull: PullWhen { default: "always" },
        pub connection: Connection,
    }
}

/// An image to be pulled.
pub(crate) struct Pull {
    image: ImageName,
    before: Value,
}

impl Change for Pull {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let after = json!({ "id": "unknown" });
        Ok(vec![diff::state("image", self.before.clone(), after)])
    }
}

impl Module for DockerImagePull {
    type Change = Pull;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Pull>, Failure> {
        if is_id(&self.name) {
            return Err(Failure::new("Cannot pull an image by ID"));
        }
        let engine = self.connection.engine(host)?;
        let image = ImageName::parse(&self.name, &self.tag)?;
        let found = image::find(&engine, &self.name, &self.tag)?;
        let is_missing = found.is_none();
        let before = match &found {
            Some(image) => json!({ "id": image["Id"] }),
            None => json!({ "exists": false }),
        };
        let is_right = found.as_ref().is_some_and(|found| self.has_platform(found));
        result.insert("image".into(), found.unwrap_or_else(|| json!({})));
        let pull = Pull { image, before };
        Ok(match self.pull {
            PullWhen::NotPresent if is_right => Check::InSync,
            _ if is_missing => Check::Drift(pull),
            // Only the registry knows whether it has another one.
            _ => Check::Upkeep(pull),
        })
    }

    fn apply(&self, pull: Pull, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let worker = self.connection.worker(host)?;
        let is_new = image::pull(&worker, &pull.image, self.platform.as_deref())?;
        result.insert("changed".into(), is_new.into());
        let image = image::find(&worker, &self.name, &self.tag)?;
        result.insert("image".into(), image.unwrap_or_else(|| json!({})));
        Ok(())
    }
}

impl DockerImagePull {
    /// Whether an image is of the platform that is asked for: `os/arch[/variant]`, `arch`, or `os`.
    fn has_platform(&self, image: &Value) -> bool {
        let Some(platform) = &self.platform else { return true };
        let words: Vec<&str> = platform.split('/').collect();
        let is = |key: &str, word: &str| image[key].as_str() == Some(word);
        match words.as_slice() {
            [one] => is("Architecture", one) || is("Os", one),
            [os, arch] => is("Os", os) && is("Architecture", arch),
            [os, arch, variant, ..] => {
                is("Os", os) && is("Architecture", arch) && is("Variant", variant)
            }
            [] => true,
        }
    }
}

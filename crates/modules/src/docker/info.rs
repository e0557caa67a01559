//! The modules that only look: `docker_container_info`, `docker_image_info`, `docker_network_info`,
//! `docker_volume_info`, `docker_host_info`.

use std::convert::Infallible;

use model::Args;
use serde_json::{Value, json};
use system::{Probe, System};

use super::engine::{Connection, Engine, filters, query};
use super::image;
use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};
use crate::http::url::form_encoded;

arguments! {
    /// Tells what Docker knows of a container.
    pub struct DockerContainerInfo {
        /// Its name or id.
        pub name: String,
        pub connection: Connection,
    }
}

arguments! {
    /// Tells what Docker knows of images.
    pub struct DockerImageInfo {
        /// Their names or ids; without any, of all.
        pub name: Option<Vec<String>>,
        pub connection: Connection,
    }
}

arguments! {
    /// Tells what Docker knows of a network.
    pub struct DockerNetworkInfo {
        /// Its name or id.
        pub name: String,
        pub connection: Connection,
    }
}

arguments! {
    /// Tells what Docker knows of a volume.
    pub struct DockerVolumeInfo {
        /// Its name.
        pub name: String { aliases: ["volume_name"] },
        pub connection: Connection,
    }
}

arguments! {
    /// Tells what the Docker Engine says of itself and of what it has.
    pub struct DockerHostInfo {
        /// List containers that run.
        pub containers: bool { default: false },
        /// List those that do not, too.
        pub containers_all: bool { default: false },
        /// Only those that fit.
        pub containers_filters: Args,
        /// List images.
        pub images: bool { default: false },
        /// Only those that fit.
        pub images_filters: Args,
        /// List networks.
        pub networks: bool { default: false },
        /// Only those that fit.
        pub networks_filters: Args,
        /// List volumes.
        pub volumes: bool { default: false },
        /// Only those that fit.
        pub volumes_filters: Args,
        /// Tell how much space is used.
        pub disk_usage: bool { default: false },
        /// Everything that the engine says of each.
        pub verbose_output: bool { default: false },
        pub connection: Connection,
    }
}

/// One thing, and whether it is there.
fn told(key: &str, found: Option<Value>, result: &mut Args) -> Check<Infallible> {
    result.insert("exists".into(), found.is_some().into());
    result.insert(key.into(), found.unwrap_or_default());
    Check::InSync
}

macro_rules! looks {
    ($type:ty, |$self:ident, $engine:ident, $result:ident| $body:expr) => {
        impl Module for $type {
            type Change = Infallible;

            fn check(
                &self,
                host: &dyn Probe,
                $result: &mut Args,
            ) -> Result<Check<Infallible>, Failure> {
                let $self = self;
                let $engine = &self.connection.engine(host)?;
                $body
            }

            fn apply(
                &self,
                change: Infallible,
                _: &dyn System,
                _: &mut Args,
            ) -> Result<(), Failure> {
                match change {}
            }
        }
    };
}

looks!(DockerContainerInfo, |it, engine, result| {
    Ok(told("container", engine.container(&it.name)?, result))
});
looks!(DockerNetworkInfo, |it, engine, result| {
    Ok(told("network", engine.network(&it.name)?, result))
});
looks!(DockerVolumeInfo, |it, engine, result| {
    let found = engine.find(&format!("/volumes/{}", form_encoded(&it.name)))?;
    Ok(told("volume", found, result))
});
looks!(DockerImageInfo, |it, engine, result| {
    let mut images = Vec::new();
    if let Some(names) = &it.name {
        for name in names {
            images.extend(image::find(engine, name, "latest")?);
        }
    } else {
        for image in engine.get("/images/json")?.as_array().into_iter().flatten() {
            let id = image["Id"].as_str().unwrap_or_default();
            images.extend(engine.find(&format!("/images/{}/json", form_encoded(id)))?);
        }
    }
    result.insert("images".into(), images.into());
    Ok(Check::InSync)
});
looks!(DockerHostInfo, |it, engine, result| it.look(engine, result));

impl DockerHostInfo {
    fn look(&self, engine: &Engine<'_>, result: &mut Args) -> Result<Check<Infallible>, Failure> {
        const CONTAINER: [&str; 7] =
            ["Id", "Image", "Command", "Created", "Status", "Ports", "Names"];
        const IMAGE: [&str; 4] = ["Id", "RepoTags", "Created", "Size"];
        const NETWORK: [&str; 4] = ["Id", "Driver", "Name", "Scope"];
        const VOLUME: [&str; 2] = ["Driver", "Name"];
        result.insert("can_talk_to_docker".into(), false.into());
        let info = engine.get("/info")?;
        result.insert("can_talk_to_docker".into(), true.into());
        result.insert("host_info".into(), info);
        let all = if self.containers_all { "1" } else { "0" };
        if self.containers {
            let path = format!(
                "/containers/json{}",
                query(&[("all", all), ("filters", &filters(&self.containers_filters))])
            );
            result.insert("containers".into(), self.shown(engine.get(&path)?, &CONTAINER));
        }
        if self.images {
            let path =
                format!("/images/json{}", query(&[("filters", &filters(&self.images_filters))]));
            result.insert("images".into(), self.shown(engine.get(&path)?, &IMAGE));
        }
        if self.networks {
            let path =
                format!("/networks{}", query(&[("filters", &filters(&self.networks_filters))]));
            result.insert("networks".into(), self.shown(engine.get(&path)?, &NETWORK));
        }
        if self.volumes {
            let path =
                format!("/volumes{}", query(&[("filters", &filters(&self.volumes_filters))]));
            let list = engine.get(&path)?["Volumes"].take();
            result.insert("volumes".into(), self.shown(list, &VOLUME));
        }
        if self.disk_usage {
            let usage = engine.get("/system/df")?;
            let shown = if self.verbose_output {
                usage
            } else {
                json!({ "LayersSize": usage["LayersSize"] })
            };
            result.insert("disk_usage".into(), shown);
        }
        Ok(Check::InSync)
    }

    /// The keys that Docker's own lists show, or all.
    fn shown(&self, list: Value, keys: &[&str]) -> Value {
        let Value::Array(list) = list else { return json!([]) };
        let short = |item: Value| {
            let pairs = keys.iter().map(|key| ((*key).to_owned(), item[key].clone()));
            Value::Object(pairs.filter(|(_, value)| !value.is_null()).collect())
        };
        list.into_iter().map(|item| if self.verbose_output { item } else { short(item) }).collect()
    }
}

//! `docker_prune`: removes what nothing uses.

use model::Args;
use serde_json::Value;
use system::{Probe, System};

use super::engine::{Connection, filters, query};
use super::size;
use crate::arguments::arguments;
use crate::contract::{Check, Failure, Module};

arguments! {
    /// Removes containers, images, networks, volumes and build caches that nothing uses.
    pub struct DockerPrune {
        /// Containers that do not run.
        pub containers: bool { default: false },
        /// Only those that fit.
        pub containers_filters: Args,
        /// Images.
        pub images: bool { default: false },
        /// Only those that fit.
        pub images_filters: Args,
        /// Networks.
        pub networks: bool { default: false },
        /// Only those that fit.
        pub networks_filters: Args,
        /// Volumes.
        pub volumes: bool { default: false },
        /// Only those that fit.
        pub volumes_filters: Args,
        /// Caches of builds.
        pub builder_cache: bool { default: false },
        /// Of all kinds.
        pub builder_cache_all: bool { default: false },
        /// Only those that fit.
        pub builder_cache_filters: Args,
        /// How much of them is kept, e.g. `10G`.
        pub builder_cache_keep_storage: Option<String>,
        pub connection: Connection,
    }
}

impl Module for DockerPrune {
    type Change = ();

    fn check(&self, host: &dyn Probe, _: &mut Args) -> Result<Check<()>, Failure> {
        self.keep()?;
        self.connection.engine(host)?;
        let is_asked =
            self.containers || self.images || self.networks || self.volumes || self.builder_cache;
        Ok(if is_asked { Check::CannotTell(()) } else { Check::InSync })
    }

    fn apply(&self, (): (), host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let worker = self.connection.worker(host)?;
        let mut is_changed = false;
        let table = [
            (self.containers, "containers", "ContainersDeleted", &self.containers_filters),
            (self.images, "images", "ImagesDeleted", &self.images_filters),
            (self.networks, "networks", "NetworksDeleted", &self.networks_filters),
            (self.volumes, "volumes", "VolumesDeleted", &self.volumes_filters),
        ];
        for (is_asked, what, key, given) in table {
            if !is_asked {
                continue;
            }
            let path = format!("/{what}/prune{}", query(&[("filters", &filters(given))]));
            let mut told = worker.post(&format!("Error pruning {what}"), &path, None)?;
            let list = told[key].as_array().cloned().unwrap_or_default();
            is_changed |= !list.is_empty();
            result.insert(what.into(), list.into());
            if what != "networks" {
                let space = told["SpaceReclaimed"].take();
                result.insert(format!("{what}_space_reclaimed"), space);
            }
        }
        if self.builder_cache {
            let given = filters(&self.builder_cache_filters);
            let mut pairs = vec![("filters", given.as_str())];
            pairs.extend(self.builder_cache_all.then_some(("all", "true")));
            let keep = self.keep()?.map(|bytes| bytes.to_string());
            pairs.extend(keep.as_ref().map(|keep| ("keep-storage", keep.as_str())));
            let path = format!("/build/prune{}", query(&pairs));
            let mut told = worker.post("Error pruning the builder's cache", &path, None)?;
            let list = told["CachesDeleted"].as_array().cloned().unwrap_or_default();
            is_changed |= !list.is_empty();
            result.insert("builder_cache_caches_deleted".into(), list.into());
            result.insert("builder_cache_space_reclaimed".into(), told["SpaceReclaimed"].take());
        }
        result.insert("changed".into(), Value::Bool(is_changed));
        Ok(())
    }

    fn is_repeatable(&self) -> bool {
        true
    }
}

impl DockerPrune {
    fn keep(&self) -> Result<Option<i64>, Failure> {
        let text = self.builder_cache_keep_storage.as_ref();
        text.map(|text| size::bytes("builder_cache_keep_storage", text)).transpose()
    }
}

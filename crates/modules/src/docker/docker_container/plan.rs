//! What a container lacks of what is wanted, found by asking alone.

use model::Diff;
use serde_json::{Map, Value, json};
use system::Probe;

use super::argument::{
    DockerContainer, ImageComparison, LabelMismatch, NameMismatch, NetworkOption, PullForecast,
    Wish,
};
use super::option::{Comparison, Comparisons, Kind, Wanted};
use super::wanted::known_options;
use crate::contract::{Change, Failure};
use crate::diff;
use crate::docker::engine::Engine;
use crate::docker::image;
use crate::docker::registry::{ImageName, is_id};

/// What is to be done to a container.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// As it was found.
    pub container: Option<Value>,
    /// Pull the image first, and look again.
    pub pulls: bool,
    /// The image is not here.
    pub lacks_image: bool,
    /// Remove what is there.
    pub removes: bool,
    /// Create it, with this body.
    pub creates: Option<Value>,
    /// Change it as it is.
    pub updates: Option<Value>,
    /// Leave these networks (by name).
    pub leaves: Vec<String>,
    /// Join these: the name, and how.
    pub joins: Vec<(String, Value)>,
    pub starts: bool,
    pub stops: bool,
    pub restarts: bool,
    /// Pause or unpause.
    pub pauses: Option<bool>,
    /// Both sides of the diff.
    pub before: Map<String, Value>,
    pub after: Map<String, Value>,
}

impl Plan {
    /// Whether anything differs.
    pub(super) fn is_change(&self) -> bool {
        self.removes
            || self.creates.is_some()
            || self.updates.is_some()
            || !self.leaves.is_empty()
            || !self.joins.is_empty()
            || self.starts
            || self.stops
            || self.restarts
            || self.pauses.is_some()
    }

    /// The same, before an image was pulled that may be another one.
    pub(super) fn is_forecast_of_change(&self, wish: &DockerContainer) -> bool {
        let always = wish.pull_check_mode_behavior == PullForecast::Always;
        self.is_change() || self.lacks_image || (self.pulls && always)
    }

    pub(super) fn recreates(&self) -> bool {
        self.creates.is_some()
    }

    fn differs(&mut self, name: &str, before: impl Into<Value>, after: impl Into<Value>) {
        self.before.insert(name.to_owned(), before.into());
        self.after.insert(name.to_owned(), after.into());
    }
}

impl Change for Plan {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        let (before, after) = (self.before.clone(), self.after.clone());
        Ok(vec![diff::state("container", Value::Object(before), Value::Object(after))])
    }
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pull {
    Never,
    Missing,
    Always,
}

impl DockerContainer {
    fn pull_policy(&self) -> Result<Pull, Failure> {
        match &self.pull {
            Value::Bool(true) => Ok(Pull::Always),
            Value::Bool(false) => Ok(Pull::Missing),
            Value::String(word) => match word.to_lowercase().as_str() {
                "always" | "true" | "yes" => Ok(Pull::Always),
                "missing" | "false" | "no" => Ok(Pull::Missing),
                "never" => Ok(Pull::Never),
                _ => Err(Failure::new(format!(
                    "value of pull must be one of: never, missing, always, True, False, got: {word}"
                ))),
            },
            other => Err(Failure::new(format!(
                "value of pull must be one of: never, missing, always, True, False, got: {other}"
            ))),
        }
    }

    /// Looks, and decides.
    pub(super) fn plan(&self, engine: &Engine<'_>) -> Result<Plan, Failure> {
        self.plan_with(engine, self.pull_policy()?)
    }

    /// The same after the image was pulled.
    pub(super) fn plan_pulled(&self, engine: &Engine<'_>) -> Result<Plan, Failure> {
        self.plan_with(engine, Pull::Never)
    }

    fn plan_with(&self, engine: &Engine<'_>, pull: Pull) -> Result<Plan, Failure> {
        let comparisons = Comparisons::parse(&self.comparisons, &known_options())?;
        let mut plan = Plan { container: engine.container(&self.name)?, ..Plan::default() };
        let is_there = plan.container.is_some();
        if self.state == Wish::Absent {
            if is_there {
                plan.removes = true;
                plan.differs("exists", true, false);
            }
            return Ok(plan);
        }
        let image = self.image(engine, pull, &mut plan)?;
        match plan.container.clone() {
            None => {
                let image = image.unwrap_or_default();
                self.validate_labels(&image, &comparisons)?;
                plan.creates = Some(self.body(engine, &image)?);
                plan.differs("exists", false, true);
            }
            Some(container) => self.compare(engine, &container, image, &comparisons, &mut plan)?,
        }
        self.decide_state(&mut plan);
        Ok(plan)
    }

    /// The image that is asked for; `None`: none is, or it is still to be pulled.
    fn image(
        &self,
        engine: &Engine<'_>,
        pull: Pull,
        plan: &mut Plan,
    ) -> Result<Option<Value>, Failure> {
        let Some(name) = &self.image else {
            if plan.container.is_none() {
                return Err(Failure::new("Cannot create container when image is not specified!"));
            }
            return Ok(None);
        };
        let found = image::find(engine, name, "latest")?;
        plan.lacks_image = found.is_none();
        if is_id(name) {
            return found.map(Some).ok_or_else(|| {
                Failure::new(format!(
                    "Cannot find image with ID {name}; images are pulled by name only"
                ))
            });
        }
        if found.is_none() && pull == Pull::Never {
            let full = ImageName::parse(name, "latest")?.full();
            return Err(Failure::new(format!(
                "Cannot find image with name {full}, and pull=never"
            )));
        }
        plan.pulls = found.is_none() || pull == Pull::Always;
        Ok(found)
    }

    /// The body of a request to create it.
    pub(super) fn body(&self, engine: &Engine<'_>, image: &Value) -> Result<Value, Failure> {
        let host_ip = self.host_ip(engine)?;
        let wanted = self.wanted(engine.host(), image, &host_ip)?;
        let mut document = json!({ "Config": {}, "HostConfig": {} });
        for wanted in &wanted {
            set(&mut document, wanted.pointer, wanted.value.clone());
        }
        let mut body = document["Config"].take();
        let name = self.image.clone().unwrap_or_default();
        let full = if is_id(&name) { name } else { ImageName::parse(&name, "latest")?.full() };
        body["Image"] = full.into();
        let is_attached = self.detach == Some(false);
        for key in ["AttachStdout", "AttachStderr"] {
            body[key] = is_attached.into();
        }
        if self.interactive == Some(true) && is_attached {
            body["AttachStdin"] = true.into();
            body["StdinOnce"] = true.into();
        }
        body["HostConfig"] = document["HostConfig"].take();
        // The first network is joined as it is created, with its address and names.
        if let Some(first) = self.network_options(engine.host())?.into_iter().next()
            && self.networks_cli_compatible
            && self.network_mode().as_ref() == Some(&first.name)
        {
            body["NetworkingConfig"] =
                json!({ "EndpointsConfig": { first.name.clone(): endpoint(&first) } });
        }
        Ok(body)
    }

    /// The address at which ports are published.
    fn host_ip(&self, engine: &Engine<'_>) -> Result<String, Failure> {
        const KEY: &str = "com.docker.network.bridge.host_binding_ipv4";
        if let Some(ip) = &self.default_host_ip {
            if !ip.is_empty() && ip.parse::<std::net::IpAddr>().is_err() {
                return Err(Failure::new(format!(
                    "The value of default_host_ip must be an empty string, an IPv4 address, or an IPv6 address. Got \"{ip}\" instead."
                )));
            }
            return Ok(ip.clone());
        }
        if self.published_ports.as_ref().is_none_or(Vec::is_empty) {
            return Ok(String::new());
        }
        let own = self.network_options(engine.host())?.into_iter().map(|network| network.name);
        for name in own.chain(["bridge".to_owned()]) {
            let network = engine.network(&name)?.unwrap_or_default();
            if let Some(ip) =
                network["Options"][KEY].as_str().filter(|_| network["Driver"] == "bridge")
            {
                return Ok(ip.to_owned());
            }
        }
        Ok("0.0.0.0".to_owned())
    }

    fn validate_labels(&self, image: &Value, comparisons: &Comparisons) -> Result<(), Failure> {
        let is_strict = comparisons.of("labels", Kind::Dict) == Comparison::Strict;
        let Some(labels) = &self.labels else { return Ok(()) };
        if self.image_label_mismatch != LabelMismatch::Fail || !is_strict {
            return Ok(());
        }
        let own = image.pointer("/Config/Labels").and_then(Value::as_object);
        let extra: Vec<_> = own
            .into_iter()
            .flatten()
            .map(|(key, _)| key)
            .filter(|key| !labels.contains_key(*key))
            .collect();
        if extra.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = extra.iter().map(|key| format!("\"{key}\"")).collect();
        Err(Failure::new(format!(
            "Some labels should be removed but are present in the base image. You can set image_label_mismatch to 'ignore' to ignore this error. Labels: {}",
            list.join(", ")
        )))
    }

    fn compare(
        &self,
        engine: &Engine<'_>,
        container: &Value,
        image: Option<Value>,
        comparisons: &Comparisons,
        plan: &mut Plan,
    ) -> Result<(), Failure> {
        let own_id = container["Image"].as_str().unwrap_or_default();
        let compared = match (&image, self.image_comparison) {
            (Some(image), ImageComparison::Desired) => image.clone(),
            _ => engine.find(&format!("/images/{own_id}/json"))?.unwrap_or_default(),
        };
        self.validate_labels(&compared, comparisons)?;
        let host_ip = self.host_ip(engine)?;
        let mut must_recreate = self.recreate;
        let mut updates = json!({});
        for wanted in self.wanted(engine.host(), &compared, &host_ip)? {
            let comparison = comparisons.of(wanted.option, wanted.kind);
            let Some(found) = wanted.difference(container, comparison) else { continue };
            if is_default_network(&wanted, &found) {
                continue;
            }
            let after = wanted.seen.clone().unwrap_or_else(|| wanted.value.clone());
            plan.differs(wanted.shown, found, after);
            must_recreate |= !wanted.updates;
            set(&mut updates, wanted.pointer, wanted.value.clone());
        }
        must_recreate |= self.compare_image(container, image.as_ref(), comparisons, plan)?;
        if must_recreate {
            if self.image.is_none() {
                return Err(Failure::new("Cannot create container when image is not specified!"));
            }
            if self.recreate && plan.before.is_empty() {
                plan.differs("recreate", false, true);
            }
            plan.removes = true;
            plan.creates = Some(self.body(engine, &compared)?);
        } else {
            let update = updates["HostConfig"].take();
            plan.updates = (!update.is_null()).then_some(update);
            self.compare_networks(engine, container, comparisons, plan)?;
        }
        Ok(())
    }

    /// Whether the container's image is another one.
    fn compare_image(
        &self,
        container: &Value,
        image: Option<&Value>,
        comparisons: &Comparisons,
        plan: &mut Plan,
    ) -> Result<bool, Failure> {
        let Some(name) = &self.image else { return Ok(false) };
        if comparisons.of("image", Kind::Value) == Comparison::Ignore {
            return Ok(false);
        }
        let found = &container["Image"];
        if image.is_none_or(|image| image["Id"] != *found) {
            let wanted = image.map_or(Value::Null, |image| image["Id"].clone());
            plan.differs("image", found.clone(), wanted);
            return Ok(true);
        }
        let full =
            if is_id(name) { name.clone() } else { ImageName::parse(name, "latest")?.full() };
        let named = container["Config"]["Image"].as_str().unwrap_or_default();
        let same = named == full || (named == *name && !named.contains([':', '@']));
        if !same && self.image_name_mismatch == NameMismatch::Recreate && !is_id(name) {
            plan.differs("image", named, full);
            return Ok(true);
        }
        Ok(false)
    }

    fn compare_networks(
        &self,
        engine: &Engine<'_>,
        container: &Value,
        comparisons: &Comparisons,
        plan: &mut Plan,
    ) -> Result<(), Failure> {
        let comparison = comparisons.of("networks", Kind::Set);
        let wanted = self.network_options(engine.host())?;
        if self.networks.is_none() || comparison == Comparison::Ignore {
            return Ok(());
        }
        let found =
            container["NetworkSettings"]["Networks"].as_object().cloned().unwrap_or_default();
        for network in &wanted {
            if engine.network(&network.name)?.is_none() {
                return Err(lost_network(&network.name));
            }
            let told = endpoint(network);
            match found.get(&network.name) {
                None => {
                    plan.differs(&format!("network.{}", network.name), Value::Null, told.clone());
                }
                Some(now) if is_joined(network, now) => continue,
                Some(now) => {
                    plan.differs(&format!("network.{}", network.name), now.clone(), told.clone());
                    plan.leaves.push(network.name.clone());
                }
            }
            plan.joins.push((network.name.clone(), told));
        }
        if comparison == Comparison::Strict {
            for name in
                found.keys().filter(|name| wanted.iter().all(|network| network.name != **name))
            {
                plan.differs(&format!("network.{name}"), json!({ "name": name }), Value::Null);
                plan.leaves.push(name.clone());
            }
        }
        Ok(())
    }

    /// Running or not, paused or not.
    fn decide_state(&self, plan: &mut Plan) {
        let state = plan.container.as_ref().map(|container| container["State"].clone());
        let is = |key: &str| state.as_ref().is_some_and(|state| state[key] == true);
        let (was_running, was_paused) = (is("Running"), is("Paused"));
        let stays = was_running && !plan.recreates();
        match self.state {
            Wish::Started | Wish::Healthy if !stays => {
                plan.starts = true;
                plan.differs("running", was_running, true);
            }
            Wish::Started | Wish::Healthy if self.restart => {
                plan.restarts = true;
                plan.differs("restarted", false, true);
            }
            Wish::Stopped if stays => {
                plan.stops = true;
                plan.differs("running", true, false);
            }
            Wish::Present if was_running && plan.recreates() => {
                plan.differs("running", true, false);
            }
            _ => {}
        }
        let runs = matches!(self.state, Wish::Started | Wish::Healthy);
        let will_be_paused = was_paused && stays && !plan.restarts;
        if let Some(paused) = self.paused.filter(|paused| runs && *paused != will_be_paused) {
            plan.pauses = Some(paused);
            plan.differs("paused", was_paused, paused);
        }
    }
}

/// `default` is what the engine shows as `bridge` from version 26 on, and the other way round.
fn is_default_network(wanted: &Wanted, found: &Value) -> bool {
    let is_default = |value: &Value| value == "default" || value == "bridge";
    wanted.option == "network_mode" && is_default(&wanted.value) && is_default(found)
}

/// The failure of a network that is not there.
pub(super) fn lost_network(name: &str) -> Failure {
    Failure::new(format!(
        "Parameter error: network named {name} could not be found. Does it exist?"
    ))
}

/// A container in a network, as the engine is told.
pub(super) fn endpoint(network: &NetworkOption) -> Value {
    let mut told = json!({});
    let mut addresses = Map::new();
    for (key, ip) in
        [("IPv4Address", &network.ipv4_address), ("IPv6Address", &network.ipv6_address)]
    {
        if let Some(ip) = ip.as_ref().filter(|ip| !ip.is_empty()) {
            addresses.insert(key.into(), ip.clone().into());
        }
    }
    if !addresses.is_empty() {
        told["IPAMConfig"] = Value::Object(addresses);
    }
    if let Some(aliases) = &network.aliases {
        told["Aliases"] = json!(aliases);
    }
    if let Some(links) = &network.links {
        told["Links"] = json!(links);
    }
    if let Some(address) = &network.mac_address {
        told["MacAddress"] = json!(address);
    }
    told
}

/// Whether a container is in a network as it shall be.
fn is_joined(wanted: &NetworkOption, now: &Value) -> bool {
    let ip = |text: &str| text.parse::<std::net::IpAddr>().ok();
    let addresses = [("IPv4Address", &wanted.ipv4_address), ("IPv6Address", &wanted.ipv6_address)];
    let has = |key: &str, list: &Option<Vec<String>>| {
        let found = now[key].as_array().cloned().unwrap_or_default();
        list.iter().flatten().all(|item| found.iter().any(|other| other == item.as_str()))
    };
    addresses.iter().all(|(key, wanted)| {
        let found = now["IPAMConfig"][key].as_str().unwrap_or_default();
        wanted.as_ref().is_none_or(|wanted| {
            wanted == found || ip(wanted).is_some_and(|w| ip(found) == Some(w))
        })
    }) && has("Aliases", &wanted.aliases)
        && has("Links", &wanted.links)
        && wanted.mac_address.as_ref().is_none_or(|mac| {
            now["MacAddress"]
                .as_str()
                .is_some_and(|now| now.is_empty() || now.eq_ignore_ascii_case(mac))
        })
}

/// Sets what a pointer names, with the objects on the way.
fn set(document: &mut Value, pointer: &str, value: Value) {
    let mut place = document;
    for key in pointer.trim_start_matches('/').split('/') {
        place = &mut place[key];
    }
    *place = value;
}

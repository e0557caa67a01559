//! `docker_network`: networks, and the containers in them.

use model::{Args, Diff};
use serde_json::{Map, Value, json};
use system::{Probe, System};

use super::engine::{Connection, Worker};
use crate::arguments::part;
use crate::arguments::{Presence, arguments, python_text};
use crate::contract::{Change, Check, Failure, Module};
use crate::diff;
use crate::http::url::form_encoded;

arguments! {
    /// Creates, changes and deletes networks of Docker, and connects containers.
    pub struct DockerNetwork {
        /// Its name.
        pub name: String { aliases: ["network_name"] },
        /// Its driver.
        pub driver: String { default: "bridge" },
        /// Options of that.
        pub driver_options: Args,
        /// Containers that shall be in it.
        pub connected: Vec<String> { aliases: ["containers"] },
        /// Leave others in it.
        pub appends: bool { aliases: ["incremental"], default: false },
        /// Make it anew in any case.
        pub force: bool { default: false },
        /// Where its addresses come from.
        pub ipam_driver: Option<String>,
        /// Options of that.
        pub ipam_driver_options: Option<Args>,
        /// Its addresses: `subnet`, `gateway`, `iprange`, `aux_addresses`.
        pub ipam_config: Option<Vec<Args>>,
        /// Whether it has IPv4.
        pub enable_ipv4: Option<bool>,
        /// Whether it has IPv6.
        pub enable_ipv6: Option<bool>,
        /// Whether it leads nowhere else.
        pub internal: Option<bool>,
        /// Whether containers that are no services may join one of a swarm.
        pub attachable: Option<bool>,
        /// Whether it is a swarm's way in.
        pub ingress: Option<bool>,
        /// Where it is known.
        pub scope: Option<String>,
        /// Whether it is only a configuration for others.
        pub config_only: Option<bool>,
        /// The network that it takes its configuration from.
        pub config_from: Option<String>,
        /// Its labels.
        pub labels: Args,
        /// Whether it shall be there.
        pub state: Presence { default: "present" },
        pub connection: Connection,
    }
}

arguments! {
    /// Addresses of a network.
    pub struct IpamOption {
        /// The network in CIDR notation.
        pub subnet: Option<String>,
        /// Its gateway.
        pub gateway: Option<String>,
        /// The part that containers get addresses from.
        pub iprange: Option<String>,
        /// Addresses that others have.
        pub aux_addresses: Option<Args>,
    }
}

/// What is to be done to a network.
#[derive(Default)]
pub(crate) struct NetworkChange {
    /// The containers in it, which leave before it is removed.
    inside: Vec<String>,
    removes: bool,
    creates: Option<Value>,
    connects: Vec<String>,
    disconnects: Vec<String>,
    before: Map<String, Value>,
    after: Map<String, Value>,
}

impl NetworkChange {
    fn differs(&mut self, name: &str, before: impl Into<Value>, after: impl Into<Value>) {
        self.before.insert(name.to_owned(), before.into());
        self.after.insert(name.to_owned(), after.into());
    }
}

impl Change for NetworkChange {
    fn diff(&self, _: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        Ok(vec![diff::state("network", json!(self.before), json!(self.after))])
    }
}

impl Module for DockerNetwork {
    type Change = NetworkChange;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<NetworkChange>, Failure> {
        let body = self.body(host)?;
        let engine = self.connection.engine(host)?;
        let found = engine.network(&self.name)?;
        let mut change = NetworkChange::default();
        let members = |network: &Value, key: &str| -> Vec<String> {
            let containers = network["Containers"].as_object().into_iter().flatten();
            containers.filter_map(|(_, c)| c[key].as_str().map(str::to_owned)).collect()
        };
        if let Some(network) = &found {
            let ids = network["Containers"].as_object().into_iter().flatten();
            change.inside = ids.map(|(id, _)| id.clone()).collect();
        }
        if !self.state.is_present() {
            change.removes = found.is_some();
            change.differs("exists", found.is_some(), false);
            return Ok(if change.removes { Check::Drift(change) } else { Check::InSync });
        }
        let mut names = Vec::new();
        if let Some(network) = &found {
            compare(&body, network, &mut change);
            names = members(network, "Name");
            names.sort();
            result.insert("network".into(), network.clone());
        } else {
            change.differs("exists", false, true);
        }
        if found.is_none() || self.force || !change.before.is_empty() {
            change.removes = found.is_some();
            change.creates = Some(body);
        }
        let is_inside = |wanted: &String| {
            names.contains(wanted)
                || change
                    .inside
                    .iter()
                    .any(|id| wanted.len() >= 12 && id.starts_with(wanted.as_str()))
        };
        let lacking: Vec<String> = self
            .connected
            .iter()
            .filter(|name| change.removes || !is_inside(name))
            .cloned()
            .collect();
        let extra: Vec<String> =
            names.iter().filter(|name| !self.connected.contains(name)).cloned().collect();
        for name in &lacking {
            change.differs(&format!("connected.{name}"), false, true);
        }
        change.connects = lacking;
        if !self.appends
            && !change.removes
            && self
                .connected
                .iter()
                .all(|name| names.contains(name) || change.connects.contains(name))
        {
            for name in &extra {
                change.differs(&format!("connected.{name}"), true, false);
            }
            change.disconnects = extra;
        } else if self.appends && change.removes {
            // Those that were in it shall be in the new one.
            change.connects.extend(extra);
        }
        if change.before.is_empty() && !change.removes {
            return Ok(Check::InSync);
        }
        Ok(if self.force { Check::Act(change) } else { Check::Drift(change) })
    }

    fn apply(
        &self,
        change: NetworkChange,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<(), Failure> {
        let worker = self.connection.worker(host)?;
        if change.removes {
            for id in &change.inside {
                self.disconnect(&worker, id)?;
            }
            let doing = format!("Error removing network {}", self.name);
            worker.delete(&doing, &format!("/networks/{}", form_encoded(&self.name)))?;
        }
        if !self.state.is_present() {
            return Ok(());
        }
        if let Some(body) = &change.creates {
            let doing = format!("Error creating network {}", self.name);
            worker.post(&doing, "/networks/create", Some(body))?;
        }
        for name in &change.connects {
            let doing = format!("Error connecting {name} to network {}", self.name);
            let path = format!("/networks/{}/connect", form_encoded(&self.name));
            worker.post(&doing, &path, Some(&json!({ "Container": name })))?;
        }
        change.disconnects.iter().try_for_each(|name| self.disconnect(&worker, name))?;
        result.insert("network".into(), worker.network(&self.name)?.unwrap_or_default());
        Ok(())
    }
}

impl DockerNetwork {
    fn disconnect(&self, worker: &Worker<'_>, container: &str) -> Result<(), Failure> {
        let doing = format!("Error disconnecting {container} from network {}", self.name);
        let path = format!("/networks/{}/disconnect", form_encoded(&self.name));
        worker
            .post(&doing, &path, Some(&json!({ "Container": container, "Force": true })))
            .map(drop)
    }

    /// As the engine is told.
    fn body(&self, host: &dyn Probe) -> Result<Value, Failure> {
        let texts = |given: &Args| -> Map<String, Value> {
            given.iter().map(|(key, value)| (key.clone(), python_text(value).into())).collect()
        };
        let mut body = json!({
            "Name": self.name,
            "CheckDuplicate": true,
            "Driver": self.driver,
            "Options": texts(&self.driver_options),
            "Labels": texts(&self.labels),
        });
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body[key] = value;
            }
        };
        for (key, flag) in [
            ("EnableIPv4", self.enable_ipv4),
            ("EnableIPv6", self.enable_ipv6),
            ("Internal", self.internal),
            ("Attachable", self.attachable),
            ("Ingress", self.ingress),
            ("ConfigOnly", self.config_only),
        ] {
            set(key, flag.map(Value::from));
        }
        set("Scope", self.scope.clone().map(Value::from));
        set("ConfigFrom", self.config_from.as_ref().map(|name| json!({ "Network": name })));
        let mut ipam = Map::new();
        if let Some(driver) = &self.ipam_driver {
            ipam.insert("Driver".into(), driver.clone().into());
        }
        if let Some(options) = &self.ipam_driver_options {
            ipam.insert("Options".into(), Value::Object(texts(options)));
        }
        if let Some(list) = &self.ipam_config {
            let mut told = Vec::new();
            for given in list {
                let part: IpamOption = part("ipam_config", given, host)?;
                let mut block = Map::new();
                for (key, value) in [
                    ("Subnet", &part.subnet),
                    ("Gateway", &part.gateway),
                    ("IPRange", &part.iprange),
                ] {
                    if let Some(value) = value {
                        validate_address(key, value)?;
                        block.insert(key.into(), value.clone().into());
                    }
                }
                if let Some(others) = &part.aux_addresses {
                    block.insert("AuxiliaryAddresses".into(), Value::Object(texts(others)));
                }
                told.push(Value::Object(block));
            }
            ipam.insert("Config".into(), told.into());
        }
        if !ipam.is_empty() {
            body["IPAM"] = Value::Object(ipam);
        }
        Ok(body)
    }
}

/// What differs between what the engine would be told and what it has. Only what was given counts.
fn compare(body: &Value, network: &Value, change: &mut NetworkChange) {
    let table = [
        ("driver", "Driver"),
        ("enable_ipv4", "EnableIPv4"),
        ("enable_ipv6", "EnableIPv6"),
        ("internal", "Internal"),
        ("attachable", "Attachable"),
        ("ingress", "Ingress"),
        ("scope", "Scope"),
        ("config_only", "ConfigOnly"),
        ("config_from", "ConfigFrom"),
    ];
    for (option, key) in table {
        if body.get(key).is_some_and(|wanted| *wanted != network[key]) {
            change.differs(option, network[key].clone(), body[key].clone());
        }
    }
    for (option, key) in [("driver_options", "Options"), ("labels", "Labels")] {
        for (name, wanted) in body[key].as_object().into_iter().flatten() {
            if network[key][name] != *wanted {
                change.differs(
                    &format!("{option}.{name}"),
                    network[key][name].clone(),
                    wanted.clone(),
                );
            }
        }
    }
    let ipam = &body["IPAM"];
    for (option, key) in [("ipam_driver", "Driver"), ("ipam_driver_options", "Options")] {
        if ipam.get(key).is_some_and(|wanted| *wanted != network["IPAM"][key]) {
            change.differs(option, network["IPAM"][key].clone(), ipam[key].clone());
        }
    }
    let found = network["IPAM"]["Config"].as_array().cloned().unwrap_or_default();
    let covers = |wanted: &Value, found: &Value| {
        wanted.as_object().into_iter().flatten().all(|(key, value)| found[key] == *value)
    };
    if let Some(blocks) = ipam["Config"].as_array() {
        let all = blocks.iter().all(|block| found.iter().any(|other| covers(block, other)));
        if !all || blocks.len() > found.len() {
            change.differs("ipam_config", json!(found), ipam["Config"].clone());
        }
    }
}

/// An address, or one with the length of its network.
fn validate_address(key: &str, text: &str) -> Result<(), Failure> {
    let (address, length) = text.split_once('/').unwrap_or((text, "0"));
    let is_address = address.parse::<std::net::IpAddr>().is_ok();
    let is_length = length.parse::<u8>().is_ok_and(|length| length <= 128);
    let wants_length = key != "Gateway";
    if is_address && is_length && text.contains('/') == wants_length {
        return Ok(());
    }
    Err(Failure::new(format!("\"{text}\" is not a valid CIDR or address ({key})")))
}

//! From arguments to the options of a container, in the engine's words.

use std::collections::BTreeMap;

use model::Args;
use serde_json::{Map, Value, json};
use system::Probe;

use super::argument::{
    CommandHandling, DefaultBehavior, DockerContainer, HealthOption, MountOption, NetworkOption,
    RateOption, RequestOption,
};
use super::option::{Kind, Wanted};
use super::port;
use crate::arguments::{Arguments, part, python_text};
use crate::contract::Failure;
use crate::docker::size;

/// Of a file with variables.
const ENV_FILE_LIMIT: u64 = 4 << 20;

/// A dictionary of texts.
fn texts(given: &Args) -> Map<String, Value> {
    given.iter().map(|(key, value)| (key.clone(), Value::from(python_text(value)))).collect()
}

/// The options that may be named in `comparisons`.
pub(super) fn known_options() -> Vec<(&'static str, Kind)> {
    const OTHERS: [(&str, Kind); 33] = [
        ("image", Kind::Value),
        ("networks", Kind::Set),
        ("command", Kind::List),
        ("entrypoint", Kind::List),
        ("env", Kind::Set),
        ("env_file", Kind::Set),
        ("volumes", Kind::Set),
        ("mounts", Kind::Set),
        ("published_ports", Kind::Dict),
        ("ports", Kind::Dict),
        ("exposed_ports", Kind::Dict),
        ("labels", Kind::Dict),
        ("healthcheck", Kind::Dict),
        ("log_options", Kind::Dict),
        ("etc_hosts", Kind::Set),
        ("sysctls", Kind::Dict),
        ("storage_opts", Kind::Dict),
        ("tmpfs", Kind::Dict),
        ("ulimits", Kind::Set),
        ("devices", Kind::Set),
        ("device_requests", Kind::Set),
        ("device_read_bps", Kind::Set),
        ("device_read_iops", Kind::Set),
        ("device_write_bps", Kind::Set),
        ("device_write_iops", Kind::Set),
        ("dns_servers", Kind::List),
        ("dns_opts", Kind::Set),
        ("dns_search_domains", Kind::List),
        ("capabilities", Kind::Set),
        ("cap_drop", Kind::Set),
        ("groups", Kind::Set),
        ("security_opts", Kind::Set),
        ("volumes_from", Kind::Set),
    ];
    let lists =
        OTHERS.into_iter().chain([("links", Kind::Set), ("device_cgroup_rules", Kind::Set)]);
    let is_other = |name: &str| OTHERS.iter().any(|(other, _)| *other == name);
    let fields = DockerContainer::spec().fields.iter().map(|field| field.name);
    let values: Vec<_> =
        fields.filter(|name| !is_other(name)).map(|name| (name, Kind::Value)).collect();
    lists.chain(values).collect()
}

impl DockerContainer {
    /// What is asked for of a container of this image.
    pub(super) fn wanted(
        &self,
        host: &dyn Probe,
        image: &Value,
        host_ip: &str,
    ) -> Result<Vec<Wanted>, Failure> {
        let mut all = self.plain_options();
        self.sizes(&mut all)?;
        self.lists(&mut all);
        self.command_options(&mut all)?;
        self.environment(host, image, &mut all)?;
        self.storage(host, image, &mut all)?;
        self.ports(image, host_ip, &mut all)?;
        self.devices(host, &mut all)?;
        self.dictionaries(host, image, &mut all)?;
        Ok(all)
    }

    /// Values that are told as they are.
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn plain_options(&self) -> Vec<Wanted> {
        let text = |value: &Option<String>| value.clone().map(Value::from);
        let number = |value: Option<i64>| value.map(Value::from);
        let is_old = self.container_default_behavior == DefaultBehavior::Compatibility;
        let flag = |value: Option<bool>| value.or(is_old.then_some(false)).map(Value::from);
        let nano = self.cpus.map(|cpus| {
            #[expect(clippy::cast_possible_truncation, reason = "a number of CPUs is small")]
            let nano = (cpus * 1e9).round() as i64;
            Value::from(nano)
        });
        let policy = self.restart_policy.map(|policy| Value::from(policy.as_str()));
        let table: [(&'static str, &'static str, Option<Value>, bool); 37] = [
            ("auto_remove", "/HostConfig/AutoRemove", flag(self.auto_remove), false),
            ("blkio_weight", "/HostConfig/BlkioWeight", number(self.blkio_weight), true),
            ("cgroup_parent", "/HostConfig/CgroupParent", text(&self.cgroup_parent), false),
            (
                "cgroupns_mode",
                "/HostConfig/CgroupnsMode",
                self.cgroupns_mode.map(|mode| mode.as_str().into()),
                false,
            ),
            ("cpu_period", "/HostConfig/CpuPeriod", number(self.cpu_period), true),
            ("cpu_quota", "/HostConfig/CpuQuota", number(self.cpu_quota), true),
            ("cpu_shares", "/HostConfig/CpuShares", number(self.cpu_shares), true),
            ("cpus", "/HostConfig/NanoCpus", nano, false),
            ("cpuset_cpus", "/HostConfig/CpusetCpus", text(&self.cpuset_cpus), true),
            ("cpuset_mems", "/HostConfig/CpusetMems", text(&self.cpuset_mems), true),
            ("domainname", "/Config/Domainname", text(&self.domainname), false),
            ("hostname", "/Config/Hostname", text(&self.hostname), false),
            ("init", "/HostConfig/Init", flag(self.init), false),
            ("interactive", "/Config/OpenStdin", flag(self.interactive), false),
            ("ipc_mode", "/HostConfig/IpcMode", text(&self.ipc_mode), false),
            ("log_driver", "/HostConfig/LogConfig/Type", text(&self.log_driver), false),
            ("mac_address", "/Config/MacAddress", text(&self.mac_address), false),
            (
                "memory_swappiness",
                "/HostConfig/MemorySwappiness",
                number(self.memory_swappiness),
                false,
            ),
            (
                "network_mode",
                "/HostConfig/NetworkMode",
                self.network_mode().map(Value::from),
                false,
            ),
            ("oom_killer", "/HostConfig/OomKillDisable", self.oom_killer.map(Value::from), false),
            ("oom_score_adj", "/HostConfig/OomScoreAdj", number(self.oom_score_adj), false),
            ("pid_mode", "/HostConfig/PidMode", text(&self.pid_mode), false),
            ("pids_limit", "/HostConfig/PidsLimit", number(self.pids_limit), false),
            ("privileged", "/HostConfig/Privileged", flag(self.privileged), false),
            (
                "publish_all_ports",
                "/HostConfig/PublishAllPorts",
                self.publish_all_ports.map(Value::from),
                false,
            ),
            ("read_only", "/HostConfig/ReadonlyRootfs", flag(self.read_only), false),
            ("restart_policy", "/HostConfig/RestartPolicy/Name", policy, true),
            (
                "restart_retries",
                "/HostConfig/RestartPolicy/MaximumRetryCount",
                number(self.restart_retries),
                true,
            ),
            ("runtime", "/HostConfig/Runtime", text(&self.runtime), false),
            ("stop_signal", "/Config/StopSignal", text(&self.stop_signal), false),
            ("stop_timeout", "/Config/StopTimeout", number(self.stop_timeout), false),
            ("tty", "/Config/Tty", flag(self.tty), false),
            ("user", "/Config/User", text(&self.user), false),
            ("userns_mode", "/HostConfig/UsernsMode", text(&self.userns_mode), false),
            ("uts", "/HostConfig/UTSMode", text(&self.uts), false),
            ("volume_driver", "/HostConfig/VolumeDriver", text(&self.volume_driver), false),
            ("working_dir", "/Config/WorkingDir", text(&self.working_dir), false),
        ];
        let mut all = Vec::new();
        for (option, pointer, value, updates) in table {
            if let Some(value) = value {
                let mut wanted = Wanted::new(option, Kind::Value, pointer, value);
                wanted.updates = updates;
                all.push(wanted);
            }
        }
        all
    }

    /// The first network, unless it is said.
    pub(super) fn network_mode(&self) -> Option<String> {
        let first = || self.networks.as_ref()?.first()?.get("name")?.as_str().map(str::to_owned);
        let mode = self.network_mode.clone();
        mode.or_else(|| if self.networks_cli_compatible { first() } else { None })
    }

    fn sizes(&self, all: &mut Vec<Wanted>) -> Result<(), Failure> {
        let is_old = self.container_default_behavior == DefaultBehavior::Compatibility;
        let memory = self.memory.clone().or_else(|| is_old.then(|| "0".to_owned()));
        let table: [(&'static str, &'static str, Option<&String>, bool); 5] = [
            ("kernel_memory", "/HostConfig/KernelMemory", self.kernel_memory.as_ref(), true),
            ("memory", "/HostConfig/Memory", memory.as_ref(), true),
            (
                "memory_reservation",
                "/HostConfig/MemoryReservation",
                self.memory_reservation.as_ref(),
                true,
            ),
            ("memory_swap", "/HostConfig/MemorySwap", self.memory_swap.as_ref(), true),
            ("shm_size", "/HostConfig/ShmSize", self.shm_size.as_ref(), false),
        ];
        for (option, pointer, text, updates) in table {
            let Some(text) = text else { continue };
            let is_unlimited =
                option == "memory_swap" && matches!(text.as_str(), "-1" | "unlimited");
            let bytes = if is_unlimited { -1 } else { size::bytes(option, text)? };
            let mut wanted = Wanted::new(option, Kind::Value, pointer, bytes.into());
            wanted.updates = updates;
            all.push(wanted);
        }
        Ok(())
    }

    fn lists(&self, all: &mut Vec<Wanted>) {
        let table: [(&'static str, Kind, &'static str, &Option<Vec<String>>); 10] = [
            ("cap_drop", Kind::Set, "/HostConfig/CapDrop", &self.cap_drop),
            ("capabilities", Kind::Set, "/HostConfig/CapAdd", &self.capabilities),
            (
                "device_cgroup_rules",
                Kind::Set,
                "/HostConfig/DeviceCgroupRules",
                &self.device_cgroup_rules,
            ),
            ("dns_opts", Kind::Set, "/HostConfig/DnsOptions", &self.dns_opts),
            ("dns_search_domains", Kind::List, "/HostConfig/DnsSearch", &self.dns_search_domains),
            ("dns_servers", Kind::List, "/HostConfig/Dns", &self.dns_servers),
            ("groups", Kind::Set, "/HostConfig/GroupAdd", &self.groups),
            ("security_opts", Kind::Set, "/HostConfig/SecurityOpt", &self.security_opts),
            ("volumes_from", Kind::Set, "/HostConfig/VolumesFrom", &self.volumes_from),
            ("links", Kind::Set, "/HostConfig/Links", &self.links),
        ];
        for (option, kind, pointer, list) in table {
            let Some(list) = list else { continue };
            let mut wanted = Wanted::new(option, kind, pointer, json!(list));
            if option == "links" {
                let link = |text: &String| {
                    let (name, alias) = text.split_once(':').unwrap_or((text, text));
                    format!("/{name}:/{}/{alias}", self.name)
                };
                wanted.seen = Some(json!(list.iter().map(link).collect::<Vec<_>>()));
            }
            all.push(wanted);
        }
    }

    fn command_options(&self, all: &mut Vec<Wanted>) -> Result<(), Failure> {
        let is_old = self.command_handling == CommandHandling::Compatibility;
        let split = |option: &str, text: &str| {
            shlex::split(text)
                .ok_or_else(|| Failure::new(format!("{option} `{text}`: a quote is not closed")))
        };
        let command = match &self.command {
            None => None,
            Some(Value::Array(words)) => {
                let words: Vec<String> = words.iter().map(python_text).collect();
                Some(if is_old { split("command", &words.join(" "))? } else { words })
            }
            Some(other) => Some(split("command", &python_text(other))?),
        };
        let entrypoint = match &self.entrypoint {
            Some(words) if is_old => Some(split("entrypoint", &words.join(" "))?),
            other => other.clone(),
        };
        for (option, pointer, words) in
            [("command", "/Config/Cmd", command), ("entrypoint", "/Config/Entrypoint", entrypoint)]
        {
            if let Some(words) = words.filter(|words| !is_old || !words.is_empty()) {
                all.push(Wanted::new(option, Kind::List, pointer, json!(words)));
            }
        }
        Ok(())
    }

    /// Variables: the image's, then the file's, then the task's.
    fn environment(
        &self,
        host: &dyn Probe,
        image: &Value,
        all: &mut Vec<Wanted>,
    ) -> Result<(), Failure> {
        if self.env.is_none() && self.env_file.is_none() {
            return Ok(());
        }
        let mut own: BTreeMap<String, String> = BTreeMap::new();
        if let Some(path) = &self.env_file {
            let content = host.read(path, ENV_FILE_LIMIT)?.ok_or_else(|| {
                Failure::new(format!("env_file {}: there is no such file", path.display()))
            })?;
            let text = String::from_utf8_lossy(&content).into_owned();
            for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'))
            {
                let (key, value) = line.split_once('=').ok_or_else(|| {
                    Failure::new(format!(
                        "Invalid line in environment file {}:\n{line}",
                        path.display()
                    ))
                })?;
                own.insert(key.trim().to_owned(), value.to_owned());
            }
        }
        for (key, value) in self.env.iter().flatten() {
            let Value::String(text) = value else {
                return Err(Failure::new(format!(
                    "Non-string value found for env option. Ambiguous env options must be wrapped in quotes to avoid them being interpreted. Key: {key}"
                )));
            };
            own.insert(key.clone(), text.clone());
        }
        let line = |(key, value): (&String, &String)| format!("{key}={value}");
        let told: Vec<String> = own.iter().map(line).collect();
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for text in image.pointer("/Config/Env").and_then(Value::as_array).into_iter().flatten() {
            if let Some((key, value)) = text.as_str().and_then(|text| text.split_once('=')) {
                seen.insert(key.to_owned(), value.to_owned());
            }
        }
        seen.extend(own);
        let mut wanted = Wanted::new("env", Kind::Set, "/Config/Env", json!(told));
        wanted.seen = Some(json!(seen.iter().map(line).collect::<Vec<_>>()));
        all.push(wanted);
        Ok(())
    }

    fn storage(
        &self,
        host: &dyn Probe,
        image: &Value,
        all: &mut Vec<Wanted>,
    ) -> Result<(), Failure> {
        let mut binds = Vec::new();
        let mut anonymous = Map::new();
        for text in self.volumes.iter().flatten() {
            match bind(text)? {
                Some(bind) => binds.push(bind),
                None => _ = anonymous.insert(text.clone(), json!({})),
            }
        }
        if self.volumes.is_some() {
            let mut wanted = Wanted::new("volumes", Kind::Set, "/HostConfig/Binds", json!(binds));
            wanted.shown = "volume_binds";
            all.push(wanted);
            let mut wanted =
                Wanted::new("volumes", Kind::Dict, "/Config/Volumes", json!(anonymous));
            if let Some(Value::Object(volumes)) = image.pointer("/Config/Volumes") {
                anonymous.extend(volumes.clone());
            }
            wanted.seen = Some(json!(anonymous));
            all.push(wanted);
        }
        if let Some(mounts) = &self.mounts {
            let mounts: Vec<Value> = mounts
                .iter()
                .map(|mount| part::<MountOption>("mounts", mount, host)?.told())
                .collect::<Result<_, _>>()?;
            all.push(Wanted::new("mounts", Kind::Set, "/HostConfig/Mounts", json!(mounts)));
        }
        if let Some(tmpfs) = &self.tmpfs {
            let pairs: Map<String, Value> = tmpfs
                .iter()
                .map(|text| text.split_once(':').unwrap_or((text, "")))
                .map(|(path, options)| (path.to_owned(), options.into()))
                .collect();
            all.push(Wanted::new("tmpfs", Kind::Dict, "/HostConfig/Tmpfs", json!(pairs)));
        }
        Ok(())
    }

    fn ports(&self, image: &Value, host_ip: &str, all: &mut Vec<Wanted>) -> Result<(), Failure> {
        let bindings = match &self.published_ports {
            None => None,
            Some(ports) => Some(port::bindings(ports, host_ip)?),
        };
        let mut exposed: Map<String, Value> = Map::new();
        for port in port::exposed(self.exposed_ports.as_deref().unwrap_or_default())? {
            exposed.insert(port, json!({}));
        }
        for port in bindings.iter().filter_map(Value::as_object).flat_map(Map::keys) {
            exposed.insert(port.clone(), json!({}));
        }
        if self.exposed_ports.is_some() || bindings.is_some() {
            let option =
                if self.exposed_ports.is_some() { "exposed_ports" } else { "published_ports" };
            let mut wanted =
                Wanted::new(option, Kind::Dict, "/Config/ExposedPorts", json!(exposed));
            wanted.shown = "exposed_ports";
            if let Some(Value::Object(ports)) = image.pointer("/Config/ExposedPorts") {
                exposed.extend(ports.clone());
            }
            wanted.seen = Some(json!(exposed));
            all.push(wanted);
        }
        if let Some(bindings) = bindings {
            let pointer = "/HostConfig/PortBindings";
            all.push(Wanted::new("published_ports", Kind::Dict, pointer, bindings));
        }
        Ok(())
    }

    fn devices(&self, host: &dyn Probe, all: &mut Vec<Wanted>) -> Result<(), Failure> {
        if let Some(devices) = &self.devices {
            let device = |text: &String| {
                let mut parts = text.splitn(3, ':');
                let path = parts.next().unwrap_or_default();
                let inside = parts.next().unwrap_or(path);
                let rights = parts.next().unwrap_or("rwm");
                json!({ "PathOnHost": path, "PathInContainer": inside, "CgroupPermissions": rights })
            };
            let list: Vec<Value> = devices.iter().map(device).collect();
            all.push(Wanted::new("devices", Kind::Set, "/HostConfig/Devices", json!(list)));
        }
        let rates: [(&'static str, &'static str, &Option<Vec<Args>>); 4] = [
            ("device_read_bps", "/HostConfig/BlkioDeviceReadBps", &self.device_read_bps),
            ("device_read_iops", "/HostConfig/BlkioDeviceReadIOps", &self.device_read_iops),
            ("device_write_bps", "/HostConfig/BlkioDeviceWriteBps", &self.device_write_bps),
            ("device_write_iops", "/HostConfig/BlkioDeviceWriteIOps", &self.device_write_iops),
        ];
        for (option, pointer, list) in rates {
            let Some(list) = list else { continue };
            let mut told = Vec::new();
            for given in list {
                let rate: RateOption = part(option, given, host)?;
                told.push(json!({ "Path": rate.path, "Rate": size::bytes(option, &rate.rate)? }));
            }
            all.push(Wanted::new(option, Kind::Set, pointer, json!(told)));
        }
        if let Some(list) = &self.device_requests {
            let mut told = Vec::new();
            for given in list {
                let request: RequestOption = part("device_requests", given, host)?;
                told.push(json!({
                    "Driver": request.driver.unwrap_or_default(),
                    "Count": request.count.unwrap_or(0),
                    "DeviceIDs": request.device_ids,
                    "Capabilities": request.capabilities,
                    "Options": request.options.as_ref().map(texts).unwrap_or_default(),
                }));
            }
            let pointer = "/HostConfig/DeviceRequests";
            all.push(Wanted::new("device_requests", Kind::Set, pointer, json!(told)));
        }
        if let Some(ulimits) = &self.ulimits {
            let told = ulimits.iter().map(|text| ulimit(text)).collect::<Result<Vec<_>, _>>()?;
            all.push(Wanted::new("ulimits", Kind::Set, "/HostConfig/Ulimits", json!(told)));
        }
        Ok(())
    }

    fn dictionaries(
        &self,
        host: &dyn Probe,
        image: &Value,
        all: &mut Vec<Wanted>,
    ) -> Result<(), Failure> {
        let table: [(&'static str, &'static str, &Option<Args>); 3] = [
            ("log_options", "/HostConfig/LogConfig/Config", &self.log_options),
            ("storage_opts", "/HostConfig/StorageOpt", &self.storage_opts),
            ("sysctls", "/HostConfig/Sysctls", &self.sysctls),
        ];
        for (option, pointer, given) in table {
            if let Some(given) = given {
                all.push(Wanted::new(option, Kind::Dict, pointer, Value::Object(texts(given))));
            }
        }
        if let Some(hosts) = &self.etc_hosts {
            let list: Vec<String> =
                hosts.iter().map(|(name, ip)| format!("{name}:{}", python_text(ip))).collect();
            all.push(Wanted::new("etc_hosts", Kind::Set, "/HostConfig/ExtraHosts", json!(list)));
        }
        if let Some(labels) = &self.labels {
            let told = texts(labels);
            let mut seen = told.clone();
            if let Some(Value::Object(own)) = image.pointer("/Config/Labels") {
                for (key, value) in own {
                    seen.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
            let mut wanted = Wanted::new("labels", Kind::Dict, "/Config/Labels", json!(told));
            wanted.seen = Some(json!(seen));
            all.push(wanted);
        }
        if let Some(given) = &self.healthcheck {
            let health: HealthOption = part("healthcheck", given, host)?;
            all.push(Wanted::new("healthcheck", Kind::Dict, "/Config/Healthcheck", health.told()?));
        }
        Ok(())
    }

    /// Its networks.
    pub(super) fn network_options(&self, host: &dyn Probe) -> Result<Vec<NetworkOption>, Failure> {
        self.networks.iter().flatten().map(|given| part("networks", given, host)).collect()
    }
}

/// `SOURCE:TARGET:MODES`; `None`: a path alone.
fn bind(text: &str) -> Result<Option<String>, Failure> {
    const MODES: [&str; 14] = [
        "rw",
        "ro",
        "z",
        "Z",
        "consistent",
        "delegated",
        "cached",
        "rprivate",
        "private",
        "rshared",
        "shared",
        "rslave",
        "slave",
        "nocopy",
    ];
    let parts: Vec<&str> = text.split(':').collect();
    let odd = |mode: &&str| !MODES.contains(mode);
    match parts.as_slice() {
        [_] => Ok(None),
        [source, target] => Ok(Some(format!("{source}:{target}:rw"))),
        [source, target, modes] => match modes.split(',').find(odd) {
            Some(_) => Err(Failure::new(format!("Found invalid volumes mode: {modes}"))),
            None => Ok(Some(format!("{source}:{target}:{modes}"))),
        },
        _ => Err(Failure::new(format!("volumes `{text}` has more than source, target and modes"))),
    }
}

fn ulimit(text: &str) -> Result<Value, Failure> {
    let odd = || Failure::new(format!("ulimits `{text}` is not NAME:SOFT or NAME:SOFT:HARD"));
    let (name, limits) = text.split_once([':', '=']).ok_or_else(odd)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| odd());
    Ok(json!({ "Name": name, "Soft": number(soft)?, "Hard": number(hard)? }))
}

impl MountOption {
    fn told(&self) -> Result<Value, Failure> {
        const KINDS: [&str; 6] = ["bind", "npipe", "tmpfs", "volume", "cluster", "image"];
        if !KINDS.contains(&self.kind.as_str()) {
            return Err(Failure::new(format!(
                "value of type must be one of: {}, got: {} found in mounts",
                KINDS.join(", "),
                self.kind
            )));
        }
        if self.source.is_none() && matches!(self.kind.as_str(), "bind" | "image") {
            return Err(Failure::new(format!(
                "source must be specified for mount \"{}\" of type \"{}\"",
                self.target, self.kind
            )));
        }
        let mut told = json!({ "Target": self.target, "Type": self.kind });
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                told[key] = value;
            }
        };
        set("Source", self.source.clone().map(Value::from));
        set("ReadOnly", self.read_only.map(Value::from));
        set("Consistency", self.consistency.clone().map(Value::from));
        let some = |pairs: Vec<(&str, Option<Value>)>| {
            let given: Map<String, Value> =
                pairs.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))).collect();
            (!given.is_empty()).then_some(Value::Object(given))
        };
        let driver = some(vec![
            ("Name", self.volume_driver.clone().map(Value::from)),
            ("Options", self.volume_options.as_ref().map(|o| Value::Object(texts(o)))),
        ]);
        set(
            "BindOptions",
            some(vec![
                ("Propagation", self.propagation.clone().map(Value::from)),
                ("CreateMountpoint", self.create_mountpoint.map(Value::from)),
                ("NonRecursive", self.non_recursive.map(Value::from)),
                ("ReadOnlyForceRecursive", self.read_only_force_recursive.map(Value::from)),
                ("ReadOnlyNonRecursive", self.read_only_non_recursive.map(Value::from)),
            ]),
        );
        set(
            "VolumeOptions",
            some(vec![
                ("NoCopy", self.no_copy.map(Value::from)),
                ("Labels", self.labels.as_ref().map(|labels| Value::Object(texts(labels)))),
                ("DriverConfig", driver),
                ("Subpath", self.subpath.clone().map(Value::from)),
            ]),
        );
        set("TmpfsOptions", some(self.tmpfs_parts()?));
        Ok(told)
    }

    /// What is told of a file system in memory.
    fn tmpfs_parts(&self) -> Result<Vec<(&'static str, Option<Value>)>, Failure> {
        let size = match &self.tmpfs_size {
            Some(text) => Some(size::bytes("tmpfs_size", text)?.into()),
            None => None,
        };
        let mode = match &self.tmpfs_mode {
            Some(text) => Some(i64::from_str_radix(text, 8).map(Value::from).map_err(|_| {
                Failure::new(format!(
                    "tmpfs_mode `{text}` of mount \"{}\" is not octal",
                    self.target
                ))
            })?),
            None => None,
        };
        let options = self.tmpfs_options.as_ref().map(|list| {
            let pair = |(key, value): (&String, &Value)| match value {
                Value::Null => json!([key]),
                value => json!([key, python_text(value)]),
            };
            json!(list.iter().flatten().map(pair).collect::<Vec<_>>())
        });
        Ok(vec![("SizeBytes", size), ("Mode", mode), ("Options", options)])
    }
}

impl HealthOption {
    fn told(&self) -> Result<Value, Failure> {
        let test = match &self.test {
            None if self.test_cli_compatible => None,
            None => return Ok(json!({ "Test": ["NONE"] })),
            Some(Value::Array(words)) => {
                let words: Vec<String> = words.iter().map(python_text).collect();
                if !matches!(words.first().map(String::as_str), Some("NONE" | "CMD" | "CMD-SHELL"))
                {
                    return Err(Failure::new(
                        "Error parsing healthcheck.test: the first word of a list is NONE, CMD or CMD-SHELL",
                    ));
                }
                Some(words)
            }
            Some(other) => Some(vec!["CMD-SHELL".to_owned(), python_text(other)]),
        };
        let mut told = Map::new();
        if let Some(test) = test {
            told.insert("Test".into(), json!(test));
        }
        for (option, key, text) in [
            ("interval", "Interval", &self.interval),
            ("timeout", "Timeout", &self.timeout),
            ("start_period", "StartPeriod", &self.start_period),
            ("start_interval", "StartInterval", &self.start_interval),
        ] {
            if let Some(text) = text {
                told.insert(key.into(), size::nanoseconds(option, text)?.into());
            }
        }
        if let Some(retries) = self.retries {
            told.insert("Retries".into(), retries.into());
        }
        Ok(Value::Object(told))
    }
}

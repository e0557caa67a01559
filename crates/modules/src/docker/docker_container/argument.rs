//! The arguments of `docker_container`.

use std::path::PathBuf;

use model::Args;
use serde_json::Value;

use crate::arguments::{arguments, choices};
use crate::docker::engine::Connection;

choices! {
    /// What shall become of the container.
    pub enum Wish {
        /// It shall not be there.
        Absent = "absent",
        /// It shall run and be healthy.
        Healthy = "healthy",
        /// It shall be there, running or not.
        Present = "present",
        /// It shall run.
        Started = "started",
        /// It shall be there and not run.
        Stopped = "stopped",
    }
}

choices! {
    /// What is done when the container's image is the right one under another name.
    pub enum NameMismatch {
        /// Nothing.
        Ignore = "ignore",
        /// It is created anew.
        Recreate = "recreate",
    }
}

choices! {
    /// The image that environment, labels, ports and volumes are taken from.
    pub enum ImageComparison {
        /// The container's own.
        Current = "current-image",
        /// The one that is asked for.
        Desired = "desired-image",
    }
}

choices! {
    /// What is done with labels of the image that the task does not set.
    pub enum LabelMismatch {
        /// The task fails.
        Fail = "fail",
        /// Nothing.
        Ignore = "ignore",
    }
}

choices! {
    /// How commands given as lists are taken.
    pub enum CommandHandling {
        /// Joined and split again, as old versions did.
        Compatibility = "compatibility",
        /// As they are.
        Correct = "correct",
    }
}

choices! {
    /// The values of options that are not given.
    pub enum DefaultBehavior {
        /// As old versions had them.
        Compatibility = "compatibility",
        /// None: what the container has is right.
        NoDefaults = "no_defaults",
    }
}

choices! {
    /// When it is started again.
    pub enum RestartPolicy {
        /// Whenever it ends.
        Always = "always",
        /// Never.
        No = "no",
        /// When it fails.
        OnFailure = "on-failure",
        /// Unless somebody stopped it.
        UnlessStopped = "unless-stopped",
    }
}

choices! {
    /// The namespace of control groups.
    pub enum CgroupNamespace {
        /// The host's.
        Host = "host",
        /// Its own.
        Private = "private",
    }
}

choices! {
    /// What check mode says of an image that would be pulled in any case.
    pub enum PullForecast {
        /// That it changes.
        Always = "always",
        /// That it changes if it is not there.
        IfMissing = "image_not_present",
    }
}

arguments! {
    /// Creates, changes, starts, stops and removes containers, through Docker's Engine API.
    pub struct DockerContainer {
        /// Its name, or its id.
        pub name: String,
        /// Its image: a name with or without tag, or an id.
        pub image: Option<String>,
        /// What shall become of it.
        pub state: Wish { default: "started" },
        /// What it runs: words, or one text that is split as a shell would.
        pub command: Option<Value>,
        /// The program that gets the command.
        pub entrypoint: Option<Vec<String>>,
        /// How commands given as lists are taken.
        pub command_handling: CommandHandling { default: "correct" },
        /// Variables of its environment: texts.
        pub env: Option<Args>,
        /// A file of the host with lines `NAME=value`; `env` goes before it.
        pub env_file: Option<PathBuf>,
        /// Mounts: `SOURCE:TARGET[:MODES]`, or a path alone for a volume without a name.
        pub volumes: Option<Vec<String>>,
        /// Mounts in full.
        pub mounts: Option<Vec<Args>>,
        /// Ports of the host that lead into it, as Docker's command line writes them.
        pub published_ports: Option<Vec<String>> { aliases: ["ports"] },
        /// Publish all exposed ports.
        pub publish_all_ports: Option<bool>,
        /// Ports that it listens at.
        pub exposed_ports: Option<Vec<String>> { aliases: ["exposed", "expose"] },
        /// The address that ports are published at unless they say one.
        pub default_host_ip: Option<String>,
        /// Its networks: `name`, `ipv4_address`, `ipv6_address`, `aliases`, `links`, `mac_address`.
        pub networks: Option<Vec<Args>>,
        /// Its first network, or `host`, `none`, `container:NAME`.
        pub network_mode: Option<String>,
        /// Not the default network, when `networks` are given.
        pub networks_cli_compatible: bool { default: true },
        /// When it is started again.
        pub restart_policy: Option<RestartPolicy>,
        /// How often, at most, after failures.
        pub restart_retries: Option<i64>,
        /// Its labels.
        pub labels: Option<Args>,
        /// What is done with labels of the image that `labels` does not name.
        pub image_label_mismatch: LabelMismatch { default: "ignore" },
        /// What is done when the image has another name in the container.
        pub image_name_mismatch: NameMismatch { default: "recreate" },
        /// The image that the container is compared with.
        pub image_comparison: ImageComparison { default: "desired-image" },
        /// How it is watched: `test`, `interval`, `timeout`, `retries`, `start_period`, `start_interval`.
        pub healthcheck: Option<Args>,
        /// Seconds that `state: healthy` waits; 0: for ever.
        pub healthy_wait_timeout: f64 { default: 300.0 },
        /// How options are compared: `strict`, `ignore`, `allow_more_present`; `*`: all.
        pub comparisons: Args,
        /// The values of options that are not given.
        pub container_default_behavior: DefaultBehavior { default: "no_defaults" },
        /// Create it anew in any case.
        pub recreate: bool { default: false },
        /// Restart it in any case.
        pub restart: bool { default: false },
        /// When the image is pulled: `missing`, `always`, `never`.
        pub pull: Value { default: "missing" },
        /// What check mode says of an image that would be pulled in any case.
        pub pull_check_mode_behavior: PullForecast { default: "image_not_present" },
        /// Leave it running; else wait until it ends, and fail when it does.
        pub detach: Option<bool>,
        /// Remove it after that.
        pub cleanup: bool { default: false },
        /// Accepted: the output is in the result.
        pub output_logs: bool { default: false },
        /// Pause it.
        pub paused: Option<bool>,
        /// Kill it where it would be stopped.
        pub force_kill: bool { aliases: ["forcekill"], default: false },
        /// The signal to do so.
        pub kill_signal: Option<String>,
        /// Keep its volumes without names when it is removed.
        pub keep_volumes: bool { default: true },
        /// Seconds to wait until it is removed.
        pub removal_wait_timeout: Option<f64>,
        /// The signal that stops it.
        pub stop_signal: Option<String>,
        /// Seconds until it is killed after that.
        pub stop_timeout: Option<i64>,
        /// Remove it when it ends.
        pub auto_remove: Option<bool>,
        /// The weight of its block I/O: 10 to 1000.
        pub blkio_weight: Option<i64>,
        /// Capabilities to drop.
        pub cap_drop: Option<Vec<String>>,
        /// Capabilities to add.
        pub capabilities: Option<Vec<String>>,
        /// The parent of its control group.
        pub cgroup_parent: Option<String>,
        /// The namespace of control groups.
        pub cgroupns_mode: Option<CgroupNamespace>,
        /// The period of its CPU scheduling.
        pub cpu_period: Option<i64>,
        /// Its share of that.
        pub cpu_quota: Option<i64>,
        /// Its weight among others.
        pub cpu_shares: Option<i64>,
        /// How many CPUs it may use.
        pub cpus: Option<f64>,
        /// Which.
        pub cpuset_cpus: Option<String>,
        /// And which memory nodes.
        pub cpuset_mems: Option<String>,
        /// Rules for devices in its control group.
        pub device_cgroup_rules: Option<Vec<String>>,
        /// Limits of reading: `path` and `rate`, in bytes a second.
        pub device_read_bps: Option<Vec<Args>>,
        /// The same, in operations a second.
        pub device_read_iops: Option<Vec<Args>>,
        /// Limits of writing: `path` and `rate`, in bytes a second.
        pub device_write_bps: Option<Vec<Args>>,
        /// The same, in operations a second.
        pub device_write_iops: Option<Vec<Args>>,
        /// Devices by request: `capabilities`, `count`, `device_ids`, `driver`, `options`.
        pub device_requests: Option<Vec<Args>>,
        /// Devices: `HOST[:CONTAINER[:PERMISSIONS]]`.
        pub devices: Option<Vec<String>>,
        /// Options of its resolver.
        pub dns_opts: Option<Vec<String>>,
        /// Its search domains.
        pub dns_search_domains: Option<Vec<String>>,
        /// Its name servers.
        pub dns_servers: Option<Vec<String>>,
        /// Its domain.
        pub domainname: Option<String>,
        /// Lines of its hosts file: names with addresses.
        pub etc_hosts: Option<Args>,
        /// More groups of its processes.
        pub groups: Option<Vec<String>>,
        /// Its host name.
        pub hostname: Option<String>,
        /// Run an init in it.
        pub init: Option<bool>,
        /// Keep its standard input open.
        pub interactive: Option<bool>,
        /// Its IPC namespace.
        pub ipc_mode: Option<String>,
        /// A limit of kernel memory.
        pub kernel_memory: Option<String>,
        /// Links to containers: `NAME:ALIAS`.
        pub links: Option<Vec<String>>,
        /// Where its output goes.
        pub log_driver: Option<String>,
        /// Options of that.
        pub log_options: Option<Args> { aliases: ["log_opt"] },
        /// Its MAC address.
        pub mac_address: Option<String>,
        /// A limit of memory, e.g. `512M`.
        pub memory: Option<String>,
        /// A soft limit.
        pub memory_reservation: Option<String>,
        /// A limit of memory with swap; `-1` or `unlimited`: none.
        pub memory_swap: Option<String>,
        /// How readily it swaps.
        pub memory_swappiness: Option<i64>,
        /// Switch the killer of processes off when memory is short.
        pub oom_killer: Option<bool>,
        /// Its score for that.
        pub oom_score_adj: Option<i64>,
        /// Its namespace of processes.
        pub pid_mode: Option<String>,
        /// A limit of processes; `-1`: none.
        pub pids_limit: Option<i64>,
        /// Its platform, e.g. `linux/amd64`; said when it is pulled and created, and not compared.
        pub platform: Option<String>,
        /// All rights of the host.
        pub privileged: Option<bool>,
        /// Its root file system cannot be written.
        pub read_only: Option<bool>,
        /// The program that runs it.
        pub runtime: Option<String>,
        /// Security options.
        pub security_opts: Option<Vec<String>>,
        /// The size of its `/dev/shm`.
        pub shm_size: Option<String>,
        /// Options of its storage.
        pub storage_opts: Option<Args>,
        /// Kernel parameters of its namespaces.
        pub sysctls: Option<Args>,
        /// File systems in memory: `PATH[:OPTIONS]`.
        pub tmpfs: Option<Vec<String>>,
        /// Give it a terminal.
        pub tty: Option<bool>,
        /// Limits: `NAME:SOFT[:HARD]`.
        pub ulimits: Option<Vec<String>>,
        /// Its user, and group.
        pub user: Option<String>,
        /// Its namespace of users.
        pub userns_mode: Option<String>,
        /// Its namespace of host names.
        pub uts: Option<String>,
        /// The driver of its volumes.
        pub volume_driver: Option<String>,
        /// Containers whose volumes it takes.
        pub volumes_from: Option<Vec<String>>,
        /// Where it starts.
        pub working_dir: Option<String>,
        pub connection: Connection,
    }
    required_if: [("state", "present", &["image"])];
}

arguments! {
    /// A network of a container.
    pub struct NetworkOption {
        /// Its name.
        pub name: String,
        /// The container's address in it.
        pub ipv4_address: Option<String>,
        /// The same for IPv6.
        pub ipv6_address: Option<String>,
        /// More names of the container in it.
        pub aliases: Option<Vec<String>>,
        /// Links to containers in it.
        pub links: Option<Vec<String>>,
        /// The container's MAC address in it.
        pub mac_address: Option<String>,
    }
}

arguments! {
    /// A mount in full.
    pub struct MountOption {
        /// The path in the container.
        pub target: String,
        /// A path of the host or the name of a volume.
        pub source: Option<String>,
        /// Of which kind.
        pub kind: String { named: "type", default: "volume" },
        /// Whether it cannot be written.
        pub read_only: Option<bool>,
        /// How consistent it is.
        pub consistency: Option<String>,
        /// How mounts in it spread.
        pub propagation: Option<String>,
        /// Do not fill a new volume from the image.
        pub no_copy: Option<bool>,
        /// Labels of a new volume.
        pub labels: Option<Args>,
        /// The driver of a new volume.
        pub volume_driver: Option<String>,
        /// Options of that.
        pub volume_options: Option<Args>,
        /// The size of a file system in memory.
        pub tmpfs_size: Option<String>,
        /// Its mode, octal.
        pub tmpfs_mode: Option<String>,
        /// A path within a volume.
        pub subpath: Option<String>,
        /// Create the path of the host.
        pub create_mountpoint: Option<bool>,
        /// Without mounts below it.
        pub non_recursive: Option<bool>,
        /// Fail where mounts below it cannot be made read-only.
        pub read_only_force_recursive: Option<bool>,
        /// Leave mounts below it writable.
        pub read_only_non_recursive: Option<bool>,
        /// Options of a file system in memory: dictionaries of one key.
        pub tmpfs_options: Option<Vec<Args>>,
    }
}

arguments! {
    /// How a container is watched.
    pub struct HealthOption {
        /// What is run: a text for a shell, or words that begin with `CMD`, `CMD-SHELL` or `NONE`.
        pub test: Option<Value>,
        /// Leave the image's test alone when none is given.
        pub test_cli_compatible: bool { default: false },
        /// How often.
        pub interval: Option<String>,
        /// How long it may take.
        pub timeout: Option<String>,
        /// How many failures make it unhealthy.
        pub retries: Option<i64>,
        /// How long it may take to start.
        pub start_period: Option<String>,
        /// How often while it starts.
        pub start_interval: Option<String>,
    }
}

arguments! {
    /// A limit of a device.
    pub struct RateOption {
        /// The device.
        pub path: String,
        /// How much.
        pub rate: String,
    }
}

arguments! {
    /// Devices by request.
    pub struct RequestOption {
        /// What they can do: lists of words, any of which will do.
        pub capabilities: Option<Vec<Value>>,
        /// How many; `-1`: all.
        pub count: Option<i64>,
        /// Which.
        pub device_ids: Option<Vec<String>>,
        /// Whose.
        pub driver: Option<String>,
        /// Options of that.
        pub options: Option<Args>,
    }
}

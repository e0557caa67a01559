//! `yum_repository`: repositories of packages for dnf and yum.

mod section;

use std::path::PathBuf;

use model::{Args, Secret};
use system::{Probe, System};

use crate::arguments::{Presence, arguments, choices};
use crate::content::{Contents, Put, Source, Target};
use crate::contract::{Check, Failure, Module};
use crate::edits::Edit;
use crate::files::FileAttributes;

use section::Keys;

choices! {
    /// In which order servers are tried.
    pub enum Failover {
        /// By chance.
        RoundRobin = "roundrobin",
        /// As they are listed.
        Priority = "priority",
    }
}

choices! {
    /// What proxies may cache.
    pub enum Caching {
        /// Everything.
        All = "all",
        /// Packages alone.
        Packages = "packages",
        /// Nothing.
        None = "none",
    }
}

choices! {
    /// Which addresses are used.
    pub enum Resolve {
        /// IPv4.
        Four = "4",
        /// IPv6.
        Six = "6",
        /// IPv4.
        Ipv4 = "IPv4",
        /// IPv6.
        Ipv6 = "IPv6",
        /// Either.
        Whatever = "whatever",
    }
}

choices! {
    /// Whether packages are kept.
    pub enum Keep {
        /// No.
        No = "0",
        /// Yes.
        Yes = "1",
    }
}

choices! {
    /// Which commands need fresh metadata.
    pub enum Filter {
        /// All.
        Never = "never",
        /// Not those about the past.
        Past = "read-only:past",
        /// Not those about what is.
        Present = "read-only:present",
        /// Not those that only look.
        Future = "read-only:future",
    }
}

arguments! {
    /// Adds and removes repositories of packages for dnf and yum.
    pub struct YumRepository {
        /// The repository's id.
        pub name: String,
        /// Whether it is there.
        pub state: Presence { default: "present" },
        /// Its name for people.
        pub description: Option<String>,
        /// Its file, without `.repo`; called after the id when not said.
        pub file: Option<String>,
        /// Where the files are.
        pub reposdir: PathBuf { default: "/etc/yum.repos.d" },
        /// Where it is.
        pub baseurl: Vec<String>,
        /// The keys that sign its packages.
        pub gpgkey: Vec<String>,
        /// Packages that are not taken from it.
        pub exclude: Vec<String> { aliases: ["excludepkgs"] },
        /// The only packages that are taken from it.
        pub includepkgs: Vec<String>,
        /// The password.
        pub password: Option<Secret<String>>,
        /// The password at the proxy.
        pub proxy_password: Option<Secret<String>>,
        /// Fetch in parallel.
        pub async_: Option<bool> { named: "async" },
        /// Bytes a second at most.
        pub bandwidth: Option<String>,
        /// How dear it is, compared with others.
        pub cost: Option<String>,
        /// Let its owner count this host.
        pub countme: Option<bool>,
        /// Up to what part of the packages metadata of deltas are fetched.
        pub deltarpm_metadata_percentage: Option<String>,
        /// Up to what part of a package its delta is fetched.
        pub deltarpm_percentage: Option<String>,
        /// Whether it is used.
        pub enabled: Option<bool>,
        /// Whether its groups are used.
        pub enablegroups: Option<bool>,
        /// In which order its servers are tried.
        pub failovermethod: Option<Failover>,
        /// The key of the authority.
        pub gpgcakey: Option<String>,
        /// Check the signatures of packages.
        pub gpgcheck: Option<bool>,
        /// What proxies may cache.
        pub http_caching: Option<Caching>,
        /// A file or URL that is read in its place.
        pub include: Option<String>,
        /// Which addresses are used.
        pub ip_resolve: Option<Resolve>,
        /// Keep connections.
        pub keepalive: Option<bool>,
        /// Keep packages after they are installed.
        pub keepcache: Option<Keep>,
        /// How long its metadata count.
        pub metadata_expire: Option<String>,
        /// Which commands need fresh metadata.
        pub metadata_expire_filter: Option<Filter>,
        /// The URL of a list of mirrors with checksums.
        pub metalink: Option<String>,
        /// The URL of a list of mirrors.
        pub mirrorlist: Option<String>,
        /// How long the list of mirrors counts.
        pub mirrorlist_expire: Option<String>,
        /// Make all of its packages available, whatever modules say.
        pub module_hotfixes: Option<bool>,
        /// Which repository comes first: 1 to 99.
        pub priority: Option<String>,
        /// Let no other repository update its packages.
        pub protect: Option<bool>,
        /// The proxy.
        pub proxy: Option<String>,
        /// The user at the proxy.
        pub proxy_username: Option<String>,
        /// Check the signature of its metadata.
        pub repo_gpgcheck: Option<bool>,
        /// How often a file is tried.
        pub retries: Option<String>,
        /// It is in S3.
        pub s3_enabled: Option<bool>,
        /// Go on without it when it does not answer.
        pub skip_if_unavailable: Option<bool>,
        /// Check who may read certificates.
        pub ssl_check_cert_permissions: Option<bool>,
        /// The certificates of authorities.
        pub sslcacert: Option<String> { aliases: ["ca_cert"] },
        /// This host's certificate.
        pub sslclientcert: Option<String> { aliases: ["client_cert"] },
        /// This host's key.
        pub sslclientkey: Option<String> { aliases: ["client_key"] },
        /// Check its certificate.
        pub sslverify: Option<bool> { aliases: ["validate_certs"] },
        /// How fast it may be fetched.
        pub throttle: Option<String>,
        /// Seconds to wait for it.
        pub timeout: Option<String>,
        /// Variables that are shown with its id.
        pub ui_repoid_vars: Option<String>,
        /// The user.
        pub username: Option<String>,
        pub attributes: FileAttributes,
    }
}

const LIMIT: u64 = 4 << 20;

impl Module for YumRepository {
    type Change = Contents;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Contents>, Failure> {
        self.validate()?;
        result.insert("repo".into(), self.name.clone().into());
        result.insert("state".into(), self.state.as_str().into());
        if host.stat(&self.reposdir, true)?.is_none() {
            if !self.state.is_present() {
                return Ok(Check::InSync);
            }
            let folder = self.reposdir.display();
            return Err(Failure::new(format!("Repo directory '{folder}' does not exist.")));
        }
        let file = self.file.as_deref().unwrap_or(&self.name);
        let target = Target::find(host, &self.reposdir.join(format!("{file}.repo")))?;
        let bytes = host.read(&target.path, LIMIT)?.unwrap_or_default();
        let shown = target.path.display().to_string();
        let before = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{shown} is not text in UTF-8")))?;
        let found = section::find(&before, &self.name);
        let keys = self.keys();
        let after = match self.state {
            Presence::Present if found.as_ref() == Some(&keys) => None,
            Presence::Present => {
                let text = section::text(&self.name, &keys);
                Some(section::replaced(&before, &self.name, Some(&text)))
            }
            Presence::Absent => found.map(|_| section::replaced(&before, &self.name, None)),
        };
        self.contents(host, &target, after)
    }

    fn apply(&self, work: Contents, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        work.apply(host, result).map(drop)
    }
}

impl YumRepository {
    fn validate(&self) -> Result<(), Failure> {
        let lacks = |what: &str| Failure::new(format!("state is present but {what}"));
        let has_place =
            !self.baseurl.is_empty() || self.mirrorlist.is_some() || self.metalink.is_some();
        if self.state.is_present() && !has_place {
            return Err(lacks("any of the following are missing: baseurl, mirrorlist, metalink"));
        }
        if self.state.is_present() && self.description.is_none() {
            return Err(lacks("all of the following are missing: description"));
        }
        let file = self.file.as_deref().unwrap_or(&self.name);
        if file.is_empty() || file.contains(['/', '\0']) {
            return Err(Failure::new(format!("`{file}` cannot name a file of repositories")));
        }
        if self.name.contains(['[', ']', '\n']) {
            return Err(Failure::new(format!("`{}` cannot be a repository's id", self.name)));
        }
        let texts = self.keys();
        let broken = |value: &&String| value.contains(['\r', '\0']) || value.contains("\n[");
        if let Some(value) = texts.values().find(broken) {
            return Err(Failure::new(format!("`{value}` cannot stand in a file of repositories")));
        }
        Ok(())
    }

    fn contents(
        &self,
        host: &dyn Probe,
        target: &Target,
        after: Option<String>,
    ) -> Result<Check<Contents>, Failure> {
        let mut contents = Contents::of(&target.path);
        match (after, &target.current) {
            // A file without repositories has no use.
            (Some(text), _) if !section::has_any(&text) => {
                contents.then.push(Edit::Remove(target.path.clone()));
                contents.then.note("state", "file", "absent");
            }
            (Some(text), current) => contents.puts.push(Put {
                attributes: self.attributes.resolve(host, current.as_ref(), false)?,
                source: Source::Bytes(text.into_bytes()),
                in_place: self.attributes.unsafe_writes,
                ..Put::text(target.path.clone(), String::new())
            }),
            (None, Some(stat)) if self.state.is_present() => {
                let drift = self.attributes.drift(host, &target.path, stat)?;
                contents.then.set_attributes(&target.path, drift);
            }
            (None, _) => {}
        }
        Ok(contents.into_check())
    }

    /// What shall stand in the section.
    fn keys(&self) -> Keys {
        let mut keys = Keys::new();
        let mut set = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                keys.insert(key.to_owned(), value.trim().to_owned());
            }
        };
        set("name", self.description.clone());
        let joined = |list: &[String], with| (!list.is_empty()).then(|| list.join(with));
        set("baseurl", joined(&self.baseurl, "\n"));
        set("gpgkey", joined(&self.gpgkey, "\n"));
        set("exclude", joined(&self.exclude, " "));
        set("includepkgs", joined(&self.includepkgs, " "));
        for (key, secret) in
            [("password", &self.password), ("proxy_password", &self.proxy_password)]
        {
            set(key, secret.as_ref().map(|secret| secret.reveal().clone()));
        }
        for (key, word) in [
            ("failovermethod", self.failovermethod.map(Failover::as_str)),
            ("http_caching", self.http_caching.map(Caching::as_str)),
            ("ip_resolve", self.ip_resolve.map(Resolve::as_str)),
            ("keepcache", self.keepcache.map(Keep::as_str)),
            ("metadata_expire_filter", self.metadata_expire_filter.map(Filter::as_str)),
        ] {
            set(key, word.map(str::to_owned));
        }
        for (key, flag) in [
            ("async", self.async_),
            ("countme", self.countme),
            ("enabled", self.enabled),
            ("enablegroups", self.enablegroups),
            ("gpgcheck", self.gpgcheck),
            ("keepalive", self.keepalive),
            ("module_hotfixes", self.module_hotfixes),
            ("protect", self.protect),
            ("repo_gpgcheck", self.repo_gpgcheck),
            ("s3_enabled", self.s3_enabled),
            ("skip_if_unavailable", self.skip_if_unavailable),
            ("ssl_check_cert_permissions", self.ssl_check_cert_permissions),
            ("sslverify", self.sslverify),
        ] {
            set(key, flag.map(|flag| u8::from(flag).to_string()));
        }
        for (key, text) in [
            ("bandwidth", &self.bandwidth),
            ("cost", &self.cost),
            ("deltarpm_metadata_percentage", &self.deltarpm_metadata_percentage),
            ("deltarpm_percentage", &self.deltarpm_percentage),
            ("gpgcakey", &self.gpgcakey),
            ("include", &self.include),
            ("metadata_expire", &self.metadata_expire),
            ("metalink", &self.metalink),
            ("mirrorlist", &self.mirrorlist),
            ("mirrorlist_expire", &self.mirrorlist_expire),
            ("priority", &self.priority),
            ("proxy", &self.proxy),
            ("proxy_username", &self.proxy_username),
            ("retries", &self.retries),
            ("sslcacert", &self.sslcacert),
            ("sslclientcert", &self.sslclientcert),
            ("sslclientkey", &self.sslclientkey),
            ("throttle", &self.throttle),
            ("timeout", &self.timeout),
            ("ui_repoid_vars", &self.ui_repoid_vars),
            ("username", &self.username),
        ] {
            set(key, text.clone());
        }
        keys
    }
}

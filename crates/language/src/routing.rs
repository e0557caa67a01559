//! Short names of modules that left ansible-core: content still uses them, and each means a module of one collection.

const POSIX: &[&str] = &[
    "acl",
    "at",
    "authorized_key",
    "firewalld",
    "mount",
    "patch",
    "seboolean",
    "selinux",
    "synchronize",
    "sysctl",
];
const GENERAL: &[&str] = &[
    "alternatives",
    "apache2_mod_proxy",
    "apache2_module",
    "apk",
    "archive",
    "bower",
    "bundler",
    "capabilities",
    "composer",
    "consul",
    "cpanm",
    "cronvar",
    "datadog_event",
    "deploy_helper",
    "dconf",
    "django_manage",
    "easy_install",
    "ejabberd_user",
    "etcd3",
    "filesystem",
    "flatpak",
    "flatpak_remote",
    "gem",
    "git_config",
    "github_key",
    "github_release",
    "gitlab_project",
    "gitlab_runner",
    "gitlab_user",
    "haproxy",
    "hipchat",
    "homebrew",
    "homebrew_cask",
    "homebrew_tap",
    "htpasswd",
    "ini_file",
    "interfaces_file",
    "ipa_group",
    "ipa_user",
    "iso_extract",
    "java_cert",
    "java_keystore",
    "jenkins_job",
    "jenkins_plugin",
    "jira",
    "kernel_blacklist",
    "keycloak_client",
    "ldap_attrs",
    "ldap_entry",
    "listen_ports_facts",
    "locale_gen",
    "lvg",
    "lvol",
    "lxd_container",
    "macports",
    "mail",
    "make",
    "maven_artifact",
    "modprobe",
    "monit",
    "nagios",
    "nmcli",
    "npm",
    "opkg",
    "osx_defaults",
    "pacman",
    "pam_limits",
    "pamd",
    "parted",
    "pear",
    "pids",
    "pkgng",
    "portage",
    "proxmox",
    "proxmox_kvm",
    "puppet",
    "redis",
    "rhsm_release",
    "rhsm_repository",
    "redhat_subscription",
    "runit",
    "sefcontext",
    "selinux_permissive",
    "sensu_check",
    "seport",
    "slack",
    "snap",
    "sorcery",
    "supervisorctl",
    "svc",
    "swupd",
    "syslogger",
    "syspatch",
    "telegram",
    "terraform",
    "timezone",
    "ufw",
    "urpmi",
    "vertica_user",
    "xattr",
    "xbps",
    "xfconf",
    "xfs_quota",
    "xml",
    "yarn",
    "zfs",
    "zypper",
    "zypper_repository",
];
const CRYPTO: &[&str] = &[
    "acme_account",
    "acme_certificate",
    "acme_inspect",
    "certificate_complete_chain",
    "ecs_certificate",
    "get_certificate",
    "luks_device",
    "openssh_cert",
    "openssh_keypair",
    "openssl_csr",
    "openssl_csr_info",
    "openssl_dhparam",
    "openssl_pkcs12",
    "openssl_privatekey",
    "openssl_privatekey_info",
    "openssl_publickey",
    "x509_crl",
];
const DOCKER: &[&str] = &[
    "docker_compose",
    "docker_config",
    "docker_container",
    "docker_container_info",
    "docker_host_info",
    "docker_image",
    "docker_image_info",
    "docker_login",
    "docker_network",
    "docker_network_info",
    "docker_node",
    "docker_prune",
    "docker_secret",
    "docker_stack",
    "docker_swarm",
    "docker_swarm_info",
    "docker_swarm_service",
    "docker_volume",
];
const MYSQL: &[&str] = &[
    "mysql_db",
    "mysql_info",
    "mysql_query",
    "mysql_replication",
    "mysql_user",
    "mysql_variables",
];
const POSTGRESQL: &[&str] = &[
    "postgresql_copy",
    "postgresql_db",
    "postgresql_ext",
    "postgresql_idx",
    "postgresql_info",
    "postgresql_lang",
    "postgresql_membership",
    "postgresql_owner",
    "postgresql_pg_hba",
    "postgresql_ping",
    "postgresql_privs",
    "postgresql_query",
    "postgresql_schema",
    "postgresql_sequence",
    "postgresql_set",
    "postgresql_slot",
    "postgresql_table",
    "postgresql_tablespace",
    "postgresql_user",
];
const RABBITMQ: &[&str] = &[
    "rabbitmq_binding",
    "rabbitmq_exchange",
    "rabbitmq_parameter",
    "rabbitmq_plugin",
    "rabbitmq_policy",
    "rabbitmq_queue",
    "rabbitmq_user",
    "rabbitmq_vhost",
];
const COLLECTIONS: &[(&str, &[&str])] = &[
    ("ansible.posix", POSIX),
    ("community.general", GENERAL),
    ("community.crypto", CRYPTO),
    ("community.docker", DOCKER),
    ("community.mysql", MYSQL),
    ("community.postgresql", POSTGRESQL),
    ("community.rabbitmq", RABBITMQ),
];
/// Names that became other names.
const RENAMED: &[(&str, &str)] = &[
    ("openssl_certificate", "community.crypto.x509_certificate"),
    ("openssl_certificate_info", "community.crypto.x509_certificate_info"),
];

/// Collections that modules left for collections of their own.
const LEFT: &[&str] = &["community.general.", "ansible.mysql."];

/// The full name that a short one means, or one of a collection that its module left.
pub(crate) fn routed(name: &str) -> Option<String> {
    let left = LEFT.iter().find_map(|collection| name.strip_prefix(collection));
    let short = left.unwrap_or(name);
    let renamed = RENAMED.iter().find(|(old, _)| *old == short).map(|(_, new)| (*new).to_owned());
    renamed.or_else(|| {
        let (collection, _) = COLLECTIONS.iter().find(|(_, names)| names.contains(&short))?;
        Some(format!("{collection}.{short}")).filter(|full| full != name)
    })
}

/// Groups of `module_defaults` that ansible-core names, and the collection that each leads to.
const GROUPS: &[(&str, &str)] = &[
    ("acme", "community.crypto"),
    ("aws", "amazon.aws"),
    ("azure", "azure.azcollection"),
    ("cpm", "wti.remote"),
    ("docker", "community.docker"),
    ("gcp", "google.cloud"),
    ("k8s", "kubernetes.core"),
    ("os", "openstack.cloud"),
    ("ovirt", "ovirt.ovirt"),
    ("vmware", "community.vmware"),
];

/// Groups of collections whose modules are ours, and what the names in them begin with.
const OUR_GROUPS: &[(&str, &str, &str)] = &[
    ("community.crypto", "acme", "acme_"),
    ("community.docker", "docker", "docker_"),
    ("community.postgresql", "postgresql", "postgresql_"),
];

/// The actions of a group that is known without its collection; `None` for others.
pub(crate) fn group(name: &str, ours: &[std::sync::Arc<str>]) -> Option<Vec<String>> {
    let short = name.strip_prefix("ansible.builtin.").unwrap_or(name);
    let (collection, group) = match GROUPS.iter().find(|(known, _)| *known == short) {
        Some((group, collection)) => (*collection, *group),
        None => {
            let (collection, inner) = crate::collections::split(name)?;
            OUR_GROUPS
                .iter()
                .find(|(known, group, _)| *known == collection && *group == inner)
                .map(|(collection, group, _)| (*collection, *group))?
        }
    };
    let begins =
        OUR_GROUPS.iter().find(|(known, inner, _)| *known == collection && *inner == group);
    let Some((_, _, begins)) = begins else { return Some(Vec::new()) };
    let start = format!("{collection}.{begins}");
    Some(ours.iter().filter(|name| name.starts_with(&start)).map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_lead_to_one_collection() {
        for (short, full) in [
            ("sysctl", Some("ansible.posix.sysctl")),
            ("ini_file", Some("community.general.ini_file")),
            ("openssl_certificate", Some("community.crypto.x509_certificate")),
            ("copy", None),
            ("ansible.posix.sysctl", None),
            ("community.general.docker_network", Some("community.docker.docker_network")),
            ("community.general.ini_file", None),
        ] {
            assert_eq!(routed(short).as_deref(), full, "{short}");
        }
        let all: Vec<&str> =
            COLLECTIONS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let unique: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(all.len(), unique.len(), "a name stands twice");
    }
}

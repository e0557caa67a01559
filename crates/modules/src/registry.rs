//! The table of modules: one line each.

use model::Step;
use system::System;

use crate::arguments::{Arguments, Spec};
use crate::runner::{Examined, Purpose, run_module};

/// A module as the table knows it.
pub struct Entry {
    /// Its short name, as the user writes it.
    pub name: &'static str,
    /// The collection it belongs to, e.g. `ansible.builtin`.
    pub collection: &'static str,
    /// Its arguments and their documentation.
    pub spec: fn() -> &'static Spec,
    pub(crate) run: fn(&Step, &dyn System, Purpose) -> Examined,
}

macro_rules! modules {
    ($($name:literal in $collection:literal => $type:ty $(= $run:path)?,)*) => {
        /// Every module, in the order of the table.
        pub static MODULES: &[Entry] = &[$(
            Entry {
                name: $name,
                collection: $collection,
                spec: <$type as Arguments>::spec,
                run: modules!(@run $type $(, $run)?),
            },
        )*];
    };
    (@run $type:ty) => { run_module::<$type> };
    (@run $type:ty, $run:path) => { $run };
}

modules! {
    "async_status" in "ansible.builtin" => crate::async_status::AsyncStatus,
    "apt" in "ansible.builtin" => crate::apt::Apt,
    "apt_key" in "ansible.builtin" => crate::apt_key::AptKey,
    "assemble" in "ansible.builtin" => crate::assemble::Assemble,
    "blockinfile" in "ansible.builtin" => crate::blockinfile::Blockinfile,
    "apt_repository" in "ansible.builtin" => crate::apt_repository::AptRepository,
    "command" in "ansible.builtin" => crate::command::Command,
    "copy" in "ansible.builtin" => crate::copy::Copy,
    "cron" in "ansible.builtin" => crate::cron::Cron,
    "deb822_repository" in "ansible.builtin" => crate::deb822_repository::Deb822Repository,
    "debconf" in "ansible.builtin" => crate::debconf::Debconf,
    "dnf" in "ansible.builtin" => crate::dnf::Dnf,
    "dnf5" in "ansible.builtin" => crate::dnf::Dnf5,
    "dpkg_selections" in "ansible.builtin" => crate::dpkg_selections::DpkgSelections,
    "expect" in "ansible.builtin" => crate::expect::Expect,
    "external_module" in "muster.internal" => crate::external::External,
    "file" in "ansible.builtin" => crate::file::File,
    "find" in "ansible.builtin" => crate::find::Find,
    "gather_facts" in "ansible.builtin" => crate::gather_facts::GatherFacts,
    "get_url" in "ansible.builtin" => crate::get_url::GetUrl,
    "getent" in "ansible.builtin" => crate::getent::Getent,
    "git" in "ansible.builtin" => crate::git::Git,
    "group" in "ansible.builtin" => crate::group::Group,
    "hostname" in "ansible.builtin" => crate::hostname::Hostname,
    "iptables" in "ansible.builtin" => crate::iptables::Iptables,
    "known_hosts" in "ansible.builtin" => crate::known_hosts::KnownHosts,
    "lineinfile" in "ansible.builtin" => crate::lineinfile::Lineinfile,
    "mount_facts" in "ansible.builtin" => crate::mount_facts::MountFacts,
    "package" in "ansible.builtin" => crate::package::Package = crate::package::run,
    "package_facts" in "ansible.builtin" => crate::package_facts::PackageFacts,
    "ping" in "ansible.builtin" => crate::ping::Ping,
    "pip" in "ansible.builtin" => crate::pip::Pip,
    "raw" in "ansible.builtin" => crate::raw::Raw,
    "replace" in "ansible.builtin" => crate::replace::Replace,
    "rpm_key" in "ansible.builtin" => crate::rpm_key::RpmKey,
    "script" in "ansible.builtin" => crate::script::Script,
    "service" in "ansible.builtin" => crate::service::Service,
    "service_facts" in "ansible.builtin" => crate::service_facts::ServiceFacts,
    "setup" in "ansible.builtin" => crate::setup::Setup,
    "shell" in "ansible.builtin" => crate::command::Shell,
    "slurp" in "ansible.builtin" => crate::slurp::Slurp,
    "stat" in "ansible.builtin" => crate::stat::Stat,
    "subversion" in "ansible.builtin" => crate::subversion::Subversion,
    "systemd" in "ansible.builtin" => crate::systemd::Systemd,
    "systemd_service" in "ansible.builtin" => crate::systemd::Systemd,
    "sysvinit" in "ansible.builtin" => crate::sysvinit::Sysvinit,
    "unarchive" in "ansible.builtin" => crate::unarchive::Unarchive,
    "tempfile" in "ansible.builtin" => crate::tempfile::Tempfile,
    "uri" in "ansible.builtin" => crate::uri::Uri,
    "user" in "ansible.builtin" => crate::user::User,
    "wait_for" in "ansible.builtin" => crate::wait_for::WaitFor,
    "yum" in "ansible.builtin" => crate::dnf::Dnf,
    "acl" in "ansible.posix" => crate::posix::acl::Acl,
    "authorized_key" in "ansible.posix" => crate::posix::authorized_key::AuthorizedKey,
    "firewalld" in "ansible.posix" => crate::posix::firewalld::Firewalld,
    "mount" in "ansible.posix" => crate::posix::mount::Mount = crate::posix::mount::run,
    "seboolean" in "ansible.posix" => crate::posix::seboolean::Seboolean,
    "selinux" in "ansible.posix" => crate::posix::selinux::Selinux,
    "synchronize" in "ansible.posix" => crate::posix::synchronize::Synchronize,
    "sysctl" in "ansible.posix" => crate::posix::sysctl::Sysctl,
    "yum_repository" in "ansible.builtin" => crate::yum_repository::YumRepository,
    "docker_compose_v2" in "community.docker" => crate::docker::docker_compose_v2::DockerComposeV2,
    "docker_container" in "community.docker" => crate::docker::docker_container::DockerContainer,
    "docker_container_exec" in "community.docker" => crate::docker::docker_container_exec::DockerContainerExec,
    "docker_container_info" in "community.docker" => crate::docker::info::DockerContainerInfo,
    "docker_host_info" in "community.docker" => crate::docker::info::DockerHostInfo,
    "docker_image" in "community.docker" => crate::docker::docker_image::DockerImage,
    "docker_image_info" in "community.docker" => crate::docker::info::DockerImageInfo,
    "docker_image_pull" in "community.docker" => crate::docker::docker_image_pull::DockerImagePull,
    "docker_login" in "community.docker" => crate::docker::docker_login::DockerLogin,
    "docker_network" in "community.docker" => crate::docker::docker_network::DockerNetwork,
    "docker_network_info" in "community.docker" => crate::docker::info::DockerNetworkInfo,
    "docker_prune" in "community.docker" => crate::docker::docker_prune::DockerPrune,
    "docker_volume" in "community.docker" => crate::docker::docker_volume::DockerVolume,
    "docker_volume_info" in "community.docker" => crate::docker::info::DockerVolumeInfo,
    "mysql_db" in "community.mysql" => crate::mysql::mysql_db::MysqlDb,
    "mysql_info" in "community.mysql" => crate::mysql::mysql_info::MysqlInfo,
    "mysql_query" in "community.mysql" => crate::mysql::mysql_query::MysqlQuery,
    "mysql_user" in "community.mysql" => crate::mysql::mysql_user::MysqlUser,
    "mysql_variables" in "community.mysql" => crate::mysql::mysql_variables::MysqlVariables,
    "alternatives" in "community.general" => crate::general::alternatives::Alternatives,
    "archive" in "community.general" => crate::general::archive::Archive,
    "capabilities" in "community.general" => crate::general::capabilities::Capabilities,
    "git_config" in "community.general" => crate::general::git_config::GitConfig,
    "git_config_info" in "community.general" => crate::general::git_config::GitConfigInfo,
    "htpasswd" in "community.general" => crate::general::htpasswd::Htpasswd,
    "ini_file" in "community.general" => crate::general::ini_file::IniFile,
    "kernel_blacklist" in "community.general" => crate::general::kernel_blacklist::KernelBlacklist,
    "locale_gen" in "community.general" => crate::general::locale_gen::LocaleGen,
    "make" in "community.general" => crate::general::make::Make,
    "modprobe" in "community.general" => crate::general::modprobe::Modprobe,
    "filesystem" in "community.general" => crate::general::filesystem::Filesystem,
    "parted" in "community.general" => crate::general::parted::Parted,
    "lvg" in "community.general" => crate::general::lvg::Lvg,
    "lvol" in "community.general" => crate::general::lvol::Lvol,
    "seport" in "community.general" => crate::general::seport::Seport,
    "pacman" in "community.general" => crate::general::pacman::Pacman,
    "composer" in "community.general" => crate::general::composer::Composer,
    "apk" in "community.general" => crate::general::apk::Apk,
    "zypper" in "community.general" => crate::general::zypper::Zypper,
    "npm" in "community.general" => crate::general::npm::Npm,
    "pam_limits" in "community.general" => crate::general::pam_limits::PamLimits,
    "sudoers" in "community.general" => crate::general::sudoers::Sudoers,
    "timezone" in "community.general" => crate::general::timezone::Timezone,
    "ufw" in "community.general" => crate::general::ufw::Ufw,
    "xml" in "community.general" => crate::general::xml::Xml,
    "rabbitmq_plugin" in "community.rabbitmq" => crate::rabbitmq::rabbitmq_plugin::RabbitmqPlugin,
    "rabbitmq_vhost" in "community.rabbitmq" => crate::rabbitmq::rabbitmq_vhost::RabbitmqVhost,
    "postgresql_db" in "community.postgresql" => crate::postgresql::postgresql_db::PostgresqlDb,
    "postgresql_ext" in "community.postgresql" => crate::postgresql::postgresql_ext::PostgresqlExt,
    "postgresql_ping" in "community.postgresql" => crate::postgresql::postgresql_ping::PostgresqlPing,
    "postgresql_privs" in "community.postgresql" => crate::postgresql::postgresql_privs::PostgresqlPrivs,
    "postgresql_query" in "community.postgresql" => crate::postgresql::postgresql_query::PostgresqlQuery,
    "postgresql_schema" in "community.postgresql" => crate::postgresql::postgresql_schema::PostgresqlSchema,
    "postgresql_user" in "community.postgresql" => crate::postgresql::postgresql_user::PostgresqlUser,
    "openssh_keypair" in "community.crypto" => crate::crypto::openssh_keypair::OpensshKeypair,
    "openssl_csr" in "community.crypto" => crate::crypto::openssl_csr::OpensslCsr,
    "openssl_privatekey" in "community.crypto" => crate::crypto::openssl_privatekey::OpensslPrivatekey,
    "openssl_publickey" in "community.crypto" => crate::crypto::openssl_publickey::OpensslPublickey,
    "x509_certificate" in "community.crypto" => crate::crypto::x509_certificate::X509Certificate,
}

/// A module by its short or full name (`copy`, `ansible.builtin.copy`, `ansible.legacy.copy`).
pub fn find(name: &str) -> Option<&'static Entry> {
    let (collection, short) = match name.rsplit_once('.') {
        Some((collection, short)) => (Some(collection), short),
        None => (None, name),
    };
    MODULES.iter().find(|entry| {
        entry.name == short
            && match collection {
                None => true,
                Some("ansible.legacy") => entry.collection == "ansible.builtin",
                Some(collection) => entry.collection == collection,
            }
    })
}

/// The short names of all modules.
pub fn names() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|entry| entry.name)
}

/// The module whose name is spelt most nearly like `name`, when one is near.
pub fn nearest(name: &str) -> Option<&'static str> {
    let short = name.rsplit_once('.').map_or(name, |(_, short)| short);
    nearest_of(short, names())
}

/// The candidate spelt most nearly like `word`, when one is near.
pub(crate) fn nearest_of<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

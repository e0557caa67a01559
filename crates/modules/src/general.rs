//! Modules of `community.general`.

pub(crate) mod alternatives;
pub(crate) mod apk;
pub(crate) mod archive;
pub(crate) mod capabilities;
pub(crate) mod composer;
pub(crate) mod filesystem;
pub(crate) mod git_config;
pub(crate) mod htpasswd;
pub(crate) mod ini_file;
pub(crate) mod kernel_blacklist;
pub(crate) mod locale_gen;
pub(crate) mod lvg;
pub(crate) mod lvm;
pub(crate) mod lvol;
pub(crate) mod make;
pub(crate) mod modprobe;
pub(crate) mod npm;
pub(crate) mod pacman;
pub(crate) mod pam_limits;
pub(crate) mod parted;
pub(crate) mod seport;
pub(crate) mod sudoers;
pub(crate) mod timezone;
pub(crate) mod ufw;
pub(crate) mod xml;
pub(crate) mod zypper;

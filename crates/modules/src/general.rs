//! Modules of `community.general`.

pub(crate) mod git_config;
pub(crate) mod ini_file;
pub(crate) mod kernel_blacklist;
pub(crate) mod make;
pub(crate) mod npm;
pub(crate) mod pam_limits;
pub(crate) mod sudoers;

//! Modules of `ansible.posix`.

pub(crate) mod acl;
pub(crate) mod authorized_key;
pub(crate) mod firewalld;
pub(crate) mod mount;
pub(crate) mod seboolean;
pub(crate) mod selinux;
pub(crate) mod synchronize;
pub(crate) mod sysctl;

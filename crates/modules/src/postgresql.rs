//! `community.postgresql`: databases and roles. The protocol is the crate `databases`.

mod login;

pub(crate) mod postgresql_db;
pub(crate) mod postgresql_user;

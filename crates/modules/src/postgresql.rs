//! `community.postgresql`: databases, roles, and what is in databases. The protocol is the crate `databases`.

mod login;

pub(crate) mod postgresql_db;
pub(crate) mod postgresql_ext;
pub(crate) mod postgresql_ping;
pub(crate) mod postgresql_privs;
pub(crate) mod postgresql_query;
pub(crate) mod postgresql_schema;
pub(crate) mod postgresql_user;

//! `community.mysql`: databases, users, settings and statements of MySQL and MariaDB. The protocol is the crate
//! `databases`.

mod login;

pub(crate) mod mysql_db;
pub(crate) mod mysql_info;
pub(crate) mod mysql_query;
pub(crate) mod mysql_user;
pub(crate) mod mysql_variables;

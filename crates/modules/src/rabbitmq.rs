//! Modules of `community.rabbitmq`.

pub(crate) mod rabbitmq_plugin;
pub(crate) mod rabbitmq_vhost;

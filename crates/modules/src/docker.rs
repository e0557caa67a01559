//! `community.docker`: containers, images, networks and volumes. The modules speak to Docker's Engine API, through its
//! socket or over TCP; only `docker_compose_v2` needs a program, Docker's own.

mod engine;
mod image;
mod registry;
mod size;

pub(crate) mod docker_compose_v2;
pub(crate) mod docker_container;
pub(crate) mod docker_container_exec;
pub(crate) mod docker_image;
pub(crate) mod docker_image_pull;
pub(crate) mod docker_login;
pub(crate) mod docker_network;
pub(crate) mod docker_prune;
pub(crate) mod docker_volume;
pub(crate) mod info;

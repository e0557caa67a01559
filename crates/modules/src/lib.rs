//! The modules: what a playbook's tasks do to a host, in native code. One file a module, named as the user names it.
//!
//! A module is handed a door to the host (`system`) and parsed arguments. It knows neither templates, nor the network
//! protocol, nor whether this is check mode.

mod arguments;
mod async_status;
mod codec;
mod content;
mod contract;
mod diff;
mod edits;
mod files;
mod git;
mod glob;
mod pattern;
mod registry;
mod runner;
mod text;

mod apt;
mod apt_repository;
mod assemble;
mod blockinfile;
mod command;
mod copy;
mod cron;
mod crypto;
mod deb822_repository;
mod debconf;
mod dnf;
mod dpkg_selections;
mod expect;
mod external;
mod file;
mod find;
mod gather_facts;
mod general;
mod get_url;
mod getent;
mod group;
mod hostname;
mod http;
mod iptables;
mod known_hosts;
mod lineinfile;
mod package;
mod package_facts;
mod ping;
mod pip;
mod posix;
mod postgresql;
mod rabbitmq;
mod raw;
mod replace;
mod script;
mod service;
mod service_facts;
mod setup;
mod slurp;
mod stat;
mod systemd;
mod sysvinit;
mod tempfile;
mod tool;
mod unarchive;
mod uri;
mod user;
mod wait_for;
mod yum_repository;

pub use arguments::{ArgType, Arguments, Field, Mismatch, Reader, Rules, Spec};
pub use contract::{Change, Check, Failure, Module};
pub use external::program_outcome;
pub use registry::{Entry, MODULES, NOT_YET, find, names, nearest};
pub use runner::{Answer, Examined, Purpose, examine, in_doubt, run};
pub use tool::find_program;

//! Modules of `community.general`.

pub(crate) mod npm;

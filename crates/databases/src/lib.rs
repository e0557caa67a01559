//! Database servers, spoken to by modules: sessions, statements, and passwords as servers keep them. It knows no modules,
//! no hosts and no files.

pub mod mysql;
pub mod postgresql;

/// A text that prints as nothing.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

//! Database servers, spoken to by modules: sessions, statements, and passwords as servers keep them. It knows no modules,
//! no hosts and no files.

pub mod postgresql;

//! Later.
pub(crate) fn register(_environment: &mut crate::Environment) {}

//! The choice that most modules offer: there, or not there.

use super::choices;

choices! {
    /// Whether something shall be there.
    pub enum Presence {
        /// It shall not be there.
        Absent = "absent",
        /// It shall be there.
        Present = "present",
    }
}

impl Presence {
    pub(crate) fn is_present(self) -> bool {
        self == Self::Present
    }
}

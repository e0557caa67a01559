//! What is known about a value besides its content: one byte of flags that survives every operation.

use std::ops::BitOr;

/// A set of marks.
///
/// `SECRET` holds for the value and everything inside it; `HOLDS_SECRET` says that something inside carries it.
/// Containers compute `HOLDS_SECRET` and `TEMPLATE` from their elements when they are built.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Marks(u8);

impl Marks {
    /// No mark: plain data.
    pub const NONE: Self = Self(0);
    /// Text written in a trusted source file.
    pub const TRUSTED: Self = Self(1);
    /// Must not be shown.
    pub const SECRET: Self = Self(2);
    /// Contains something that must not be shown.
    pub const HOLDS_SECRET: Self = Self(4);
    /// Not known (with `TEMPLATE`, so that using it is an evaluation, and an error): what check mode did not do.
    pub const UNKNOWN: Self = Self(8);
    /// A dict of which not all is known: using a key that it does not have is an error of the same kind.
    pub const PARTIAL: Self = Self(16);
    /// Is, or contains, a trusted template that has not been evaluated yet.
    pub const TEMPLATE: Self = Self(32);
    /// Is encrypted text (with `TEMPLATE`), or what such a text hides (without).
    pub const SEALED: Self = Self(64);

    /// The marks that a value hands on to what is computed from it.
    const TAINT: u8 = Self::SECRET.0;
    const HOLDS: u8 = Self::HOLDS_SECRET.0;

    /// Whether all of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is set.
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// This set without `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What an element hands to its container.
    pub(crate) const fn to_container(self) -> Self {
        Self((self.0 & (Self::HOLDS | Self::TEMPLATE.0)) | ((self.0 & Self::TAINT) << 1))
    }

    /// What a container hands to the elements read from it.
    pub(crate) const fn to_element(self) -> Self {
        Self(self.0 & Self::TAINT)
    }

    /// What a scalar computed from this value carries: an element's mark is enough.
    pub(crate) const fn to_scalar(self) -> Self {
        Self((self.0 & Self::TAINT) | ((self.0 & Self::HOLDS) >> 1))
    }
}

impl BitOr for Marks {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Marks;

    #[test]
    fn marks_move_between_containers_and_elements() {
        assert_eq!(Marks::SECRET.to_container(), Marks::HOLDS_SECRET);
        assert_eq!(Marks::HOLDS_SECRET.to_container(), Marks::HOLDS_SECRET);
        assert_eq!(Marks::TRUSTED.to_container(), Marks::NONE);
        assert_eq!(Marks::TEMPLATE.to_container(), Marks::TEMPLATE);
        assert_eq!(Marks::HOLDS_SECRET.to_element(), Marks::NONE);
        assert_eq!(Marks::HOLDS_SECRET.to_scalar(), Marks::SECRET);
        assert_eq!((Marks::SECRET | Marks::TRUSTED).to_scalar(), Marks::SECRET);
    }
}

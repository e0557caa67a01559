//! Several reporters over one stream of events.

use std::io;

use model::Event;

use crate::Reporter;

/// Shows every event to all of its reporters, in their order.
pub struct Several(Vec<Box<dyn Reporter>>);

impl Several {
    /// The first one sees each event first.
    pub fn new(reporters: Vec<Box<dyn Reporter>>) -> Self {
        Self(reporters)
    }
}

impl Reporter for Several {
    fn see(&mut self, event: &Event) -> io::Result<()> {
        self.0.iter_mut().try_for_each(|reporter| reporter.see(event))
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.into_iter().try_for_each(super::Reporter::finish)
    }
}

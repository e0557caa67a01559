//! How long to stay away after a failed connection: a random time below a limit that doubles, so that a fleet does not
//! come back all at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_mins(1);

/// The state: how often it has failed in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A connection was good.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed (again): how long to wait. `chance` is a random number.
    pub(crate) fn next(&mut self, chance: u64) -> Duration {
        let limit = FIRST.saturating_mul(1 << self.failures.min(16)).min(LAST);
        self.failures += 1;
        Duration::from_millis(chance % (limit.as_millis() as u64 + 1))
    }
}

/// A random number.
pub(crate) fn chance() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_doubles_up_to_a_minute() {
        let mut backoff = Backoff::default();
        let mut limits = [1, 2, 4, 8, 16, 32, 60, 60].into_iter();
        for limit in &mut limits {
            let limit = Duration::from_secs(limit);
            assert_eq!(backoff.next(limit.as_millis() as u64), limit);
        }
        backoff.reset();
        assert!(backoff.next(u64::MAX) <= FIRST);
        for _ in 0..1000 {
            assert!(backoff.next(chance()) <= LAST);
        }
    }
}

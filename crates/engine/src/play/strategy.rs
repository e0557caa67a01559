//! Strategies: which hosts begin which task next. Pure decisions over where hosts stand; nothing is started here.

use std::collections::VecDeque;

/// How the hosts of a play go through its tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// All hosts do a task before any host does the next one.
    #[default]
    Linear,
    /// Every host goes on as fast as it can.
    Free,
    /// As `free`, but no more hosts than forks are in the play at once.
    HostPinned,
}

impl Strategy {
    /// The strategy of a name, and whether the name is one that is only approximated.
    pub(crate) fn by_name(name: &str) -> Option<(Self, bool)> {
        let short = name
            .strip_prefix("ansible.builtin.")
            .or_else(|| name.strip_prefix("ansible.legacy."))
            .unwrap_or(name);
        match short {
            "linear" => Some((Self::Linear, false)),
            "free" => Some((Self::Free, false)),
            "host_pinned" => Some((Self::HostPinned, false)),
            "debug" => Some((Self::Linear, true)),
            _ => None,
        }
    }

    /// Whether each host is on its own.
    pub(crate) fn is_free(self) -> bool {
        self != Self::Linear
    }
}

/// What a strategy sees of a play.
pub(crate) struct View<'a> {
    /// Hosts that wait for their next task, by number; the one that has waited longest comes first.
    pub(crate) idle: &'a VecDeque<usize>,
    /// How many hosts are at work.
    pub(crate) running: usize,
    /// The most hosts that may work at once.
    pub(crate) forks: usize,
    /// Whether a host has begun the play.
    pub(crate) begun: &'a dyn Fn(usize) -> bool,
    /// How many hosts have begun the play and not ended it.
    pub(crate) under_way: usize,
}

impl Strategy {
    /// The hosts that may be looked at for their next task; empty: wait until a host is done with what it does.
    pub(crate) fn candidates(self, view: &View<'_>) -> Vec<usize> {
        let room = view.forks.saturating_sub(view.running);
        match self {
            Self::Linear if view.running > 0 => Vec::new(),
            Self::Linear => view.idle.iter().copied().collect(),
            Self::Free => view.idle.iter().copied().take(room).collect(),
            Self::HostPinned => {
                let mut new = view.forks.saturating_sub(view.under_way);
                let admitted = |host: &usize| {
                    let is_in = (view.begun)(*host);
                    let is_let_in = !is_in && new > 0;
                    new -= usize::from(is_let_in);
                    is_in || is_let_in
                };
                view.idle.iter().copied().filter(admitted).take(room).collect()
            }
        }
    }

    /// Of hosts that stand at these tasks, by number, those that begin now: in groups that do one task together.
    pub(crate) fn groups<'k, K: Ord + 'k>(
        self,
        tasks: impl Iterator<Item = &'k K> + Clone,
    ) -> Vec<Vec<usize>> {
        if self.is_free() {
            return (0..tasks.count()).map(|host| vec![host]).collect();
        }
        let Some(first) = tasks.clone().min() else { return Vec::new() };
        let together = tasks.enumerate().filter(|(_, key)| *key == first);
        vec![together.map(|(host, _)| host).collect()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(
        strategy: Strategy,
        idle: &[usize],
        running: usize,
        begun: &[usize],
    ) -> Vec<usize> {
        let idle: VecDeque<usize> = idle.iter().copied().collect();
        let is_begun = |host: usize| begun.contains(&host);
        strategy.candidates(&View {
            idle: &idle,
            running,
            forks: 2,
            begun: &is_begun,
            under_way: begun.len(),
        })
    }

    #[test]
    fn linear_waits_for_all_and_then_takes_the_first_task() {
        assert_eq!(candidates(Strategy::Linear, &[0, 2], 1, &[]), [0; 0]);
        assert_eq!(candidates(Strategy::Linear, &[0, 2, 1], 0, &[]), [0, 2, 1]);
        assert_eq!(Strategy::Linear.groups([7, 3, 3].iter()), [[1, 2]]);
        assert!(Strategy::Linear.groups::<u8>([].iter()).is_empty());
    }

    #[test]
    fn free_starts_whoever_waited_longest_while_there_is_room() {
        assert_eq!(candidates(Strategy::Free, &[4, 1, 2], 0, &[]), [4, 1]);
        assert_eq!(candidates(Strategy::Free, &[4, 1, 2], 2, &[]), [0; 0]);
        assert_eq!(Strategy::Free.groups([7, 3].iter()), [[0], [1]]);
    }

    #[test]
    fn host_pinned_lets_no_new_host_in_before_one_has_ended() {
        assert_eq!(candidates(Strategy::HostPinned, &[2, 3, 0], 1, &[0, 1]), [0]);
        assert_eq!(candidates(Strategy::HostPinned, &[2, 3, 0], 0, &[0]), [2, 0]);
    }

    #[test]
    fn strategies_have_names() {
        assert_eq!(Strategy::by_name("ansible.builtin.free"), Some((Strategy::Free, false)));
        assert_eq!(Strategy::by_name("debug"), Some((Strategy::Linear, true)));
        assert_eq!(Strategy::by_name("mitogen_linear"), None);
    }
}

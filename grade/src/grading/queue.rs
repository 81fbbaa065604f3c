//! In which order checks start, of which several run at once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::check::Check;

/// The checks that have not started yet.
pub(super) struct Queue {
    /// The slow ones, and what has to pass before them.
    early: BTreeSet<&'static str>,
    state: Mutex<State>,
}

struct State {
    /// In their order.
    waiting: Vec<&'static Check>,
    /// The ids of those that have not ended.
    open: BTreeSet<&'static str>,
}

impl Queue {
    pub fn new(checks: &[&'static Check]) -> Queue {
        let mut early = BTreeSet::new();
        let mut next: Vec<&'static Check> = checks.iter().copied().filter(|check| check.slow).collect();
        while let Some(check) = next.pop() {
            if early.insert(check.id) {
                next.extend(checks.iter().copied().filter(|other| check.after.contains(&other.id)));
            }
        }
        let open = checks.iter().map(|check| check.id).collect();
        Queue { early, state: Mutex::new(State { waiting: checks.to_vec(), open }) }
    }

    /// The first that waits for no other, if there is one; with `slow`, one that takes long before all others.
    pub fn next(&self, slow: bool) -> Option<&'static Check> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { waiting, open } = &mut *state;
        let later = |check: &Check| {
            (check.after.iter().any(|id| open.contains(id)), slow && !self.early.contains(check.id))
        };
        let place = (0..waiting.len()).min_by_key(|place| later(waiting[*place]))?;
        Some(waiting.remove(place))
    }

    pub fn ended(&self, check: &Check) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open.remove(check.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Check = Check { id: "first", ..Check::NEW };
    const SECOND: Check = Check { id: "second", after: &["first"], ..Check::NEW };
    const THIRD: Check = Check { id: "third", ..Check::NEW };
    const SLOW: Check = Check { id: "slow", after: &["third"], slow: true, ..Check::NEW };
    const ALL: [&Check; 4] = [&FIRST, &SECOND, &THIRD, &SLOW];

    fn id(check: Option<&Check>) -> &'static str {
        check.map_or("none", |check| check.id)
    }

    #[test]
    fn the_order_is_kept_but_for_what_waits_for_another() {
        let queue = Queue::new(&ALL);
        assert_eq!(id(queue.next(false)), "first");
        assert_eq!(id(queue.next(false)), "third");
        queue.ended(&FIRST);
        assert_eq!(id(queue.next(false)), "second");
        // Whoever takes it waits in its place.
        assert_eq!(id(queue.next(false)), "slow");
        assert_eq!(id(queue.next(false)), "none");
    }

    #[test]
    fn what_is_slow_comes_first_behind_what_has_to_pass_before_it() {
        let queue = Queue::new(&ALL);
        assert_eq!(id(queue.next(true)), "third");
        queue.ended(&THIRD);
        assert_eq!(id(queue.next(true)), "slow");
        assert_eq!(id(queue.next(true)), "first");
    }
}

//! Locks for data that stays valid when a thread panics while it holds them.

use std::sync::{MutexGuard, PoisonError};

/// A mutex whose lock is taken also after a holder has panicked. For data that is whole after each statement: counters,
/// newest values, lists.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// Not locked.
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_holder_does_not_take_the_value_away() {
        let mutex = Mutex::new(1);
        let holder = || {
            *mutex.lock() = 2;
            panic!("while it is locked");
        };
        std::thread::scope(|scope| assert!(scope.spawn(holder).join().is_err()));
        assert_eq!(*mutex.lock(), 2);
    }
}

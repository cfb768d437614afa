//! A queue of capacity one between two threads: the hand-over from capture to inference.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::signal::Signal;

/// The drop policy: what [`Slot::put`] does while the slot is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Replace the waiting value: right for a live camera, where an old frame is worthless.
    Overwrite,
    /// Wait until the value is taken: right for files, each of which is to be classified.
    Wait,
}

/// Room for one value between two threads, and for up to two used values whose buffers can be filled again.
#[derive(Debug)]
pub struct Slot<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    /// Raised when there is something to take.
    signal: Option<Arc<Signal>>,
}

#[derive(Debug)]
struct State<T> {
    value: Option<T>,
    /// Used values. Their buffers are filled again, so that the running pipeline allocates nothing.
    spent: Vec<T>,
    overwritten: u64,
    closed: bool,
    when_full: WhenFull,
}

/// At most three buffers are in use at once: one is being filled, one waits, one is being processed.
const MAX_SPENT: usize = 2;

/// The result of [`Slot::take`].
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// The value that was in the slot, or came in time.
    Value(T),
    /// No value came in time.
    Nothing,
    /// The slot is empty and closed: no value will come any more.
    Closed,
}

impl<T> Slot<T> {
    /// An empty, open slot.
    pub fn new(when_full: WhenFull) -> Self {
        let spent = Vec::with_capacity(MAX_SPENT);
        let state = State { value: None, spent, overwritten: 0, closed: false, when_full };
        Self { state: Mutex::new(state), changed: Condvar::new(), signal: None }
    }

    /// An empty, open slot that raises `signal` whenever there is something to take, or never will be: for a thread that takes from
    /// several slots.
    pub fn with_signal(when_full: WhenFull, signal: Arc<Signal>) -> Self {
        Self { signal: Some(signal), ..Self::new(when_full) }
    }

    /// The drop policy.
    pub fn when_full(&self) -> WhenFull {
        self.lock().when_full
    }

    /// Whether a value waits to be taken.
    pub fn is_full(&self) -> bool {
        self.lock().value.is_some()
    }

    /// Whether no value will come any more: it is closed and empty.
    pub fn is_over(&self) -> bool {
        let state = self.lock();
        state.closed && state.value.is_none()
    }

    /// Changes the drop policy from the next [`Slot::put`] on, for another kind of source.
    pub fn set_when_full(&self, when_full: WhenFull) {
        self.lock().when_full = when_full;
    }

    /// Hands a value over. While the slot is full this replaces the waiting value, or waits at most `patience` for it
    /// to be taken, as the policy says.
    ///
    /// # Errors
    /// Gives the value back when the slot is still full after `patience`, or is closed.
    pub fn put(&self, value: T, patience: Duration) -> Result<(), T> {
        let mut state = self.lock();
        if state.when_full == WhenFull::Wait {
            let waited =
                self.changed.wait_timeout_while(state, patience, |state| state.value.is_some() && !state.closed);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.value.is_some() {
                return Err(value);
            }
        }
        if state.closed {
            return Err(value);
        }
        if let Some(late) = state.value.replace(value) {
            state.overwritten += 1;
            keep_spent(&mut state.spent, late);
        }
        self.wake(state);
        self.raise();
        Ok(())
    }

    /// Waits at most `patience` for a value. A value in a closed slot can still be taken.
    pub fn take(&self, patience: Duration) -> Taken<T> {
        let state = self.lock();
        let idle = |state: &mut State<T>| state.value.is_none() && !state.closed;
        let waited = self.changed.wait_timeout_while(state, patience, idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        match state.value.take() {
            Some(value) => {
                self.wake(state);
                Taken::Value(value)
            }
            None if state.closed => Taken::Closed,
            None => Taken::Nothing,
        }
    }

    /// Looks at the value that waits to be taken, if one does. Nobody puts or takes a value meanwhile.
    pub fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.lock().value.as_ref().map(look)
    }

    /// Gives a used value back, so that [`Slot::reuse`] can hand out its buffer. Beyond two it is dropped.
    pub fn give_back(&self, value: T) {
        keep_spent(&mut self.lock().spent, value);
    }

    /// A used value whose buffer can be filled again, if there is one.
    pub fn reuse(&self) -> Option<T> {
        self.lock().spent.pop()
    }

    /// Empties the slot, because the waiting value must not be processed any more. Its buffer can be reused.
    pub fn clear(&self) {
        let mut state = self.lock();
        if let Some(value) = state.value.take() {
            keep_spent(&mut state.spent, value);
        }
        self.changed.notify_all();
    }

    /// Closes the slot: it accepts no value any more, and all waiting threads wake up.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
        self.raise();
    }

    /// Opens a closed slot again, for another source.
    pub fn open(&self) {
        self.lock().closed = false;
    }

    /// How many values were replaced before they were taken.
    pub fn overwritten(&self) -> u64 {
        self.lock().overwritten
    }

    fn raise(&self) {
        if let Some(signal) = &self.signal {
            signal.raise();
        }
    }

    /// Releases the lock before it notifies: a woken thread needs the lock at once, and would block again.
    fn wake(&self, held: MutexGuard<'_, State<T>>) {
        drop(held);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code panics between two changes of the state, so it is consistent even if a holder of the lock panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep_spent<T>(spent: &mut Vec<T>, value: T) {
    if spent.len() < MAX_SPENT {
        spent.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_newer_frame_overwrites_the_waiting_one_and_is_counted() {
        let slot = Slot::new(WhenFull::Overwrite);
        for value in 1..=3 {
            slot.put(value, NOW).expect("an overwriting slot takes everything");
        }
        assert_eq!(slot.take(NOW), Taken::Value(3));
        assert_eq!(slot.overwritten(), 2);
        assert_eq!(slot.take(NOW), Taken::Nothing);
    }

    #[test]
    fn a_value_that_is_looked_at_stays() {
        let slot = Slot::new(WhenFull::Overwrite);
        assert_eq!(slot.peek(|value: &u32| *value), None);
        slot.put(7, NOW).expect("open");
        assert_eq!(slot.peek(|value| *value), Some(7));
        assert_eq!((slot.take(NOW), slot.overwritten()), (Taken::Value(7), 0));
    }

    #[test]
    fn a_waiting_slot_refuses_a_second_value_after_its_patience() {
        let slot = Slot::new(WhenFull::Wait);
        slot.put(1, NOW).expect("empty");
        assert_eq!(slot.put(2, Duration::from_millis(1)), Err(2));
        assert_eq!(slot.take(NOW), Taken::Value(1));
        slot.put(2, NOW).expect("empty again");
        assert_eq!(slot.overwritten(), 0);
    }

    #[test]
    fn closing_wakes_a_waiting_taker_and_keeps_the_last_value() {
        let slot = Slot::new(WhenFull::Overwrite);
        slot.put(7, NOW).expect("open");
        slot.close();
        assert_eq!(slot.take(LONG), Taken::Value(7));
        assert_eq!(slot.put(8, NOW), Err(8));

        let slot = Slot::<u32>::new(WhenFull::Wait);
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| slot.take(LONG));
            slot.close();
            assert_eq!(taker.join().expect("taker"), Taken::Closed);
        });
    }

    #[test]
    fn who_takes_from_several_slots_is_told_of_a_value_and_of_the_end_of_each() {
        let signal = Arc::new(Signal::default());
        let slots = [0, 1].map(|_| Slot::with_signal(WhenFull::Overwrite, signal.clone()));
        assert!(!signal.wait(NOW));
        slots[1].put(7, NOW).expect("open");
        assert!(signal.wait(NOW) && slots[1].is_full() && !slots[0].is_full());
        slots[0].close();
        assert!(signal.wait(NOW) && slots[0].is_over());
        slots[1].close();
        assert!(!slots[1].is_over(), "its value can still be taken");
        slots[0].open();
        assert!(!slots[0].is_over());
    }

    #[test]
    fn what_was_cleared_is_never_taken_but_its_buffer_serves_again() {
        let slot = Slot::new(WhenFull::Wait);
        slot.put(1, NOW).expect("empty");
        slot.clear();
        assert_eq!(slot.take(NOW), Taken::Nothing);
        assert_eq!(slot.reuse(), Some(1));
    }

    #[test]
    fn used_buffers_come_back_but_are_never_hoarded() {
        let slot = Slot::new(WhenFull::Overwrite);
        for value in 0..10 {
            slot.give_back(value);
        }
        assert_eq!(std::iter::from_fn(|| slot.reuse()).count(), MAX_SPENT);
    }
}

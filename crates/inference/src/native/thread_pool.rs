//! A thread pool for the parts of a step.
//!
//! A step takes some ten microseconds, and waking a thread takes about as long. So between two steps a thread of the
//! pool spins, and it sleeps only between two pictures.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// The largest number of threads that compute one picture.
pub const MAX_THREADS: usize = 8;

/// Iterations in which a member spins for the next step before it sleeps: some 20 to 50 microseconds.
const SPINS: u32 = 5_000;

/// Iterations in which the leader spins for the members before it yields its processor, in case there are more threads
/// than processors.
const SPINS_BEFORE_YIELD: u32 = 2_000;

/// The work of a round, called with the number of each part.
type Job = dyn Fn(usize) + Sync;

/// A pointer to a job on the leader's stack.
#[derive(Clone, Copy)]
struct Lent(*const Job);

// SAFETY: a `Job` may be used by several threads, and none uses it after `ThreadPool::run` has returned.
#[allow(unsafe_code, reason = "a job on the leader's stack")]
unsafe impl Send for Lent {}

#[derive(Default)]
struct Shared {
    /// The job of this round, and its number of parts, the leader's included.
    job: Mutex<Option<(Lent, usize)>>,
    round: AtomicUsize,
    /// The number of members that have not finished this round.
    busy: AtomicUsize,
    panicked: AtomicBool,
    ended: AtomicBool,
}

struct Member {
    asleep: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// The thread pool, as the leader holds it. Dropping it ends the members.
#[derive(Default)]
pub(crate) struct ThreadPool {
    shared: Arc<Shared>,
    members: Vec<Member>,
}

impl ThreadPool {
    /// `threads` with the leader, who is the thread that calls [`Self::run`]; fewer where the system has none left.
    pub(crate) fn new(threads: usize) -> Self {
        let mut pool = Self::default();
        for number in 1..threads.min(MAX_THREADS) {
            let (shared, asleep) = (pool.shared.clone(), Arc::new(AtomicBool::new(false)));
            let own = asleep.clone();
            let started = thread::Builder::new().name(format!("infer-{number}"));
            match started.spawn(move || serve(&shared, number, &own)) {
                Ok(thread) => pool.members.push(Member { asleep, thread }),
                Err(error) => {
                    tracing::warn!(%error, "no thread to infer with; going on with {number}");
                    break;
                }
            }
        }
        pool
    }

    /// The number of threads, the leader included.
    pub(crate) fn threads(&self) -> usize {
        self.members.len() + 1
    }

    /// Calls `job` with each number below `parts`, each on a thread of its own, and returns when all calls have
    /// returned. `parts` is clamped to 1..=[`Self::threads`].
    ///
    /// # Panics
    /// When one of the calls does, after the others have returned.
    pub(crate) fn run(&mut self, parts: usize, job: &(dyn Fn(usize) + Sync)) {
        let parts = parts.clamp(1, self.threads());
        if parts == 1 {
            return job(0);
        }
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes. Members use the job in this round alone, and `busy` is not 0 before each
        // of them is done with it; this function does not return, nor unwind, before it is.
        #[allow(unsafe_code, reason = "a job on the leader's stack")]
        let lent = Lent(unsafe { std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const Job>(job) });
        *shared.job.lock().unwrap_or_else(PoisonError::into_inner) = Some((lent, parts));
        shared.busy.store(self.members.len(), Ordering::SeqCst);
        shared.round.fetch_add(1, Ordering::SeqCst);
        for member in &self.members {
            if member.asleep.load(Ordering::SeqCst) {
                member.thread.thread().unpark();
            }
        }
        let own = catch_unwind(AssertUnwindSafe(|| job(0)));
        let mut spins = 0;
        while shared.busy.load(Ordering::Acquire) > 0 {
            spins += 1;
            if spins < SPINS_BEFORE_YIELD { std::hint::spin_loop() } else { thread::yield_now() }
        }
        // Reset before any panic below, for the next round.
        let theirs = shared.panicked.swap(false, Ordering::Relaxed);
        if let Err(panic) = own {
            resume_unwind(panic);
        }
        // A partly done job must not pass for a finished one.
        assert!(!theirs, "a thread of the network has panicked");
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        for Member { thread, .. } in self.members.drain(..) {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn serve(shared: &Shared, number: usize, asleep: &AtomicBool) {
    let mut seen = 0;
    while wait(shared, seen, asleep) {
        seen = seen.wrapping_add(1);
        let job = *shared.job.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((Lent(job), parts)) = job
            && number < parts
        {
            // SAFETY: the leader waits for this thread's `busy` below, and keeps the job until then.
            #[allow(unsafe_code, reason = "a job on the leader's stack")]
            let job = unsafe { &*job };
            if catch_unwind(AssertUnwindSafe(|| job(number))).is_err() {
                shared.panicked.store(true, Ordering::Relaxed);
            }
        }
        shared.busy.fetch_sub(1, Ordering::Release);
    }
}

/// Waits until the round is another than `seen`; false when the pool ends.
fn wait(shared: &Shared, seen: usize, asleep: &AtomicBool) -> bool {
    let goes_on = || shared.round.load(Ordering::SeqCst) != seen || shared.ended.load(Ordering::SeqCst);
    for _ in 0..SPINS {
        if goes_on() {
            return !shared.ended.load(Ordering::SeqCst);
        }
        std::hint::spin_loop();
    }
    asleep.store(true, Ordering::SeqCst);
    // The condition is checked again after `asleep` is set: either the leader sees `asleep`, or its round is seen here.
    while !goes_on() {
        thread::park();
    }
    asleep.store(false, Ordering::SeqCst);
    !shared.ended.load(Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_done_once_by_a_thread_of_its_own() {
        let mut pool = ThreadPool::new(3);
        assert_eq!(pool.threads(), 3);
        for parts in [1, 2, 3, 3, 1, 2] {
            let done = [0, 1, 2].map(|_| AtomicUsize::new(0));
            pool.run(parts, &|part| {
                done[part].fetch_add(1, Ordering::Relaxed);
            });
            let done = done.map(AtomicUsize::into_inner);
            assert!(done[..parts].iter().all(|&times| times == 1) && done[parts..].iter().all(|&times| times == 0));
        }
    }

    #[test]
    fn thousands_of_rounds_lose_no_part_whether_members_sleep_or_not() {
        let mut pool = ThreadPool::new(2);
        let sum = AtomicUsize::new(0);
        for round in 0..2000 {
            if round % 400 == 0 {
                thread::sleep(std::time::Duration::from_millis(3));
            }
            pool.run(2, &|part| {
                sum.fetch_add(part + 1, Ordering::Relaxed);
            });
        }
        assert_eq!(sum.into_inner(), 6000);
    }

    #[test]
    fn a_panic_in_a_part_is_the_leaders_and_the_team_goes_on() {
        let mut pool = ThreadPool::new(2);
        for culprits in [&[0][..], &[1], &[0, 1]] {
            let panicked = catch_unwind(AssertUnwindSafe(|| pool.run(2, &|part| assert!(!culprits.contains(&part)))));
            assert!(panicked.is_err());
            let sum = AtomicUsize::new(0);
            pool.run(2, &|part| {
                sum.fetch_add(part + 1, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 3);
        }
    }
}

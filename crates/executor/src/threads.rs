//! Threads that stay for a while: a fleet of small steps does not pay for a thread each.
//!
//! They are no pool of a fixed size: whoever begins something gets a thread at once, one that rests or a new one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

/// A thread that has nothing to do for so long ends.
const REST: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// Those that rest, by number; the last one is taken first, so that the others reach the end of their time.
static RESTING: Mutex<Vec<(u64, Sender<Job>)>> = Mutex::new(Vec::new());

/// Carries something out on a thread of its own. It must catch its panics.
///
/// # Errors
///
/// None rests, and the system gives no new one.
pub fn begin(job: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let job: Job = Box::new(job);
    let Some((_, place)) = resting().pop() else {
        return thread::Builder::new().name("step".to_owned()).spawn(move || work(job)).map(drop);
    };
    place.send(job).expect("who has lost its place waits for what was sent there");
    Ok(())
}

fn work(first: Job) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let own = NEXT.fetch_add(1, Ordering::Relaxed);
    first();
    while let Some(job) = rest(own) {
        job();
    }
}

/// Waits for something to do.
fn rest(own: u64) -> Option<Job> {
    let (sender, receiver) = mpsc::channel();
    resting().push((own, sender));
    receiver.recv_timeout(REST).ok().or_else(|| {
        resting().retain(|(other, _)| *other != own);
        // Somebody may have taken the place in this very moment. If not, its sender is gone, and so are we.
        receiver.recv().ok()
    })
}

fn resting() -> MutexGuard<'static, Vec<(u64, Sender<Job>)>> {
    RESTING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::mpsc;
    use std::thread::{self, ThreadId};

    fn run() -> ThreadId {
        let (sender, receiver) = mpsc::channel();
        super::begin(move || sender.send(thread::current().id()).expect("it is waited for"))
            .expect("a thread");
        receiver.recv().expect("an answer")
    }

    #[test]
    fn threads_are_used_again() {
        let seen: HashSet<ThreadId> = (0..200).map(|_| run()).collect();
        assert!(seen.len() < 50, "{} threads for 200 jobs", seen.len());
    }

    #[test]
    fn nobody_waits_for_another() {
        let (open, gate) = mpsc::channel::<()>();
        super::begin(move || gate.recv().expect("it is opened")).expect("a thread");
        for _ in 0..20 {
            run();
        }
        open.send(()).expect("it is waited for");
    }
}

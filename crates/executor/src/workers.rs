//! One process for each other user, kept for the life of the executor; this is our end of it.

use std::collections::HashMap;
use std::io::{BufRead, Read, Write};
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::{BecomeMethod, Digest, Outcome, OutputStream, RunAs, Step};
use system::BlobSource;

use crate::attempt::TICK;
use crate::escalation::Way;
use crate::frame::{self, News, Order};
use crate::launch::{self, Launched, Refusal};
use crate::program::{Program, Shelter};
use crate::{Cancel, Manner};

/// A worker gives up a step that does not stop by itself; this is for a worker that does not even do that.
const GRACE: Duration = Duration::from_secs(10);
/// Pieces in which contents reach a worker.
const BLOB_PART: usize = 256 << 10;

/// The way and the password: whoever gives another password proves it anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    user: String,
    method: BecomeMethodKey,
    exe: Option<String>,
    flags: Option<Vec<String>>,
    password: Option<Digest>,
    chdir: Option<String>,
    prompts: Vec<String>,
}

type BecomeMethodKey = &'static str;

impl From<&RunAs> for Key {
    fn from(request: &RunAs) -> Self {
        Self {
            user: request.user.clone(),
            method: match request.method {
                BecomeMethod::Sudo => "sudo",
                BecomeMethod::Su => "su",
            },
            exe: request.exe.clone(),
            flags: request.flags.clone(),
            password: request.password.as_ref().map(|it| Digest::of(it.reveal().as_bytes())),
            chdir: request.chdir.clone(),
            prompts: request.prompts.clone(),
        }
    }
}

/// A place for one worker: locked while it starts, so that it is asked for a password once.
type Slot = Arc<Mutex<Option<Arc<Worker>>>>;

/// The workers there are.
#[derive(Default)]
pub(crate) struct Workers {
    program: Program,
    shelter: Shelter,
    slots: Mutex<HashMap<Key, Slot>>,
}

impl Workers {
    pub(crate) fn new(program: Program) -> Self {
        Self { program, ..Self::default() }
    }

    /// Carries out a step as another user.
    pub(crate) fn run(
        &self,
        way: &Way,
        request: &RunAs,
        job: (&Step, Manner),
        blobs: &Arc<dyn BlobSource>,
        cancel: &Cancel,
        output: &dyn Fn(OutputStream, Vec<u8>),
    ) -> Outcome {
        let tell = |line: &str| output(OutputStream::Agent, format!("EXEC {line}").into_bytes());
        match self.worker(way, request, &tell) {
            Ok(worker) => worker.run(job, blobs, cancel, output),
            Err(refusal) => refusal.into(),
        }
    }

    /// Ends the workers that are idle; the next step as their user starts a new one.
    pub(crate) fn release(&self) {
        lock(&self.slots)
            .retain(|_, slot| Arc::strong_count(slot) > 1 || is_busy(lock(slot).as_ref()));
    }

    fn worker(
        &self,
        way: &Way,
        request: &RunAs,
        tell: &dyn Fn(&str),
    ) -> Result<Arc<Worker>, Refusal> {
        let slot = Arc::clone(lock(&self.slots).entry(request.into()).or_default());
        let mut place = lock(&slot);
        if let Some(worker) = place.as_ref().filter(|worker| worker.is_alive()) {
            return Ok(Arc::clone(worker));
        }
        let launched = match way {
            Way::Direct(user) => launch::direct(&self.program, user, request.chdir.as_deref())?,
            Way::Ask(ask) => launch::ask(&self.program, &self.shelter, ask, &request.user, tell)?,
            Way::Here => return Err("no worker is needed for oneself".to_owned().into()),
        };
        tracing::debug!(user = %request.user, pid = launched.child.id(), "become worker started");
        let worker = Arc::new(Worker::start(launched, &request.user));
        *place = Some(Arc::clone(&worker));
        Ok(worker)
    }
}

fn is_busy(place: Option<&Arc<Worker>>) -> bool {
    place.is_some_and(|worker| !worker.is_idle())
}

/// A process that carries out steps as another user, several at once.
struct Worker {
    orders: Arc<Mutex<Box<dyn Write + Send>>>,
    calls: Arc<Mutex<Calls>>,
    next: AtomicU64,
}

#[derive(Default)]
struct Calls {
    running: HashMap<u64, Call>,
    /// Contents that are being read, by the number that the worker chose.
    blobs: HashMap<u64, mpsc::Sender<()>>,
    /// Why the worker is gone.
    ended: Option<String>,
}

struct Call {
    heard: mpsc::Sender<Heard>,
    blobs: Arc<dyn BlobSource>,
}

enum Heard {
    Output(OutputStream, Vec<u8>),
    Finished(Box<Outcome>),
}

impl Worker {
    fn start(launched: Launched, user: &str) -> Self {
        let Launched { child, orders, news, chatter } = launched;
        let orders = Arc::new(Mutex::new(orders));
        let calls = Arc::new(Mutex::new(Calls::default()));
        let listener = Listener {
            user: user.to_owned(),
            orders: Arc::clone(&orders),
            calls: Arc::clone(&calls),
            chatter,
        };
        std::thread::spawn(move || listener.listen(child, news));
        Self { orders, calls, next: AtomicU64::new(0) }
    }

    fn is_alive(&self) -> bool {
        lock(&self.calls).ended.is_none()
    }

    fn is_idle(&self) -> bool {
        lock(&self.calls).running.is_empty()
    }

    fn run(
        &self,
        (step, manner): (&Step, Manner),
        blobs: &Arc<dyn BlobSource>,
        cancel: &Cancel,
        output: &dyn Fn(OutputStream, Vec<u8>),
    ) -> Outcome {
        let call = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, heard) = mpsc::channel();
        {
            let mut calls = lock(&self.calls);
            if let Some(reason) = &calls.ended {
                return Outcome::failed(reason.clone());
            }
            calls.running.insert(call, Call { heard: sender, blobs: Arc::clone(blobs) });
        }
        let order = Order::Run { call, step: Box::new(step.into()), manner };
        if let Err(error) = frame::write(&mut **lock(&self.orders), &order, &[]) {
            lock(&self.calls).running.remove(&call);
            return Outcome::failed(format!("cannot reach the become worker: {error}"));
        }
        let outcome = self.wait(call, step, &heard, cancel, output);
        lock(&self.calls).running.remove(&call);
        outcome
    }

    fn wait(
        &self,
        call: u64,
        step: &Step,
        heard: &mpsc::Receiver<Heard>,
        cancel: &Cancel,
        output: &dyn Fn(OutputStream, Vec<u8>),
    ) -> Outcome {
        let mut give_up = step.timeout.map(|timeout| Instant::now() + timeout + GRACE);
        let mut told_to_stop = false;
        loop {
            match heard.recv_timeout(TICK) {
                Ok(Heard::Output(stream, bytes)) => output(stream, bytes),
                Ok(Heard::Finished(outcome)) => return *outcome,
                Err(RecvTimeoutError::Disconnected) => return self.died(),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if cancel.is_cancelled() && !told_to_stop {
                told_to_stop = true;
                give_up = Some(Instant::now() + GRACE);
                // A worker that cannot be told is gone, and then the channel closes.
                let _ = frame::write(&mut **lock(&self.orders), &Order::Cancel { call }, &[]);
            }
            if give_up.is_some_and(|end| Instant::now() >= end) {
                let text =
                    "the become worker does not answer any more; the step may still be running";
                lock(&self.calls).ended.get_or_insert_with(|| text.to_owned());
                return Outcome::unknown(text);
            }
        }
    }

    fn died(&self) -> Outcome {
        let calls = lock(&self.calls);
        let reason = calls.ended.as_deref().unwrap_or("the become worker is gone");
        Outcome::unknown(format!("{reason}; the step may have run"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Its other sign is the end of the pipe, so it is no matter when this does not arrive.
        let _ = frame::write(&mut **lock(&self.orders), &Order::Exit, &[]);
    }
}

/// The thread that hears what a worker says.
struct Listener {
    user: String,
    orders: Arc<Mutex<Box<dyn Write + Send>>>,
    calls: Arc<Mutex<Calls>>,
    chatter: Arc<Mutex<String>>,
}

impl Listener {
    fn listen(self, mut child: Child, mut news: Box<dyn BufRead + Send>) {
        let broken = loop {
            match frame::read::<News>(&mut news) {
                Ok(Some((news, body))) => self.hear(news, body),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        if broken.is_some() {
            // What cannot be understood must not go on. Root's own processes we may not kill; they end with the pipe.
            let _ = child.kill();
        }
        let status = child.wait().map_or_else(|error| error.to_string(), |it| it.to_string());
        let said = lock(&self.chatter).trim().to_owned();
        let mut reason = format!("the become worker for `{}` ended with {status}", self.user);
        if let Some(error) = broken {
            reason = format!("{reason} ({error})");
        }
        if !said.is_empty() {
            reason = format!("{reason}: {said}");
        }
        let mut calls = lock(&self.calls);
        calls.ended.get_or_insert(reason);
        calls.running.clear();
        calls.blobs.clear();
    }

    fn hear(&self, news: News, body: Vec<u8>) {
        match news {
            News::Output { call, stream } => self.pass(call, Heard::Output(stream, body)),
            News::Finished { call, outcome } => self.pass(call, Heard::Finished(outcome)),
            News::BlobOpen { call, blob, digest } => self.open_blob(call, blob, digest),
            News::BlobRead { blob } => {
                // A blob that has ended with an error is read no more.
                if let Some(reads) = lock(&self.calls).blobs.get(&blob) {
                    let _ = reads.send(());
                }
            }
            News::BlobClose { blob } => drop(lock(&self.calls).blobs.remove(&blob)),
        }
    }

    /// To the one who waits; when the step was given up, to nobody.
    fn pass(&self, call: u64, heard: Heard) {
        if let Some(call) = lock(&self.calls).running.get(&call) {
            let _ = call.heard.send(heard);
        }
    }

    fn open_blob(&self, call: u64, blob: u64, digest: Digest) {
        let (sender, reads) = mpsc::channel();
        let mut calls = lock(&self.calls);
        let Some(source) = calls.running.get(&call).map(|call| Arc::clone(&call.blobs)) else {
            return;
        };
        calls.blobs.insert(blob, sender);
        let orders = Arc::clone(&self.orders);
        std::thread::spawn(move || serve_blob(&*source, digest, blob, &reads, &orders));
    }
}

/// Answers each read with a piece, until the worker closes the blob or is gone.
fn serve_blob(
    source: &dyn BlobSource,
    digest: Digest,
    blob: u64,
    reads: &mpsc::Receiver<()>,
    orders: &Mutex<Box<dyn Write + Send>>,
) {
    let mut content = source.open(digest).map_err(|error| error.to_string());
    while reads.recv().is_ok() {
        let part = match &mut content {
            Ok(content) => {
                let mut bytes = Vec::new();
                content
                    .take(BLOB_PART as u64)
                    .read_to_end(&mut bytes)
                    .map(|_| bytes)
                    .map_err(|error| error.to_string())
            }
            Err(error) => Err(error.clone()),
        };
        let (bytes, error) = match part {
            Ok(bytes) => (bytes, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let order = Order::BlobPart { blob, error };
        if frame::write(&mut **lock(orders), &order, &bytes).is_err() {
            return;
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

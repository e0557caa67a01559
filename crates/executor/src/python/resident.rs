//! One interpreter that stays: starting it, asking it, hearing it. What is said is in frames, as with become workers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufReader, Read as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::Digest;
use serde::{Deserialize, Serialize};
use system::Output;

use crate::attempt::{Context, TICK};
use crate::frame;

/// What the interpreter runs.
const PROGRAM: &str = include_str!("resident.py");
/// How long a call that was told to stop may take to do so.
const GRACE: Duration = Duration::from_secs(4);
/// How long an interpreter may take to begin.
const START: Duration = Duration::from_secs(30);
/// Of what an interpreter complains about, this much is kept.
const CHATTER_LIMIT: u64 = 16 << 10;

#[derive(Serialize)]
#[serde(untagged)]
enum Order<'a> {
    Keep {
        keep: String,
    },
    Run {
        call: u64,
        package: String,
        name: &'a str,
        environment: &'a BTreeMap<String, String>,
        verbosity: u64,
    },
    Stop {
        stop: u64,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum News {
    Finished(Finished),
    Ready {
        #[expect(dead_code, reason = "tells this message from the other")]
        ready: Vec<u32>,
    },
}

#[derive(Deserialize)]
struct Finished {
    call: u64,
    status: i32,
    signal: Option<i32>,
    /// How much of the body is standard output.
    stdout: usize,
    too_much: bool,
}

/// What a call needs.
pub(super) struct Request<'a> {
    pub(super) package: Digest,
    pub(super) name: &'a str,
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) arguments: String,
    /// How much people want to see; much of it shows where an error was raised.
    pub(super) verbosity: u64,
}

/// How a call ended.
pub(super) enum End {
    Finished(Output),
    /// The interpreter is gone, and with it the answer.
    Lost(String),
}

/// An interpreter that runs.
pub(super) struct Resident {
    orders: Mutex<ChildStdin>,
    kept: Mutex<HashSet<Digest>>,
    calls: Arc<Mutex<Calls>>,
    next: AtomicU64,
}

#[derive(Default)]
struct Calls {
    running: HashMap<u64, mpsc::Sender<Output>>,
    /// Why the interpreter is gone.
    ended: Option<String>,
}

impl Resident {
    pub(super) fn start(words: &[String], variables: &[(String, String)]) -> Result<Self, String> {
        let shown = words.join(" ");
        let (program, options) = words.split_first().ok_or("no interpreter is named")?;
        let mut child = Command::new(program)
            .args(options)
            .args(["-c", "import sys; exec(sys.stdin.buffer.read(int(sys.argv[1])))"])
            .arg(PROGRAM.len().to_string())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the Python interpreter `{shown}`: {error}"))?;
        let orders = child.stdin.take().expect("its standard input is a pipe");
        let news = child.stdout.take().expect("its standard output is a pipe");
        let mut stderr = child.stderr.take().expect("its standard error is a pipe");
        let chatter = std::thread::spawn(move || {
            let mut text = Vec::new();
            // What is not UTF-8 is shown as well as it can be; what is too long is not read on, but thrown away.
            let _ = (&mut stderr).take(CHATTER_LIMIT).read_to_end(&mut text);
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
            String::from_utf8_lossy(&text).into_owned()
        });
        let calls = Arc::new(Mutex::new(Calls::default()));
        let (ready, is_ready) = mpsc::channel();
        let listener = Listener { words: shown.clone(), calls: Arc::clone(&calls), chatter, ready };
        let resident = Self {
            orders: Mutex::new(orders),
            kept: Mutex::default(),
            calls,
            next: AtomicU64::new(0),
        };
        std::thread::spawn(move || listener.listen(child, news));
        // An interpreter that does not read is told of by the listener.
        let _ = std::io::Write::write_all(&mut *lock(&resident.orders), PROGRAM.as_bytes());
        match is_ready.recv_timeout(START) {
            Ok(()) => Ok(resident),
            Err(RecvTimeoutError::Disconnected) => Err(resident.why_it_ended()),
            Err(RecvTimeoutError::Timeout) => Err(format!(
                "the Python interpreter `{shown}` did not begin within {} s",
                START.as_secs()
            )),
        }
    }

    fn why_it_ended(&self) -> String {
        let ended = lock(&self.calls).ended.clone();
        ended.unwrap_or_else(|| "the Python interpreter is gone".to_owned())
    }

    pub(super) fn is_alive(&self) -> bool {
        lock(&self.calls).ended.is_none()
    }

    pub(super) fn is_busy(&self) -> bool {
        !lock(&self.calls).running.is_empty()
    }

    /// Whether it has the files of a module already.
    pub(super) fn has(&self, package: Digest) -> bool {
        lock(&self.kept).contains(&package)
    }

    /// Gives it the files of a module.
    pub(super) fn keep(&self, package: Digest, text: &[u8]) -> Result<(), String> {
        self.say(&Order::Keep { keep: package.to_string() }, text)?;
        lock(&self.kept).insert(package);
        Ok(())
    }

    fn say(&self, order: &Order<'_>, body: &[u8]) -> Result<(), String> {
        let said = frame::write(&mut *lock(&self.orders), order, body);
        said.map_err(|error| {
            // Why it is gone is known as soon as its end was noticed.
            std::thread::sleep(TICK);
            let calls = lock(&self.calls);
            calls
                .ended
                .clone()
                .unwrap_or_else(|| format!("cannot reach the Python interpreter: {error}"))
        })
    }

    /// Runs a module and waits for it, as long as the step has time.
    pub(super) fn call(&self, request: &Request<'_>, context: &Context) -> Result<End, String> {
        let call = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, heard) = mpsc::channel();
        {
            let mut calls = lock(&self.calls);
            if let Some(reason) = &calls.ended {
                return Err(reason.clone());
            }
            calls.running.insert(call, sender);
        }
        let order = Order::Run {
            call,
            package: request.package.to_string(),
            name: request.name,
            environment: request.environment,
            verbosity: request.verbosity,
        };
        let said = self.say(&order, request.arguments.as_bytes());
        let end = said.map(|()| self.wait(call, &heard, context));
        lock(&self.calls).running.remove(&call);
        end
    }

    fn wait(&self, call: u64, heard: &mpsc::Receiver<Output>, context: &Context) -> End {
        let mut give_up = None;
        loop {
            match heard.recv_timeout(TICK) {
                Ok(output) => return End::Finished(output),
                Err(RecvTimeoutError::Disconnected) => return End::Lost(self.why_it_ended()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            let is_over = context.deadline.is_some_and(|deadline| now >= deadline);
            if give_up.is_none() && (is_over || context.cancel.is_cancelled()) {
                give_up = Some(now + GRACE);
                // One that cannot be told is gone, and then the channel closes.
                let _ = self.say(&Order::Stop { stop: call }, &[]);
            }
            if give_up.is_some_and(|end| now >= end) {
                return End::Lost("the module was told to stop and did not".to_owned());
            }
        }
    }
}

/// The thread that hears what an interpreter says.
struct Listener {
    words: String,
    calls: Arc<Mutex<Calls>>,
    chatter: std::thread::JoinHandle<String>,
    /// Hears that it begins; closed when it ended.
    ready: mpsc::Sender<()>,
}

impl Listener {
    fn listen(self, mut child: Child, news: ChildStdout) {
        let mut news = BufReader::new(news);
        let mut is_ready = false;
        let broken = loop {
            match frame::read::<News>(&mut news) {
                Ok(Some((News::Ready { .. }, _))) => {
                    is_ready = true;
                    // Whoever started it may have given up.
                    let _ = self.ready.send(());
                }
                Ok(Some((News::Finished(finished), body))) => self.hear(&finished, body),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        if broken.is_some() {
            let _ = child.kill();
        }
        let status = child.wait().map_or_else(|error| error.to_string(), |it| it.to_string());
        let said = self.chatter.join().unwrap_or_default();
        let said = said.trim().lines().last().unwrap_or_default();
        let hint =
            if is_ready { "" } else { " before it was ready (Python 3.6 or later is needed)" };
        let mut reason =
            format!("the Python interpreter `{}` ended with {status}{hint}", self.words);
        if let Some(error) = broken {
            reason = format!("{reason} ({error})");
        }
        if !said.is_empty() {
            reason = format!("{reason}: {said}");
        }
        let mut calls = lock(&self.calls);
        calls.ended.get_or_insert(reason);
        calls.running.clear();
    }

    fn hear(&self, finished: &Finished, mut body: Vec<u8>) {
        let stderr = body.split_off(finished.stdout.min(body.len()));
        let mut output = Output {
            status: finished.status,
            stdout: body,
            stderr,
            signal: finished.signal,
            timed_out: false,
        };
        if finished.too_much {
            output.stderr.extend_from_slice(b"\n(it printed more than is read)\n");
        }
        // When the call was given up, nobody hears it.
        if let Some(call) = lock(&self.calls).running.get(&finished.call) {
            let _ = call.send(output);
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

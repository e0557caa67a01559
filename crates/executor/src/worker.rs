//! The other end of a become worker: this program again, as another user, taking orders on standard input.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Step;
use nix::unistd::{AccessFlags, access, dup2_stdin, dup2_stdout};
use system::BlobSource;

use crate::attempt::{Runner, attempt};
use crate::frame::{self, News, Order, READY};
use crate::remote_blobs::{OpenBlobs, RemoteBlobs, SharedPipe};
use crate::{Cancel, Manner, executor, jobs};

/// How long running steps have to end when the executor is gone.
const GRACE: Duration = Duration::from_secs(3);

/// The hidden command `worker` of both programs: serves an executor until standard input ends.
pub fn worker_main() -> ExitCode {
    worker_with(&executor::modules_runner())
}

/// A worker that carries out steps with a runner.
pub(crate) fn worker_with(runner: &Arc<Runner>) -> ExitCode {
    match take_standard_streams() {
        Ok((orders, news)) => {
            go_somewhere();
            serve(orders, news, runner)
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "this command is started by Muster itself: {error}");
            ExitCode::from(1)
        }
    }
}

/// Takes standard input and output away, for a program that speaks a protocol over them: what a library prints must not
/// come between the messages.
pub fn take_standard_streams() -> io::Result<(File, File)> {
    let orders = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let news = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(io::stderr())?;
    Ok((orders, news))
}

/// Stays in the directory it was started in if this user may, as Ansible's modules do; else goes home, else to the root.
fn go_somewhere() {
    if access(".", AccessFlags::R_OK | AccessFlags::X_OK).is_ok() {
        return;
    }
    let home = std::env::var_os("HOME").unwrap_or_else(|| "/".into());
    if std::env::set_current_dir(home).is_err() {
        std::env::set_current_dir("/").expect("everyone may enter the root directory");
    }
}

struct Desk {
    news: SharedPipe,
    open: Arc<OpenBlobs>,
    running: Arc<Mutex<HashMap<u64, Cancel>>>,
}

/// Carries out orders until there are no more.
fn serve(orders: File, mut news: File, runner: &Arc<Runner>) -> ExitCode {
    if news.write_all(READY).is_err() {
        return ExitCode::from(1);
    }
    let desk = Desk {
        news: Arc::new(Mutex::new(Box::new(news))),
        open: Arc::default(),
        running: Arc::default(),
    };
    let mut orders = BufReader::new(orders);
    // A terminal whose other end is closed answers with an error: that is an end as well.
    while let Ok(Some((order, body))) = frame::read::<Order>(&mut orders) {
        match order {
            Order::Run { call, step, manner } => desk.start(call, (*step).into(), manner, runner),
            Order::Keep { step, job, blob } => {
                return jobs::keep(&(*step).into(), &job, (blob, body), runner);
            }
            Order::Cancel { call } => {
                if let Some(cancel) = lock(&desk.running).get(&call) {
                    cancel.cancel();
                }
            }
            Order::BlobPart { blob, error } => {
                desk.open.deliver(blob, error.map_or(Ok(body), Err));
            }
            Order::Exit => break,
        }
    }
    desk.close();
    ExitCode::SUCCESS
}

impl Desk {
    fn start(&self, call: u64, step: Step, manner: Manner, runner: &Arc<Runner>) {
        let cancel = Cancel::default();
        lock(&self.running).insert(call, cancel.clone());
        let blobs: Arc<dyn BlobSource> = Arc::new(RemoteBlobs {
            call,
            pipe: Arc::clone(&self.news),
            open: Arc::clone(&self.open),
        });
        let (news, running, runner) =
            (Arc::clone(&self.news), Arc::clone(&self.running), Arc::clone(runner));
        // What cannot be said any more is no matter: the end of the orders follows.
        let say = move |what: &News, body: &[u8]| {
            let _ = frame::write(&mut **lock(&news), what, body);
        };
        std::thread::spawn(move || {
            let output = |stream, bytes: Vec<u8>| say(&News::Output { call, stream }, &bytes);
            let outcome = Box::new(attempt(&runner, &step, manner, &blobs, &cancel, &output));
            say(&News::Finished { call, outcome }, &[]);
            lock(&running).remove(&call);
        });
    }

    /// Stops what is running and waits for it, but not for ever.
    fn close(&self) {
        self.open.close_all();
        lock(&self.running).values().for_each(Cancel::cancel);
        let tick = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        while waited < GRACE && !lock(&self.running).is_empty() {
            std::thread::sleep(tick);
            waited += tick;
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What a controller remembers: agents, tokens, facts, runs, events, plans and results, in SQLite.
//!
//! What a method has returned `Ok` for survives a crash and a power cut. Secrets are not in here: tokens are kept as
//! public keys, and results of `no_log` steps without their content. Knows nothing of the wire or of the engine.

mod agents;
mod events;
mod facts;
mod plans;
mod runs;
mod tokens;

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

pub use agents::{Admission, Agent, NewAgent};
pub use facts::Facts;
pub use plans::{Plan, StepRecord};
pub use runs::Run;
pub use tokens::Token;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be opened.
    #[error("cannot open the database {}", path.display())]
    Open {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The file is damaged, or is no database.
    #[error(
        "the database {} is damaged or is no database; move it away (with its -wal and -shm files) and restore a backup, \
         or start with an empty one: agents then have to enrol again", path.display()
    )]
    Damaged {
        /// Its file.
        path: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
    /// A newer version of the program wrote it.
    #[error(
        "the database {} was written by a newer version of muster; start that version, or restore the backup from before \
         the upgrade", path.display()
    )]
    Newer {
        /// Its file.
        path: PathBuf,
    },
    /// A statement failed.
    #[error("the database does not answer")]
    Query(#[from] sqlx::Error),
    /// A row holds something that this version does not understand.
    #[error("the database holds {what} that cannot be understood")]
    Content {
        /// What.
        what: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Results of the store.
pub type Result<T> = std::result::Result<T, Error>;

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens the database `muster.db` of a state directory; makes both when they are missing. Nobody else may read them.
    pub async fn open(directory: &Path) -> Result<Self> {
        let path = directory.join("muster.db");
        make_private(directory, &path)
            .map_err(|error| Error::Open { path: path.clone(), source: error.into() })?;
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        Self::connect(options, &path, 4).await
    }

    /// A database in memory, gone with the process.
    pub async fn in_memory() -> Result<Self> {
        let options = SqliteConnectOptions::from_str("sqlite::memory:")?;
        Self::connect(options, Path::new(":memory:"), 1).await
    }

    async fn connect(options: SqliteConnectOptions, path: &Path, connections: u32) -> Result<Self> {
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(20))
            .foreign_keys(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(connections)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(|source| opening(path, source))?;
        match sqlx::migrate!("./migrations").run(&pool).await {
            Ok(()) => Ok(Self { pool }),
            Err(
                sqlx::migrate::MigrateError::VersionMissing(_)
                | sqlx::migrate::MigrateError::VersionMismatch(_),
            ) => Err(Error::Newer { path: path.to_owned() }),
            Err(error) => Err(opening(path, sqlx::Error::from(error))),
        }
    }

    /// A number that grows with each call, also over restarts: the controller's epoch.
    pub async fn next_epoch(&self) -> Result<u64> {
        let statement = "INSERT INTO counters (name, value) VALUES ('epoch', 1)
            ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value";
        let epoch: i64 = sqlx::query_scalar(statement).fetch_one(&self.pool).await?;
        Ok(epoch.unsigned_abs())
    }

    /// Waits for what is being written, and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// The directory 0700, the file 0600; SQLite gives its `-wal` and `-shm` files the mode of the file.
fn make_private(directory: &Path, path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

/// SQLite's codes for a damaged file and for one that is no database.
const DAMAGED: [&str; 2] = ["11", "26"];

fn opening(path: &Path, source: sqlx::Error) -> Error {
    let text = source.to_string();
    let code =
        source.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    let damaged = code.is_some_and(|code| DAMAGED.contains(&code.as_str()))
        || text.contains("file is not a database")
        || text.contains("malformed");
    let path = path.to_owned();
    if damaged { Error::Damaged { path, source } } else { Error::Open { path, source } }
}

fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn content<E: std::error::Error + Send + Sync + 'static>(
    what: &'static str,
) -> impl Fn(E) -> Error {
    move |source| Error::Content { what, source: Box::new(source) }
}

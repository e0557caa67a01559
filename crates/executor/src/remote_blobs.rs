//! Contents for a worker: it asks its executor for them piece by piece, so neither pipe nor memory ever fills.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};

use model::Digest;
use system::{BlobSource, Error};

use crate::frame::{self, News};

/// A pipe that several threads write whole frames to.
pub(crate) type SharedPipe = Arc<Mutex<Box<dyn Write + Send>>>;
type Part = Result<Vec<u8>, String>;

/// The contents that are being read, by number.
#[derive(Default)]
pub(crate) struct OpenBlobs {
    next: AtomicU64,
    readers: Mutex<HashMap<u64, mpsc::Sender<Part>>>,
}

impl OpenBlobs {
    /// A piece has come.
    pub(crate) fn deliver(&self, blob: u64, part: Part) {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = readers.get(&blob) {
            // It may have been closed just now.
            let _ = reader.send(part);
        }
    }

    /// No more pieces will come.
    pub(crate) fn close_all(&self) {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The blobs of one call.
pub(crate) struct RemoteBlobs {
    pub(crate) call: u64,
    pub(crate) pipe: SharedPipe,
    pub(crate) open: Arc<OpenBlobs>,
}

impl BlobSource for RemoteBlobs {
    fn open(&self, digest: Digest) -> system::Result<Box<dyn Read + Send>> {
        let blob = self.open.next.fetch_add(1, Ordering::Relaxed);
        let (sender, parts) = mpsc::channel();
        self.open.readers.lock().unwrap_or_else(PoisonError::into_inner).insert(blob, sender);
        let mut reader = RemoteBlob {
            blob,
            pipe: Arc::clone(&self.pipe),
            open: Arc::clone(&self.open),
            parts,
            part: io::Cursor::new(Vec::new()),
            ended: false,
        };
        let failed = |error: io::Error| Error::Blob { digest, reason: error.to_string() };
        reader.say(&News::BlobOpen { call: self.call, blob, digest }).map_err(failed)?;
        // The first piece now, so that a blob that cannot be had is an error here.
        reader.next_part().map_err(failed)?;
        Ok(Box::new(reader))
    }
}

struct RemoteBlob {
    blob: u64,
    pipe: SharedPipe,
    open: Arc<OpenBlobs>,
    parts: mpsc::Receiver<Part>,
    part: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl RemoteBlob {
    fn say(&self, news: &News) -> io::Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        frame::write(&mut **pipe, news, &[])
    }

    fn next_part(&mut self) -> io::Result<()> {
        self.say(&News::BlobRead { blob: self.blob })?;
        let part = self
            .parts
            .recv()
            .map_err(|_| io::Error::other("the executor is gone"))?
            .map_err(io::Error::other)?;
        self.ended = part.is_empty();
        self.part = io::Cursor::new(part);
        Ok(())
    }
}

impl Read for RemoteBlob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.part.read(buffer)?;
        if length > 0 || self.ended || buffer.is_empty() {
            return Ok(length);
        }
        self.next_part()?;
        self.part.read(buffer)
    }
}

impl Drop for RemoteBlob {
    fn drop(&mut self) {
        self.open.readers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.blob);
        // When the executor is gone there is nobody to tell.
        let _ = self.say(&News::BlobClose { blob: self.blob });
    }
}

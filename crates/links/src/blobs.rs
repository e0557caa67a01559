//! Contents by digest, in a directory: what plans name and hosts fetch.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use engine::link::BlobStore;
use model::Digest;
use proto::v1::GetBlobChunk;
use sha2::Digest as _;
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Bytes of a piece, before compression.
const PIECE: usize = 256 << 10;

/// Pieces that wait for a slow reader.
const WAITING: usize = 4;

/// Whoever knows a blob's digest may read it: it cannot be guessed without knowing the content.
#[derive(Debug)]
pub struct BlobDirectory {
    path: PathBuf,
}

/// An upload that cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The disk does not want it.
    #[error("cannot keep the upload")]
    Io(#[from] io::Error),
    /// It is not what it was said to be.
    #[error("the upload should have the digest {expected}, but has {actual}")]
    Digest {
        /// As announced.
        expected: Digest,
        /// Of what came.
        actual: Digest,
    },
    /// It is larger than announced.
    #[error("the upload is larger than the announced {announced} bytes")]
    Size {
        /// As announced.
        announced: u64,
    },
}

impl BlobDirectory {
    /// Opens a directory, made if need be: only its owner can look into it.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    /// Where a blob's content is, if it is there.
    pub fn find(&self, digest: Digest) -> Option<PathBuf> {
        let path = self.place(digest);
        path.is_file().then_some(path)
    }

    /// Begins to take in content that somebody sends.
    pub fn receive(&self, digest: Digest, size: u64) -> io::Result<Upload<'_>> {
        let file = self.begin()?;
        Ok(Upload { blobs: self, expected: digest, announced: size, file })
    }

    fn place(&self, digest: Digest) -> PathBuf {
        self.path.join(digest.to_string())
    }

    fn begin(&self) -> io::Result<Hashing> {
        let file = NamedTempFile::new_in(&self.path)?;
        Ok(Hashing { file, hash: sha2::Sha256::new(), size: 0 })
    }

    /// Gives what was written its name.
    fn keep(&self, written: Hashing) -> io::Result<(Digest, u64)> {
        let digest = Digest(written.hash.finalize().into());
        let path = self.place(digest);
        if !path.is_file() {
            written.file.as_file().sync_all()?;
            written.file.persist(&path)?;
            File::open(&self.path)?.sync_all()?;
        }
        Ok((digest, written.size))
    }

    /// Streams a blob from an offset on, compressed. Blocks now and then: not for an async thread.
    fn send(&self, digest: Digest, offset: u64, pieces: &Pieces) -> Result<(), Status> {
        let failed = |error: io::Error| Status::unavailable(format!("blob {digest}: {error}"));
        let mut file = match File::open(self.place(digest)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Status::not_found(format!("there is no blob {digest} here")));
            }
            Err(error) => return Err(failed(error)),
        };
        let size = file.metadata().map_err(failed)?.len();
        if offset > size {
            let message = format!("blob {digest} has {size} bytes; there is no byte {offset}");
            return Err(Status::out_of_range(message));
        }
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        // The first piece says the size, also when nothing follows it.
        if !pieces.send(GetBlobChunk { size, data: Vec::new() }) {
            return Ok(());
        }
        let mut compressed = zstd::stream::read::Encoder::new(file, 0).map_err(failed)?;
        loop {
            let mut data = vec![0; PIECE];
            let length = compressed.read(&mut data).map_err(failed)?;
            data.truncate(length);
            if length == 0 || !pieces.send(GetBlobChunk { size: 0, data }) {
                return Ok(());
            }
        }
    }
}

struct Pieces(mpsc::Sender<Result<GetBlobChunk, Status>>);

impl Pieces {
    /// False: nobody listens any more.
    fn send(&self, piece: GetBlobChunk) -> bool {
        self.0.blocking_send(Ok(piece)).is_ok()
    }
}

/// A blob on its way to a host.
pub(crate) type BlobStream = ReceiverStream<Result<GetBlobChunk, Status>>;

/// Streams a blob from an offset on.
pub(crate) fn stream(
    blobs: std::sync::Arc<BlobDirectory>,
    digest: Digest,
    offset: u64,
) -> BlobStream {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let pieces = Pieces(sender);
        if let Err(status) = blobs.send(digest, offset, &pieces) {
            // If nobody listens any more, nobody needs the error.
            let _ = pieces.0.blocking_send(Err(status));
        }
    });
    ReceiverStream::new(receiver)
}

impl BlobStore for BlobDirectory {
    fn add(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        if self.find(digest).is_none() {
            let mut file = self.begin()?;
            file.write_all(bytes)?;
            self.keep(file)?;
        }
        Ok(digest)
    }

    fn add_file(&self, path: &Path) -> io::Result<(Digest, u64)> {
        let mut file = self.begin()?;
        io::copy(&mut File::open(path)?, &mut file)?;
        self.keep(file)
    }
}

/// A file that knows the digest of what was written to it.
struct Hashing {
    file: NamedTempFile,
    hash: sha2::Sha256,
    size: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Content that is coming in; dropped before [`Upload::finish`], it was never there.
pub struct Upload<'a> {
    blobs: &'a BlobDirectory,
    expected: Digest,
    announced: u64,
    file: Hashing,
}

impl Upload<'_> {
    /// The next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        if self.file.size + bytes.len() as u64 > self.announced {
            return Err(UploadError::Size { announced: self.announced });
        }
        Ok(self.file.write_all(bytes)?)
    }

    /// Keeps the content, if it is what was announced.
    pub fn finish(self) -> Result<PathBuf, UploadError> {
        let actual = Digest(self.file.hash.clone().finalize().into());
        if actual != self.expected {
            return Err(UploadError::Digest { expected: self.expected, actual });
        }
        self.blobs.keep(self.file)?;
        Ok(self.blobs.place(actual))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_content_is_kept_once_under_its_digest() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = BlobDirectory::open(directory.path().join("blobs")).unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "abc").unwrap();
        let digest = Digest::of(b"abc");
        assert_eq!(blobs.find(digest), None);
        assert_eq!(blobs.add_file(&file).unwrap(), (digest, 3));
        assert_eq!(blobs.add(b"abc").unwrap(), digest);
        let path = blobs.find(digest).unwrap();
        assert_eq!(fs::read(path).unwrap(), b"abc");
        assert_eq!(names(&directory.path().join("blobs")), [digest.to_string()]);
        assert!(blobs.add_file(&directory.path().join("absent")).is_err());
    }

    #[test]
    fn an_upload_must_be_what_was_announced() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = BlobDirectory::open(directory.path()).unwrap();
        let digest = Digest::of(b"abc");
        let mut upload = blobs.receive(digest, 3).unwrap();
        upload.write(b"ab").unwrap();
        let error = upload.write(b"cd").unwrap_err();
        assert_eq!(error.to_string(), "the upload is larger than the announced 3 bytes");
        let error = upload.finish().unwrap_err().to_string();
        assert!(error.contains(&format!("should have the digest {digest}")), "{error}");
        assert!(names(directory.path()).is_empty(), "nothing of it is left");

        let mut upload = blobs.receive(digest, 3).unwrap();
        upload.write(b"a").unwrap();
        upload.write(b"bc").unwrap();
        assert_eq!(fs::read(upload.finish().unwrap()).unwrap(), b"abc");
    }
}

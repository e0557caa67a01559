//! Frames between an executor and its become workers: a JSON header and raw bytes, both with their length in front.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::time::Duration;

use model::{Args, Digest, Mode, Outcome, OutputStream, Step, StepId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Manner;
use crate::jobs::Job;

/// Printed by a worker before its first frame; what comes before it on the pipe (a PAM module's greeting) is not ours.
pub(crate) const READY: &[u8] = b"\0muster-worker-1\n";
/// No frame is larger: contents of blobs come in pieces.
const FRAME_LIMIT: u32 = 64 << 20;

/// From the executor to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Carry out a step.
    Run { call: u64, step: Box<PlainStep>, manner: Manner },
    /// Carry out a step as a job that nobody waits for, and end. The body is the content that it asks for.
    Keep { step: Box<PlainStep>, job: Job, blob: Option<Digest> },
    /// Stop it.
    Cancel { call: u64 },
    /// Answers [`News::BlobRead`]; the bytes are the frame's body, none at the end.
    BlobPart { blob: u64, error: Option<String> },
    /// End. The end of the pipe means the same, but a terminal that someone still listens to has none.
    Exit,
}

/// From a worker to the executor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum News {
    /// A command printed the frame's body.
    Output { call: u64, stream: OutputStream },
    /// A step ended.
    Finished { call: u64, outcome: Box<Outcome> },
    /// A step wants a blob; it chooses the number under which it will read it.
    BlobOpen { call: u64, blob: u64, digest: Digest },
    /// The next piece, please.
    BlobRead { blob: u64 },
    /// Enough of it.
    BlobClose { blob: u64 },
}

/// A step without its way to another user: the worker has gone that way already.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlainStep {
    id: u32,
    module: String,
    args: Args,
    mode: Mode,
    environment: BTreeMap<String, String>,
    timeout: Option<Duration>,
    no_log: bool,
}

impl From<&Step> for PlainStep {
    fn from(step: &Step) -> Self {
        Self {
            id: step.id.0,
            module: step.module.clone(),
            args: step.args.clone(),
            mode: step.mode,
            environment: step.environment.clone(),
            timeout: step.timeout,
            no_log: step.no_log,
        }
    }
}

impl From<PlainStep> for Step {
    fn from(plain: PlainStep) -> Self {
        Self {
            id: StepId(plain.id),
            module: plain.module,
            args: plain.args,
            mode: plain.mode,
            run_as: None,
            environment: plain.environment,
            timeout: plain.timeout,
            no_log: plain.no_log,
        }
    }
}

/// Writes a frame and flushes.
pub(crate) fn write(to: &mut dyn Write, header: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let header = serde_json::to_vec(header)?;
    let length = |part: &[u8]| {
        u32::try_from(part.len())
            .ok()
            .filter(|length| *length <= FRAME_LIMIT)
            .ok_or_else(|| io::Error::other(format!("a frame of {} bytes", part.len())))
    };
    let mut start = Vec::with_capacity(8 + header.len());
    start.extend_from_slice(&length(&header)?.to_be_bytes());
    start.extend_from_slice(&length(body)?.to_be_bytes());
    start.extend_from_slice(&header);
    to.write_all(&start)?;
    to.write_all(body)?;
    to.flush()
}

/// Reads a frame; `None` when the other side has closed between two frames.
pub(crate) fn read<H: DeserializeOwned>(from: &mut dyn Read) -> io::Result<Option<(H, Vec<u8>)>> {
    let mut lengths = [0; 8];
    if from.read(&mut lengths[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut lengths[1..])?;
    let lengths = u64::from_be_bytes(lengths);
    let header = read_part(from, (lengths >> 32) as u32)?;
    let body = read_part(from, lengths as u32)?;
    Ok(Some((serde_json::from_slice(&header)?, body)))
}

fn read_part(from: &mut dyn Read, length: u32) -> io::Result<Vec<u8>> {
    if length > FRAME_LIMIT {
        return Err(io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut bytes = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() == length as usize {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_pipe() {
        let mut pipe = Vec::new();
        write(&mut pipe, &Order::Cancel { call: 7 }, b"").expect("written");
        write(&mut pipe, &Order::BlobPart { blob: 1, error: None }, &[0, 255]).expect("written");
        let mut rest = pipe.as_slice();
        let first = read::<Order>(&mut rest).expect("read").expect("a frame");
        assert!(matches!(first, (Order::Cancel { call: 7 }, body) if body.is_empty()));
        let second = read::<Order>(&mut rest).expect("read").expect("a frame");
        assert!(matches!(second, (Order::BlobPart { blob: 1, .. }, body) if body == [0, 255]));
        assert!(read::<Order>(&mut rest).expect("the end").is_none());
    }

    #[test]
    fn torn_and_oversized_frames_are_errors() {
        let mut pipe = Vec::new();
        write(&mut pipe, &Order::Cancel { call: 7 }, b"body").expect("written");
        for end in 1..pipe.len() {
            assert!(read::<Order>(&mut &pipe[..end]).is_err(), "cut at {end}");
        }
        let huge = [0xff; 16];
        assert!(read::<Order>(&mut huge.as_slice()).is_err());
    }
}

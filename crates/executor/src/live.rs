//! Live output of a step on its way out: pieces are put together, and what is too much is dropped and counted.

use std::sync::{Mutex, PoisonError};

use model::OutputStream;

/// Waiting to be shown: producers never wait for a slow controller.
const PENDING_LIMIT: usize = 64 << 10;
/// Shown of one step while it runs; its result holds its own, separately bounded, copy.
const STEP_LIMIT: usize = 1 << 20;

/// What a step printed and nobody has fetched yet.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    pending: Vec<(OutputStream, Vec<u8>)>,
    pending_bytes: usize,
    taken: usize,
    dropped: usize,
}

impl Live {
    /// Adds what was just printed.
    pub(crate) fn push(&self, stream: OutputStream, bytes: &[u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = PENDING_LIMIT
            .saturating_sub(state.pending_bytes)
            .min(STEP_LIMIT.saturating_sub(state.taken + state.pending_bytes));
        let kept = &bytes[..bytes.len().min(room)];
        state.dropped += bytes.len() - kept.len();
        state.pending_bytes += kept.len();
        if kept.is_empty() {
            return;
        }
        match state.pending.last_mut() {
            Some((last, text)) if *last == stream => text.extend_from_slice(kept),
            _ => state.pending.push((stream, kept.to_vec())),
        }
    }

    /// Takes what is there, in the order in which it was printed.
    pub(crate) fn take(&self) -> Vec<(OutputStream, Vec<u8>)> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.taken += state.pending_bytes;
        state.pending_bytes = 0;
        std::mem::take(&mut state.pending)
    }

    /// Takes the rest, with a line that says how much was dropped.
    pub(crate) fn finish(&self) -> Vec<(OutputStream, Vec<u8>)> {
        let mut rest = self.take();
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.dropped > 0 {
            let note = format!("\n[{} bytes of live output not shown]\n", state.dropped);
            rest.push((OutputStream::Stderr, note.into_bytes()));
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_one_stream_are_put_together_in_order() {
        let live = Live::default();
        live.push(OutputStream::Stdout, b"a");
        live.push(OutputStream::Stdout, b"b");
        live.push(OutputStream::Stderr, b"c");
        live.push(OutputStream::Stdout, b"d");
        let texts: Vec<_> = live.take().into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(texts, [b"ab".to_vec(), b"c".to_vec(), b"d".to_vec()]);
        assert!(live.finish().is_empty());
    }

    #[test]
    fn a_flood_is_dropped_and_counted() {
        let live = Live::default();
        let mut shown = 0;
        for _ in 0..100 {
            live.push(OutputStream::Stdout, &vec![b'x'; 40_000]);
            shown += live.take().iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        }
        assert_eq!(shown, STEP_LIMIT);
        let note = live.finish().pop().expect("a note").1;
        let expected = format!("[{} bytes of live output not shown]", 4_000_000 - STEP_LIMIT);
        assert!(String::from_utf8_lossy(&note).contains(&expected));
    }

    #[test]
    fn an_unread_flood_takes_bounded_room() {
        let live = Live::default();
        for _ in 0..100 {
            live.push(OutputStream::Stdout, &vec![b'x'; 40_000]);
        }
        assert_eq!(live.take().iter().map(|(_, bytes)| bytes.len()).sum::<usize>(), PENDING_LIMIT);
    }
}

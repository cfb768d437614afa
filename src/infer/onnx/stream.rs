//! A file as the protobuf's decoder takes it: piece by piece, so that it is never in memory beside what is made of it.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use bytes::{Buf, Bytes};
use sha2::{Digest, Sha256};

/// Small enough for the second-level cache: the decoder reads what was just copied there.
const PIECE: usize = 128 << 10;

/// Pieces that wait to be hashed, at most.
const WAITING: usize = 4;

/// What is left of a reader. It is hashed on the way, by a thread of its own where there can be one: that takes a fifth of the time
/// that a large model takes to load, and more where the processor has no instructions for it.
pub struct Stream<R> {
    reader: R,
    piece: Vec<u8>,
    at: usize,
    /// Bytes of the file behind `piece`.
    unread: usize,
    hash: Hash,
    /// The decoder asks for a tensor's bytes and copies them to where they stay: the same memory serves for all tensors.
    lent: Arc<Mutex<Vec<u8>>>,
    /// [`Buf`] knows no errors: after one, zeros follow, and whoever decodes has to ask.
    failed: Option<std::io::Error>,
}

impl<R: Read> Stream<R> {
    /// `length` is that of the whole file.
    pub fn new(reader: R, length: usize) -> Self {
        let piece = Vec::with_capacity(PIECE.min(length));
        let (hash, lent) = (Hash::new(), Arc::default());
        let mut stream = Self { reader, piece, at: 0, unread: length, hash, lent, failed: None };
        stream.refill();
        stream
    }

    /// The hash of the whole, also of what was not decoded.
    ///
    /// # Errors
    /// What the reader could not do; what was decoded is worth nothing then.
    pub fn finish(mut self) -> std::io::Result<Sha256> {
        while self.has_remaining() && self.failed.is_none() {
            self.advance(self.chunk().len());
        }
        match self.failed {
            Some(error) => Err(error),
            None => self.hash.finish(self.piece),
        }
    }

    fn refill(&mut self) {
        self.at = 0;
        self.piece = self.hash.update(std::mem::take(&mut self.piece));
        self.piece.resize(PIECE.min(self.unread), 0);
        self.unread -= self.piece.len();
        if self.failed.is_none()
            && let Err(error) = self.reader.read_exact(&mut self.piece)
        {
            self.failed = Some(error);
        }
        if self.failed.is_some() {
            self.piece.fill(0);
        }
    }
}

/// Who hashes.
enum Hash {
    Here(Sha256),
    /// Pieces go there, and come back empty.
    Elsewhere {
        full: SyncSender<Vec<u8>>,
        empty: Receiver<Vec<u8>>,
        thread: JoinHandle<Sha256>,
    },
}

impl Hash {
    fn new() -> Self {
        let (full, pieces) = sync_channel(WAITING);
        let (back, empty) = channel();
        match Builder::new().name("hash".into()).spawn(move || hash_all(&pieces, &back)) {
            Ok(thread) => Self::Elsewhere { full, empty, thread },
            Err(_) => Self::Here(Sha256::new()),
        }
    }

    /// Takes a piece; another one, or the same, can be filled.
    fn update(&mut self, piece: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Here(hasher) => {
                hasher.update(&piece);
                piece
            }
            // The other end is there as long as this one is.
            Self::Elsewhere { full, empty, .. } => match full.send(piece) {
                Ok(()) => empty.try_recv().unwrap_or_default(),
                Err(unsent) => unsent.0,
            },
        }
    }

    /// # Errors
    /// When the thread died.
    fn finish(mut self, last: Vec<u8>) -> std::io::Result<Sha256> {
        self.update(last);
        match self {
            Self::Here(hasher) => Ok(hasher),
            Self::Elsewhere { full, thread, .. } => {
                drop(full);
                thread.join().map_err(|_| std::io::Error::other("it could not be hashed"))
            }
        }
    }
}

fn hash_all(pieces: &Receiver<Vec<u8>>, back: &Sender<Vec<u8>>) -> Sha256 {
    let mut hasher = Sha256::new();
    while let Ok(piece) = pieces.recv() {
        hasher.update(&piece);
        // Nobody may want it any more.
        let _ = back.send(piece);
    }
    hasher
}

/// Bytes on loan: the memory goes back when they are dropped.
struct Loan(Vec<u8>, Arc<Mutex<Vec<u8>>>);

impl AsRef<[u8]> for Loan {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = std::mem::take(&mut self.0);
    }
}

impl<R: Read> Buf for Stream<R> {
    fn remaining(&self) -> usize {
        self.piece.len() - self.at + self.unread
    }

    fn chunk(&self) -> &[u8] {
        &self.piece[self.at..]
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        let mut bytes = std::mem::take(&mut *self.lent.lock().unwrap_or_else(PoisonError::into_inner));
        bytes.resize(length, 0);
        self.copy_to_slice(&mut bytes);
        Bytes::from_owner(Loan(bytes, self.lent.clone()))
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 && self.has_remaining() {
            let step = count.min(self.piece.len() - self.at);
            self.at += step;
            count -= step;
            if self.at == self.piece.len() && self.unread > 0 {
                self.refill();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::hash::hex;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_the_steps_the_bytes_come_in_order_and_the_hash_is_that_of_all(
            bytes in prop::collection::vec(any::<u8>(), 0..3000), repeats in 1..200usize, steps in prop::collection::vec(1..70_000usize, 1..20),
        ) {
            let whole = bytes.repeat(repeats);
            let mut stream = Stream::new(whole.as_slice(), whole.len());
            let mut taken = Vec::new();
            for step in steps {
                let part = stream.copy_to_bytes(step.min(stream.remaining()));
                taken.extend_from_slice(&part);
            }
            prop_assert_eq!(stream.remaining(), whole.len() - taken.len());
            prop_assert_eq!(&taken[..], &whole[..taken.len()]);
            prop_assert_eq!(hex(stream.finish().expect("no error")), hex(Sha256::new().chain_update(&whole)));
        }
    }

    #[test]
    fn a_file_that_is_cut_while_it_is_read_is_an_error_and_the_decoder_comes_to_an_end() {
        let mut stream = Stream::new([7; 10].as_slice(), 1_000_000);
        stream.advance(2_000_000);
        assert_eq!(stream.remaining(), 0);
        assert_eq!(stream.finish().map(|_| ()).map_err(|error| error.kind()), Err(std::io::ErrorKind::UnexpectedEof));
    }
}

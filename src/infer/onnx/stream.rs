//! A file as the protobuf's decoder takes it: piece by piece, so that it is never in memory beside what is made of it.

use std::io::Read;

use bytes::Buf;
use sha2::{Digest, Sha256};

/// Small enough for the second-level cache: the hash and the decoder both read what was just copied there.
const PIECE: usize = 128 << 10;

/// What is left of a reader, hashed on the way.
pub struct Stream<R> {
    reader: R,
    piece: Vec<u8>,
    at: usize,
    /// Bytes of the file behind `piece`.
    unread: usize,
    hasher: Sha256,
    /// [`Buf`] knows no errors: after one, zeros follow, and whoever decodes has to ask.
    failed: Option<std::io::Error>,
}

impl<R: Read> Stream<R> {
    /// `length` is that of the whole file.
    pub fn new(reader: R, length: usize) -> Self {
        let piece = Vec::with_capacity(PIECE.min(length));
        let mut stream = Self { reader, piece, at: 0, unread: length, hasher: Sha256::new(), failed: None };
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
        self.failed.map_or(Ok(self.hasher), Err)
    }

    fn refill(&mut self) {
        self.at = 0;
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
        self.hasher.update(&self.piece);
    }
}

impl<R: Read> Buf for Stream<R> {
    fn remaining(&self) -> usize {
        self.piece.len() - self.at + self.unread
    }

    fn chunk(&self) -> &[u8] {
        &self.piece[self.at..]
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
                let mut part = vec![0; step.min(stream.remaining())];
                stream.copy_to_slice(&mut part);
                taken.extend(part);
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

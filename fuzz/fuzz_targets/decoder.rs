//! Any bytes as a JPEG picture: its markers, its missing tables, and the decoder that makes small pictures.
#![no_main]

use glimpsed_jpeg::decoder::{Decoder, Wanted};
use glimpsed_jpeg::{Scan, Scanner, huffman};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    read_markers(data);
    decode_small(data);
});

/// Our own part of reading a JPEG.
fn read_markers(data: &[u8]) {
    let mut completed = Vec::new();
    let _ = huffman::complete(data, &mut completed);
    if let Scan::Complete(end) = Scanner::default().scan(data) {
        assert!(end <= data.len());
    }
}

/// Our own decoder, at a size and of a part that the bytes choose.
fn decode_small(data: &[u8]) {
    let mut decoder = Decoder::default();
    let Ok(header) = decoder.read(data) else { return };
    // Larger ones take too long here.
    if header.width * header.height > 1 << 22 {
        return;
    }
    let choice = usize::from(data[data.len() / 2]);
    let (columns, rows) = (choice..header.width.max(choice), 0..header.height / (1 + choice % 3));
    let orientation = header.orientation;
    let decoded = decoder.decode(data, &header, &Wanted { block: 1 + choice % 8, columns, rows, budget: 12 << 20 });
    if decoded.is_ok() {
        decoder.turn(orientation);
    }
}

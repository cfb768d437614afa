//! Any stream of bytes, in portions of any size: what comes out are whole pictures, the same ones however it was cut.
#![no_main]

use glimpsed_core::capture::mjpeg::{Next, Splitter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&portion, stream)) = data.split_first() else { return };
    let pictures = split(stream, usize::from(portion).max(1));
    assert_eq!(pictures, split(stream, stream.len().max(1)), "the portions changed what came out");
});

fn split(stream: &[u8], portion: usize) -> Vec<Vec<u8>> {
    let mut splitter = Splitter::new();
    let (mut pictures, mut picture) = (Vec::new(), Vec::new());
    for bytes in stream.chunks(portion) {
        splitter.push(bytes);
        loop {
            match splitter.next_into(&mut picture) {
                Next::Picture => {}
                Next::Skipped(_) => continue,
                Next::More => break,
            }
            assert!(picture.starts_with(&[0xFF, 0xD8]) && picture.ends_with(&[0xFF, 0xD9]));
            pictures.push(picture.clone());
        }
    }
    // A missing end marker is added.
    let given: u64 = pictures.iter().map(|picture| picture.len() as u64 - 2).sum();
    assert!(given + splitter.skipped_bytes() <= stream.len() as u64, "bytes were counted twice");
    pictures
}

//! Decodes a JPEG to about 224 pixels and writes its brightness as a PGM file.
//!
//! usage: cargo run -p glimpsed-jpeg --example small PICTURE.jpg SMALL.pgm

use std::error::Error;

use glimpsed_jpeg::decoder::{Decoder, Wanted};
use glimpsed_jpeg::huffman;

fn main() -> Result<(), Box<dyn Error>> {
    let [_, from, to] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: small PICTURE.jpg SMALL.pgm".into());
    };
    let (file, mut with_tables) = (std::fs::read(from)?, Vec::new());
    let bytes = huffman::complete(&file, &mut with_tables);
    let mut decoder = Decoder::default();
    let header = decoder.read(bytes).map_err(|refusal| format!("{refusal:?}"))?;
    let block = (224 * 8usize).div_ceil(header.width.min(header.height)).clamp(1, 8);
    let wanted = Wanted { block, columns: 0..header.width, rows: 0..header.height, budget: 16 << 20 };
    decoder.decode(bytes, &header, &wanted).map_err(|refusal| format!("{refusal:?}"))?;
    let luma = &decoder.planes()[0];
    let mut pgm = format!("P5\n{} {}\n255\n", luma.width, luma.height).into_bytes();
    luma.pixels.chunks(luma.stride).take(luma.height).for_each(|row| pgm.extend_from_slice(&row[..luma.width]));
    Ok(std::fs::write(to, pgm)?)
}

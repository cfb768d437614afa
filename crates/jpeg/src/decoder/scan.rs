//! The order of the blocks in a scan (ITU-T T.81, A.2).

use super::bits::{BadBits, Bits, Interval, Place, behind_restart};
use super::error::Refusal;
use super::segments::{Header, Scan};

/// Reads the blocks of a scan.
pub(super) trait ReadBlocks {
    /// A restart interval begins.
    fn restart(&mut self);

    /// Reads the next block: that of the scan's component `at`, at `column` and `row` of its plane.
    fn block(&mut self, bits: &mut Bits<'_>, at: usize, place: [usize; 2]) -> Result<(), BadBits>;
}

/// Reads all blocks of a scan whose entropy-coded data `bytes` begin with. `window` is a buffer to reuse.
///
/// Returns what comes behind the data, from its marker on.
///
/// # Errors
/// When a block is damaged or missing.
#[allow(clippy::needless_range_loop, reason = "the compiler does not inline iterators here")]
#[inline(always)]
pub(super) fn read<'a>(
    bytes: &'a [u8],
    header: &Header,
    scan: &Scan,
    window: &mut Vec<u8>,
    reader: &mut impl ReadBlocks,
) -> Result<&'a [u8], Refusal> {
    let is_single = scan.count == 1;
    let [across, down] = if is_single { header.own_blocks(scan.components[0]) } else { header.units() };
    let blocks = scan.components.map(|at| if is_single { [1, 1] } else { header.components[at].blocks });
    let units = across * down;
    let interval = if scan.restart_interval > 0 { scan.restart_interval } else { units };
    let (mut rest, mut begun) = (bytes, 0);
    loop {
        let end = units.min(begun + interval);
        let mut data = Interval::new(rest, window);
        let mut place = Place::default();
        reader.restart();
        let mut bits = data.bits(place);
        for unit in begun..end {
            if data.is_low(bits.place()) {
                place = data.move_on(bits.place());
                bits = data.bits(place);
            }
            let (unit_row, unit_column) = (unit / across, unit % across);
            // Plain loops: iterators would be called for each block.
            for at in 0..scan.count {
                let [columns, rows] = blocks[at];
                for row in unit_row * rows..(unit_row + 1) * rows {
                    for column in unit_column * columns..(unit_column + 1) * columns {
                        reader.block(&mut bits, at, [column, row]).map_err(refused)?;
                    }
                }
            }
        }
        // The rest of the interval is skipped, because some webcams send surplus bytes there.
        rest = data.behind();
        if end == units {
            return Ok(rest);
        }
        rest = behind_restart(rest).map_err(refused)?;
        begun = end;
    }
}

/// Passes over the entropy-coded data that `bytes` begin with, and returns what comes behind it, from its marker on.
pub(super) fn skip<'a>(bytes: &'a [u8], window: &mut Vec<u8>) -> &'a [u8] {
    let mut rest = Interval::new(bytes, window).behind();
    while let Ok(next) = behind_restart(rest) {
        rest = Interval::new(next, window).behind();
    }
    rest
}

#[cold]
fn refused(bad: BadBits) -> Refusal {
    match bad {
        BadBits::Ended => Refusal::CutShort,
        BadBits::Wrong => Refusal::Damaged("its blocks are damaged"),
    }
}

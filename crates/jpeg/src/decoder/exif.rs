//! The orientation tag of Exif.

/// IFD0's tag for the orientation, and the only type that it may have.
const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;

/// Entries of a directory that are looked at; more than any camera writes.
const MAX_ENTRIES: u16 = 512;

/// The orientation, from 1 (upright) to 8, of Exif data that begins with its TIFF header. Data without a valid tag is
/// upright; so is data whose tag has another type than SHORT, as in browsers.
pub fn orientation(tiff: &[u8]) -> u8 {
    read(tiff).filter(|orientation| (1..=8).contains(orientation)).unwrap_or(1)
}

fn read(tiff: &[u8]) -> Option<u8> {
    let is_little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = usize::try_from(long(4)?).ok()?;
    let entries = short(directory)?.min(MAX_ENTRIES);
    let entry = |number: u16| directory.checked_add(2 + 12 * usize::from(number));
    let tag = (0..entries).filter_map(entry).find(|&at| short(at) == Some(ORIENTATION))?;
    let is_short = short(tag + 2)? == SHORT && long(tag + 4)? == 1;
    u8::try_from(short(tag + 8)?).ok().filter(|_| is_short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiff(kind: u16, count: u32, value: &[u8; 4]) -> Vec<u8> {
        let mut bytes = b"MM\0*\0\0\0\x08\0\x01\x01\x12".to_vec();
        bytes.extend(kind.to_be_bytes());
        bytes.extend(count.to_be_bytes());
        bytes.extend(value);
        bytes
    }

    #[test]
    fn only_one_short_from_1_to_8_is_an_orientation() {
        assert_eq!(orientation(&tiff(SHORT, 1, &[0, 6, 0, 0])), 6);
        assert_eq!(orientation(b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0"), 8);
        for other in [
            tiff(4, 1, &[0, 0, 0, 6]),
            tiff(SHORT, 2, &[0, 6, 0, 0]),
            tiff(SHORT, 1, &[0, 0, 0, 0]),
            tiff(SHORT, 1, &[0, 9, 0, 0]),
            tiff(SHORT, 1, &[1, 6, 0, 0]),
            b"MM\0*\xFF\xFF\xFF\xFF".to_vec(),
            Vec::new(),
        ] {
            assert_eq!(orientation(&other), 1, "{other:?}");
        }
        let whole = tiff(SHORT, 1, &[0, 6, 0, 0]);
        assert!((0..whole.len() - 2).all(|length| orientation(&whole[..length]) == 1));
    }
}

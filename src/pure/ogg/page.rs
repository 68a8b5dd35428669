//! One page: its header of 27 bytes, its lacing values, its body, and the checksum over all of them (RFC 3533, section 6).

/// The granule position of a page on which no packet ends.
pub const NO_GRANULE: u64 = u64::MAX;

/// What every page begins with.
pub(super) const CAPTURE: &[u8; 4] = b"OggS";

/// Bytes of a header before its lacing values.
pub(super) const HEADER: usize = 27;

/// Lacing values of a page at most.
pub(super) const MOST_SEGMENTS: usize = 255;

/// Bytes of a page at most.
pub(super) const LARGEST: usize = HEADER + MOST_SEGMENTS + MOST_SEGMENTS * 255;

const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// One page, borrowed from the bytes that hold it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Page<'a> {
    /// Whether its first segment goes on with a packet of the page before.
    pub continued: bool,
    /// Whether it is the first of its stream.
    pub first: bool,
    /// Whether it is the last of its stream.
    pub last: bool,
    /// The position at the end of the last packet that ends here, or [`NO_GRANULE`].
    pub granule: u64,
    /// Whose page it is.
    pub serial: u32,
    /// Its number in its stream, from 0 on.
    pub sequence: u32,
    /// The lengths of its segments; a packet ends with the first that is less than 255.
    pub lacing: &'a [u8],
    /// Its segments.
    pub body: &'a [u8],
}

impl<'a> Page<'a> {
    /// Reads the page that `bytes` begin with, or nothing where none does that is whole.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Page<'a>> {
        let header = bytes.get(..HEADER)?;
        if !header.starts_with(CAPTURE) || header[4] != 0 {
            return None;
        }
        let lacing = bytes.get(HEADER..HEADER + usize::from(header[26]))?;
        let length: usize = lacing.iter().map(|n| usize::from(*n)).sum();
        let begin = HEADER + lacing.len();
        let body = bytes.get(begin..begin + length)?;
        let told = u32::from_le_bytes(*header[22..].first_chunk()?);
        let checked = checksum(
            [&header[..22], &[0; 4], &header[26..], lacing, body]
                .into_iter()
                .flatten(),
        );
        (told == checked).then_some(Page {
            continued: header[5] & CONTINUED != 0,
            first: header[5] & FIRST != 0,
            last: header[5] & LAST != 0,
            granule: u64::from_le_bytes(*header[6..].first_chunk()?),
            serial: u32::from_le_bytes(*header[14..].first_chunk()?),
            sequence: u32::from_le_bytes(*header[18..].first_chunk()?),
            lacing,
            body,
        })
    }

    /// Returns how many bytes it has.
    #[must_use]
    pub fn length(&self) -> usize {
        HEADER + self.lacing.len() + self.body.len()
    }

    /// Writes it behind what is in `out`. More than 255 lacing values are cut off, and there are never more.
    pub fn write(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let lacing = &self.lacing[..self.lacing.len().min(MOST_SEGMENTS)];
        out.extend_from_slice(CAPTURE);
        out.push(0);
        out.push(flag(self.continued, CONTINUED) | flag(self.first, FIRST) | flag(self.last, LAST));
        out.extend_from_slice(&self.granule.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.push(lacing.len() as u8);
        out.extend_from_slice(lacing);
        out.extend_from_slice(self.body);
        let checked = checksum(&out[begin..]);
        out[begin + 22..begin + 26].copy_from_slice(&checked.to_le_bytes());
    }
}

/// The remainders of all bytes by the polynomial 0x04C11DB7, highest bit first.
const REMAINDERS: [u32; 256] = remainders();

const fn remainders() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            let over = rest & 0x8000_0000 != 0;
            rest <<= 1;
            if over {
                rest ^= 0x04C1_1DB7;
            }
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
}

/// The checksum of a page whose own four bytes of it are 0: nothing to begin with, and nothing turned over.
fn checksum<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u32 {
    bytes.into_iter().fold(0, |rest, byte| {
        (rest << 8) ^ REMAINDERS[((rest >> 24) as u8 ^ byte) as usize]
    })
}

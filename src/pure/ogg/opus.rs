//! What Opus puts into Ogg: the two headers (RFC 7845), and packets of several streams in one (RFC 6716, appendix B).

/// Granules a second: positions count at 48 kHz, whatever the rate of the sound.
pub const GRANULE_RATE: u32 = 48_000;

/// Samples of the longest packet there is, 120 ms, at [`GRANULE_RATE`].
pub const LONGEST_PACKET: u32 = GRANULE_RATE / 1000 * 120;

/// The first packet: what the sound is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// Channels, 1 to 255.
    pub channels: u8,
    /// What a decoder makes first and nobody is to hear, in granules.
    pub pre_skip: u16,
    /// The rate of the sound before it was encoded, in Hz; for information only.
    pub input_rate: u32,
    /// What to turn the decoded sound up by, in 1/256 dB.
    pub gain: i16,
    /// How the channels lie in the streams of a packet.
    pub mapping: Mapping,
}

/// How the channels of a file lie in the streams of its packets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mapping {
    /// One stream, of one channel or two (family 0).
    Plain,
    /// Several streams.
    Streams {
        /// What the channels are: 1 for those of Vorbis, in its order.
        family: u8,
        /// Streams in a packet.
        streams: u8,
        /// How many of them, the first ones, have two channels.
        coupled: u8,
        /// Which decoded channel each channel is; 255 for silence.
        channels: Vec<u8>,
    },
}

const MAGIC: &[u8; 8] = b"OpusHead";

/// A channel that is silent.
pub const SILENT: u8 = 255;

impl Head {
    /// Writes it as a packet.
    #[must_use]
    pub fn to_packet(&self) -> Vec<u8> {
        let mut packet = MAGIC.to_vec();
        packet.extend_from_slice(&[1, self.channels]);
        packet.extend_from_slice(&self.pre_skip.to_le_bytes());
        packet.extend_from_slice(&self.input_rate.to_le_bytes());
        packet.extend_from_slice(&self.gain.to_le_bytes());
        match &self.mapping {
            Mapping::Plain => packet.push(0),
            Mapping::Streams {
                family,
                streams,
                coupled,
                channels,
            } => {
                packet.extend_from_slice(&[*family, *streams, *coupled]);
                packet.extend_from_slice(channels);
            }
        }
        packet
    }

    /// Reads it, or nothing where it is none, or one that no decoder could follow.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Head> {
        let rest = packet.strip_prefix(MAGIC)?;
        let (fixed, rest) = rest.split_first_chunk::<11>()?;
        // A new minor version is read like the old one (section 5.1).
        if fixed[0] & 0xF0 != 0 || fixed[1] == 0 {
            return None;
        }
        let channels = fixed[1];
        let mapping = if fixed[10] == 0 {
            (channels <= 2).then_some(Mapping::Plain)?
        } else if !matches!(fixed[10], 1 | 2 | 255) {
            // Other families lay their tables out in other ways.
            return None;
        } else {
            let (counts, map) = rest.split_first_chunk::<2>()?;
            let [streams, coupled] = *counts;
            let decoded = u16::from(streams) + u16::from(coupled);
            let map = map.get(..usize::from(channels))?;
            let fits = |channel: &u8| *channel == SILENT || u16::from(*channel) < decoded;
            if streams == 0 || coupled > streams || decoded > 255 || !map.iter().all(fits) {
                return None;
            }
            Mapping::Streams {
                family: fixed[10],
                streams,
                coupled,
                channels: map.to_vec(),
            }
        };
        Some(Head {
            channels,
            pre_skip: u16::from_le_bytes([fixed[2], fixed[3]]),
            input_rate: u32::from_le_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            gain: i16::from_le_bytes([fixed[8], fixed[9]]),
            mapping,
        })
    }
}

/// Writes the second packet: who made the file, and comments such as `TITLE=…`.
#[must_use]
pub fn tags(vendor: &str, comments: &[String]) -> Vec<u8> {
    let mut packet = b"OpusTags".to_vec();
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    packet.extend_from_slice(&length(vendor.len()));
    packet.extend_from_slice(vendor.as_bytes());
    packet.extend_from_slice(&length(comments.len()));
    for comment in comments {
        packet.extend_from_slice(&length(comment.len()));
        packet.extend_from_slice(comment.as_bytes());
    }
    packet
}

/// Puts the packets of two streams into one. Both are of one frame (code 0), as an encoder makes them for 20 ms; nothing where
/// one is not.
#[must_use]
pub fn join(first: &[u8], second: &[u8]) -> Option<Vec<u8>> {
    let (toc, sound) = first.split_first()?;
    if toc & 3 != 0 || second.is_empty() {
        return None;
    }
    let mut packet = Vec::with_capacity(first.len() + second.len() + 2);
    packet.push(*toc);
    write_length(sound.len(), &mut packet)?;
    packet.extend_from_slice(sound);
    packet.extend_from_slice(second);
    Some(packet)
}

/// Takes the packet of each stream out of one; nothing where it does not hold so many.
#[must_use]
pub fn split(packet: &[u8], streams: u8) -> Option<Vec<Vec<u8>>> {
    let mut rest = packet;
    let mut taken = Vec::new();
    for _ in 1..streams {
        let (one, behind) = undelimit(rest)?;
        taken.push(one);
        rest = behind;
    }
    if rest.is_empty() {
        return None;
    }
    taken.push(rest.to_vec());
    Some(taken)
}

/// Reads a packet that tells its own length, and returns it as one that does not, with what follows.
fn undelimit(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut cursor = Cursor { rest: bytes };
    let toc = cursor.byte()?;
    let mut packet = vec![toc];
    let (lengths, padding) = match toc & 3 {
        0 => (vec![cursor.length()?], 0),
        1 => (vec![cursor.length()?; 2], 0),
        2 => {
            let first = cursor.length()?;
            write_length(first, &mut packet)?;
            (vec![first, cursor.length()?], 0)
        }
        _ => {
            let count = cursor.byte()?;
            packet.push(count);
            let frames = usize::from(count & 0x3F);
            let mut padding = 0;
            if count & 0x40 != 0 {
                loop {
                    let more = cursor.byte()?;
                    packet.push(more);
                    // 255 is 254 and a further byte.
                    padding += usize::from(more.min(254));
                    if more != 255 {
                        break;
                    }
                }
            }
            let mut lengths = Vec::new();
            if count & 0x80 != 0 {
                for _ in 1..frames {
                    let length = cursor.length()?;
                    write_length(length, &mut packet)?;
                    lengths.push(length);
                }
                lengths.push(cursor.length()?);
            } else {
                lengths = vec![cursor.length()?; frames];
            }
            (lengths, padding)
        }
    };
    let sound: usize = lengths.iter().sum();
    packet.extend_from_slice(cursor.take(sound + padding)?);
    Some((packet, cursor.rest))
}

/// Writes the length of a frame in one byte or two (RFC 6716, section 3.2.1); nothing where it is too long for an Opus frame.
fn write_length(length: usize, out: &mut Vec<u8>) -> Option<()> {
    match length {
        0..252 => out.push(length as u8),
        252..=1_275 => {
            let first = 252 + (length & 3);
            out.push(first as u8);
            out.push(((length - first) / 4) as u8);
        }
        _ => return None,
    }
    Some(())
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn length(&mut self) -> Option<usize> {
        let first = usize::from(self.byte()?);
        if first < 252 {
            return Some(first);
        }
        Some(usize::from(self.byte()?) * 4 + first)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

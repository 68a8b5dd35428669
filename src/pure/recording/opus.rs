//! Recordings in Ogg Opus: made a page at a time, and read back.
//!
//! Near and far end are two streams of one channel each in every packet (RFC 7845, family 1), not one stream of two: a coder
//! of two channels takes what they have in common together, and one end would be heard faintly in the other's channel. Each
//! stream is speech at 8 kHz with 14 kbit/s on average, less while that end is silent.

use audiopus::coder::{Decoder, Encoder};
use audiopus::{Application, Bitrate, Channels, SampleRate, Signal};

use super::{CodecError, Frame, Write};
use crate::pure::audio::{FRAME_LEN, LINE_RATE};
use crate::pure::ogg::opus::{GRANULE_RATE, Head, Mapping, SILENT, join, split, tags};
use crate::pure::ogg::{PageWriter, packets};

/// Of each end, in bit/s on average. Ten minutes of both are 2.1 MB and what the pages add.
const BITRATE: i32 = 14_000;

/// How much the encoder tries, 0 to 10.
const COMPLEXITY: u8 = 5;

/// Granules of one sample of the line.
const GRANULES: u64 = (GRANULE_RATE / LINE_RATE) as u64;

/// Bytes of one Opus frame at most (RFC 6716, section 3.4), and its head.
const LARGEST: usize = 1_276;

/// A file that is being made.
#[derive(Debug)]
pub struct OpusFile {
    encoders: [Encoder; 2],
    pages: PageWriter,
    /// What an encoder holds back, in samples.
    lookahead: u64,
    frames: u64,
}

fn codec(error: audiopus::Error) -> CodecError {
    CodecError(error.to_string())
}

fn encoder() -> Result<Encoder, audiopus::Error> {
    let mut encoder = Encoder::new(SampleRate::Hz8000, Channels::Mono, Application::Voip)?;
    encoder.set_bitrate(Bitrate::BitsPerSecond(BITRATE))?;
    encoder.set_signal(Signal::Voice)?;
    encoder.set_vbr(true)?;
    // Half the work of the best, and hardly a difference to speech.
    encoder.set_complexity(COMPLEXITY)?;
    // Nothing is lost in a file.
    encoder.set_inband_fec(false)?;
    Ok(encoder)
}

impl OpusFile {
    /// Begins a file, with what is to be written first.
    pub(super) fn begin(
        serial: u32,
        comments: &[String],
    ) -> Result<(OpusFile, Vec<Write>), CodecError> {
        let encoders = [encoder().map_err(codec)?, encoder().map_err(codec)?];
        let lookahead = encoders[0].lookahead().map_err(codec)?;
        let head = Head {
            channels: 2,
            pre_skip: u16::try_from(u64::from(lookahead) * GRANULES).unwrap_or(u16::MAX),
            input_rate: LINE_RATE,
            gain: 0,
            mapping: Mapping::Streams {
                family: 1,
                streams: 2,
                coupled: 0,
                channels: vec![0, 1],
            },
        };
        let mut pages = PageWriter::new(serial);
        // Each header has pages of its own (RFC 7845, section 3).
        pages.push(&head.to_packet(), 0);
        let mut headers = pages.flush();
        let vendor = concat!("Offhook ", env!("CARGO_PKG_VERSION"));
        pages.push(&tags(vendor, comments), 0);
        headers.extend(pages.flush());
        let file = OpusFile {
            encoders,
            pages,
            lookahead: u64::from(lookahead),
            frames: 0,
        };
        Ok((file, vec![Write::Append(headers), Write::Sync]))
    }

    pub(super) fn push(&mut self, frame: &Frame) -> Result<(), CodecError> {
        let position = (self.frames + 1) * FRAME_LEN as u64 * GRANULES;
        self.encode(frame, position)?;
        self.frames += 1;
        Ok(())
    }

    fn encode(&mut self, frame: &Frame, position: u64) -> Result<(), CodecError> {
        let mut rooms = [[0; LARGEST]; 2];
        let mut lengths = [0; 2];
        for (n, encoder) in self.encoders.iter().enumerate() {
            lengths[n] = encoder.encode(&frame[n], &mut rooms[n]).map_err(codec)?;
        }
        let packet = join(&rooms[0][..lengths[0]], &rooms[1][..lengths[1]])
            .ok_or_else(|| CodecError("a packet of 20 ms is not one frame".to_owned()))?;
        self.pages.push(&packet, position);
        Ok(())
    }

    /// Ends the page.
    pub(super) fn flush(&mut self, writes: &mut Vec<Write>) {
        let pages = self.pages.flush();
        if !pages.is_empty() {
            writes.extend([Write::Append(pages), Write::Sync]);
        }
    }

    /// Ends the file: what the encoders hold back comes out behind as much silence, and the last position says how much of
    /// that is none of the sound (RFC 7845, section 4.4).
    pub(super) fn finish(mut self, writes: &mut Vec<Write>) -> Result<(), CodecError> {
        let end = (self.frames * FRAME_LEN as u64 + self.lookahead) * GRANULES;
        self.encode(&[[0; FRAME_LEN]; 2], end)?;
        writes.extend([Write::Append(self.pages.finish()), Write::Sync]);
        Ok(())
    }
}

/// Sound that was read, 8 kHz.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sound {
    /// One or more channels, each as long as the others.
    pub channels: Vec<Vec<i16>>,
    /// Whether there was more than was wanted.
    pub is_cut: bool,
}

/// Why bytes hold no sound that can be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotOpus {
    /// No page begins with an Opus header.
    #[error("it is no Ogg Opus file")]
    NoHeader,
    /// More channels than anything here has.
    #[error("it has {0} channels, more than eight")]
    TooManyChannels(u8),
    /// No decoder can be had.
    #[error("there is no decoder: {0}")]
    NoDecoder(String),
}

/// Reads Ogg Opus, at most `most` samples of each channel; a file that was cut off gives what is whole of it, and a packet that
/// cannot be decoded is passed over by what the decoder makes up for it.
///
/// # Errors
/// Where it is no Opus at all.
pub fn read(bytes: &[u8], most: usize) -> Result<Sound, NotOpus> {
    let mut packets = packets(bytes);
    let head = packets.next().ok_or(NotOpus::NoHeader)?;
    let head = Head::parse(&head.data).ok_or(NotOpus::NoHeader)?;
    if head.channels > 8 {
        return Err(NotOpus::TooManyChannels(head.channels));
    }
    let mut decoders =
        Decoders::new(&head).map_err(|error| NotOpus::NoDecoder(error.to_string()))?;
    let skip = (u64::from(head.pre_skip) / GRANULES) as usize;
    let mut channels = vec![Vec::new(); usize::from(head.channels)];
    let mut is_cut = false;
    for packet in packets.skip_while(|packet| packet.data.starts_with(b"OpusTags")) {
        decoders.decode(&packet.data, &mut channels);
        if packet.last
            && let Some(granule) = packet.granule
        {
            let end = usize::try_from(granule / GRANULES).unwrap_or(usize::MAX);
            for channel in &mut channels {
                channel.truncate(end);
            }
        }
        if channels[0].len() > most.saturating_add(skip) {
            is_cut = true;
            break;
        }
    }
    let wanted = |channel: Vec<i16>| channel.into_iter().skip(skip).take(most).collect();
    Ok(Sound {
        channels: channels.into_iter().map(wanted).collect(),
        is_cut,
    })
}

/// A decoder for each stream, and where each channel comes from.
struct Decoders {
    /// Each with the number of its channels.
    streams: Vec<(Decoder, usize)>,
    /// Of each channel: which decoded channel it is, or none.
    map: Vec<Option<usize>>,
}

impl Decoders {
    fn new(head: &Head) -> Result<Decoders, audiopus::Error> {
        let (streams, coupled, map) = match &head.mapping {
            Mapping::Plain => (1, head.channels - 1, (0..head.channels).collect()),
            Mapping::Streams {
                streams,
                coupled,
                channels,
                ..
            } => (*streams, *coupled, channels.clone()),
        };
        let decoder = |n| -> Result<(Decoder, usize), audiopus::Error> {
            let (channels, count) = if n < coupled {
                (Channels::Stereo, 2)
            } else {
                (Channels::Mono, 1)
            };
            let decoder = Decoder::new(SampleRate::Hz8000, channels)?;
            decoder.set_gain(i32::from(head.gain))?;
            Ok((decoder, count))
        };
        Ok(Decoders {
            streams: (0..streams).map(decoder).collect::<Result<_, _>>()?,
            map: map
                .into_iter()
                .map(|channel| (channel != SILENT).then_some(usize::from(channel)))
                .collect(),
        })
    }

    /// Decodes a packet, and puts what it holds behind each channel.
    fn decode(&mut self, packet: &[u8], channels: &mut [Vec<i16>]) {
        let streams = u8::try_from(self.streams.len()).unwrap_or(u8::MAX);
        let Some(packets) = split(packet, streams) else {
            return;
        };
        let mut decoded: Vec<Vec<i16>> = Vec::new();
        let mut length = 0;
        for ((decoder, count), packet) in self.streams.iter_mut().zip(&packets) {
            // 120 ms, the longest packet there is.
            let mut room = vec![0_i16; LINE_RATE as usize * 120 / 1000 * *count];
            let made = decode(decoder, packet, &mut room).unwrap_or(0);
            length = length.max(made);
            for channel in 0..*count {
                let samples = room[..made * *count].iter().skip(channel);
                decoded.push(samples.step_by(*count).copied().collect());
            }
        }
        for (channel, from) in channels.iter_mut().zip(&self.map) {
            let end = channel.len() + length;
            if let Some(samples) = from.and_then(|from| decoded.get(from)) {
                channel.extend_from_slice(samples);
            }
            channel.resize(end, 0);
        }
    }
}

/// Decodes one packet; where it cannot be, makes up 20 ms for it.
fn decode(
    decoder: &mut Decoder,
    packet: &[u8],
    room: &mut [i16],
) -> Result<usize, audiopus::Error> {
    let known = decoder.decode(Some(packet.try_into()?), (&mut *room).try_into()?, false);
    match known {
        Ok(made) => Ok(made),
        Err(_) => {
            let channels = room.len() / (LINE_RATE as usize * 120 / 1000);
            let piece = &mut room[..FRAME_LEN * channels];
            decoder.decode(None, piece.try_into()?, false)
        }
    }
}

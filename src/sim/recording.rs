//! Sound in and out of files: WAV of any kind in, WAV or Ogg Opus out.

use std::io::{Cursor, Read, Seek};
use std::path::Path;

use audiopus::coder::{Decoder, Encoder};
use audiopus::{Application, Bitrate, Channels, SampleRate};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use ogg::{PacketReader, PacketWriteEndInfo, PacketWriter};

use crate::pure::audio::DeviceRate;
use crate::pure::audio::resample::ToLine;

const RATE: u32 = 8_000;

/// Samples of an Opus packet: 20 ms at 8 kHz.
const PACKET: usize = 160;

/// Granules, which Opus counts at 48 kHz, of a sample at 8 kHz.
const GRANULES: u64 = 6;

/// Packets on a page: a second.
const PER_PAGE: usize = 50;

/// The most that is read of a file: ten minutes at 8 kHz.
const MOST_SAMPLES: usize = 10 * 60 * RATE as usize;

/// Reads a WAV file of any rate and number of channels as 8 kHz mono; at most ten minutes.
///
/// # Errors
/// What is wrong with it, as a clause that follows the file's name.
pub fn read_wav(file: impl Read) -> Result<Vec<i16>, String> {
    let wrong = |error: hound::Error| format!("cannot be read as WAV: {error}");
    let mut reader = WavReader::new(file).map_err(wrong)?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels.max(1));
    let Some(rate) = DeviceRate::new(spec.sample_rate) else {
        return Err(format!("has the strange rate of {} Hz", spec.sample_rate));
    };
    let most = MOST_SAMPLES / RATE as usize * rate.hz() as usize * channels;
    let samples: Result<Vec<f32>, hound::Error> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().take(most).collect(),
        SampleFormat::Int => {
            let full = 2f32.powi(i32::from(spec.bits_per_sample.max(1)) - 1);
            let samples = reader.samples::<i32>().take(most);
            samples.map(|s| s.map(|s| s as f32 / full)).collect()
        }
    };
    let samples = samples.map_err(wrong)?;
    let mono: Vec<f32> = samples
        .chunks_exact(channels)
        .map(|frame| frame.iter().sum::<f32>() / channels as f32)
        .collect();
    if mono.is_empty() {
        return Err("has no sound in it".to_owned());
    }
    let line = if rate.hz() == RATE {
        mono
    } else {
        to_line(&mono, rate)
    };
    Ok(line.into_iter().map(to_i16).collect())
}

/// Resamples the whole of a sound, without the filter's delay.
fn to_line(mono: &[f32], rate: DeviceRate) -> Vec<f32> {
    let block = (rate.hz() / 100) as usize;
    let mut converter = ToLine::new(rate, block);
    let delay = (converter.delay_ms() * RATE as f32 / 1_000.0).round() as usize;
    let wanted = (mono.len() as u64 * u64::from(RATE)).div_ceil(u64::from(rate.hz())) as usize;
    let mut made = Vec::with_capacity(wanted + delay);
    let mut room = vec![0.0; converter.most_made()];
    let silence = vec![0.0; block];
    let mut blocks = mono.chunks(block);
    // A block is 10 ms, and so is what comes of it: twice as many as needed is no end in sight.
    for _ in 0..2 * (mono.len() / block + delay / 80 + 4) {
        let count = converter.convert(blocks.next().unwrap_or(&silence), &mut room);
        made.extend_from_slice(&room[..count]);
        if made.len() >= wanted + delay {
            break;
        }
    }
    made.into_iter().skip(delay).take(wanted).collect()
}

fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

/// Writes what was heard, 8 kHz mono: Ogg Opus where the name ends in `.opus`, else WAV of 16 bits.
///
/// # Errors
/// Where the file cannot be written, as a clause that follows its name.
pub fn write_recording(path: &Path, samples: &[i16]) -> Result<(), String> {
    let is_opus = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("opus"));
    let bytes = if is_opus {
        to_opus(samples)?
    } else {
        wav(samples)?
    };
    std::fs::write(path, bytes).map_err(|error| format!("cannot be written: {error}"))
}

/// Makes a WAV file of 16 bits of sound at 8 kHz.
pub(super) fn wav(samples: &[i16]) -> Result<Vec<u8>, String> {
    let mut bytes = Cursor::new(Vec::new());
    to_wav(&mut bytes, samples).map_err(|error| format!("cannot be made: {error}"))?;
    Ok(bytes.into_inner())
}

fn to_wav(out: impl std::io::Write + Seek, samples: &[i16]) -> Result<(), hound::Error> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::new(out, spec)?;
    for sample in samples {
        writer.write_sample(*sample)?;
    }
    writer.finalize()
}

/// Encodes sound as Ogg Opus: two header pages, then a page a second.
fn to_opus(samples: &[i16]) -> Result<Vec<u8>, String> {
    let wrong = |error: &dyn std::error::Error| format!("cannot be encoded: {error}");
    let mut encoder = Encoder::new(SampleRate::Hz8000, Channels::Mono, Application::Voip)
        .map_err(|error| wrong(&error))?;
    encoder
        .set_bitrate(Bitrate::BitsPerSecond(24_000))
        .map_err(|error| wrong(&error))?;
    let skip = encoder.lookahead().map_err(|error| wrong(&error))? as usize;
    let serial = 1;
    let mut writer = PacketWriter::new(Vec::new());
    let mut page = |packet: Vec<u8>, end, granules| {
        writer
            .write_packet(packet, serial, end, granules)
            .map_err(|error| wrong(&error))
    };
    let mut head = b"OpusHead\x01\x01".to_vec();
    head.extend_from_slice(&(skip as u16 * GRANULES as u16).to_le_bytes());
    head.extend_from_slice(&RATE.to_le_bytes());
    head.extend_from_slice(&[0, 0, 0]);
    page(head, PacketWriteEndInfo::EndPage, 0)?;
    let vendor = b"offhook";
    let mut tags = b"OpusTags".to_vec();
    tags.extend_from_slice(&(vendor.len() as u32).to_le_bytes());
    tags.extend_from_slice(vendor);
    tags.extend_from_slice(&0u32.to_le_bytes());
    page(tags, PacketWriteEndInfo::EndPage, 0)?;
    // What the encoder holds back comes out only behind as much silence.
    let mut padded = samples.to_vec();
    padded.resize((samples.len() + skip).div_ceil(PACKET).max(1) * PACKET, 0);
    let packets = padded.len() / PACKET;
    let mut room = [0u8; 1_500];
    for (index, block) in padded.chunks_exact(PACKET).enumerate() {
        let length = encoder
            .encode(block, &mut room)
            .map_err(|error| wrong(&error))?;
        let last = index + 1 == packets;
        let (end, granules) = if last {
            let all = (samples.len() + skip) as u64;
            (PacketWriteEndInfo::EndStream, all * GRANULES)
        } else if (index + 1).is_multiple_of(PER_PAGE) {
            let so_far = ((index + 1) * PACKET) as u64;
            (PacketWriteEndInfo::EndPage, so_far * GRANULES)
        } else {
            (PacketWriteEndInfo::NormalPacket, 0)
        };
        page(room[..length].to_vec(), end, granules)?;
    }
    Ok(writer.into_inner())
}

/// Decodes Ogg Opus to 8 kHz mono.
///
/// # Errors
/// What is wrong with it, as a clause.
pub(super) fn from_opus(bytes: &[u8]) -> Result<Vec<i16>, String> {
    let wrong = |error: &dyn std::error::Error| format!("cannot be decoded: {error}");
    let mut reader = PacketReader::new(Cursor::new(bytes));
    let mut decoder =
        Decoder::new(SampleRate::Hz8000, Channels::Mono).map_err(|error| wrong(&error))?;
    let mut samples = Vec::new();
    let (mut skip, mut end) = (0, None);
    let mut index = 0;
    while let Some(packet) = reader.read_packet().map_err(|error| wrong(&error))? {
        index += 1;
        match index {
            1 => {
                let known = packet.data.starts_with(b"OpusHead") && packet.data.len() >= 19;
                if !known {
                    return Err("is no Opus".to_owned());
                }
                let granules = u16::from_le_bytes([packet.data[10], packet.data[11]]);
                skip = usize::from(granules) / GRANULES as usize;
            }
            2 => {}
            _ => {
                // 120 ms, the longest packet there is.
                let mut room = [0i16; 960];
                let input = packet.data.as_slice().try_into();
                let output = room.as_mut_slice().try_into();
                let (input, output) = (
                    input.map_err(|error: audiopus::Error| wrong(&error))?,
                    output.map_err(|error: audiopus::Error| wrong(&error))?,
                );
                let count = decoder
                    .decode(Some(input), output, false)
                    .map_err(|error| wrong(&error))?;
                samples.extend_from_slice(&room[..count]);
                if packet.last_in_stream() {
                    end = usize::try_from(packet.absgp_page() / GRANULES).ok();
                }
                if samples.len() > MOST_SAMPLES {
                    return Err("is longer than ten minutes".to_owned());
                }
            }
        }
    }
    samples.truncate(end.unwrap_or(usize::MAX));
    Ok(samples.split_off(skip.min(samples.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, samples: usize) -> Vec<f32> {
        (0..samples)
            .map(|n| 0.5 * (n as f32 * 1_000.0 * std::f32::consts::TAU / rate as f32).sin())
            .collect()
    }

    /// How much of the louder is the difference, in power.
    fn difference(a: &[i16], b: &[f32]) -> f32 {
        let power: f32 = b.iter().map(|y| y * y).sum();
        let off = a.iter().zip(b).map(|(x, y)| {
            let d = f32::from(*x) / 32_768.0 - y;
            d * d
        });
        off.sum::<f32>() / power
    }

    #[test]
    fn wav_of_any_kind_becomes_8_khz_mono_in_its_place() {
        for (rate, channels, bits, float) in [
            (8_000, 1, 16, false),
            (44_100, 2, 16, false),
            (48_000, 2, 24, false),
            (16_000, 1, 32, true),
            (48_000, 1, 8, false),
        ] {
            let spec = WavSpec {
                channels,
                sample_rate: rate,
                bits_per_sample: bits,
                sample_format: if float {
                    SampleFormat::Float
                } else {
                    SampleFormat::Int
                },
            };
            let mut file = Cursor::new(Vec::new());
            let mut writer = WavWriter::new(&mut file, spec).expect("a writer");
            for sample in tone(rate, rate as usize / 2) {
                for _ in 0..channels {
                    if float {
                        writer.write_sample(sample).expect("written");
                    } else {
                        let full = (1i64 << (bits - 1)) as f32 - 1.0;
                        let sample = (sample * full) as i32;
                        writer.write_sample(sample).expect("written");
                    }
                }
            }
            writer.finalize().expect("written");
            let read = read_wav(file.into_inner().as_slice()).expect("read");
            assert_eq!(read.len(), 4_000, "{spec:?}");
            let off = difference(&read[200..3_800], &tone(8_000, 4_000)[200..3_800]);
            // The filter's delay is cut off in whole samples; where it is none, half a sample is left at 1 kHz.
            let most = if rate % RATE == 0 { 0.01 } else { 0.16 };
            assert!(off < most, "{spec:?}: {off}");
        }
    }

    #[test]
    fn what_is_no_wav_is_told() {
        for bytes in [&b""[..], b"RIFF", b"OggS and more of it"] {
            assert!(
                read_wav(bytes)
                    .expect_err("no WAV")
                    .contains("cannot be read")
            );
        }
    }

    #[test]
    fn opus_gives_back_as_many_samples_in_the_same_place() {
        for length in [1, 160, 8_000, 12_345] {
            let samples: Vec<i16> = tone(8_000, length).into_iter().map(to_i16).collect();
            let back = from_opus(&to_opus(&samples).expect("encoded")).expect("decoded");
            assert_eq!(back.len(), length);
            if length > 2_000 {
                let off = difference(&back[800..length], &tone(8_000, length)[800..length]);
                assert!(off < 0.2, "{length}: {off}");
            }
        }
        assert!(from_opus(b"OggS").is_err() || from_opus(b"OggS").is_ok_and(|s| s.is_empty()));
    }

    #[test]
    fn a_page_of_opus_is_a_second() {
        let bytes = to_opus(&vec![0; 3 * 8_000]).expect("encoded");
        let pages = bytes.windows(4).filter(|four| four == b"OggS").count();
        assert_eq!(
            pages,
            2 + 3 + 1,
            "headers, seconds, and what the encoder held back"
        );
    }

    #[test]
    fn the_name_decides_the_kind() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, begins) in [("a.wav", b"RIFF"), ("a.opus", b"OggS"), ("a.OPUS", b"OggS")] {
            let path = folder.path().join(name);
            write_recording(&path, &[0; 800]).expect("written");
            assert!(std::fs::read(&path).expect("there").starts_with(begins));
        }
        assert!(write_recording(&folder.path().join("no/where.wav"), &[0]).is_err());
    }
}

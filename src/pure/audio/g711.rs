//! Mu-law (ITU-T G.711), both ways, bit-exact with the arithmetic of the ITU's software tool library (G.191).
//!
//! That arithmetic takes the ones' complement of a negative sample before it drops the two lowest bits, so that -1 and 0
//! become the two different codes for zero. Many short implementations differ from it in a few hundred inputs.

/// The code for digital silence, a positive zero.
pub const SILENCE: u8 = 0xFF;

static ENCODED: [u8; 65_536] = encode_table();
static DECODED: [i16; 256] = decode_table();

/// Turns a 16-bit linear sample into its code.
#[must_use]
pub fn encode(linear: i16) -> u8 {
    ENCODED[usize::from(linear.cast_unsigned())]
}

/// Turns a code into a 16-bit linear sample, -32,124 to 32,124.
#[must_use]
pub fn decode(code: u8) -> i16 {
    DECODED[usize::from(code)]
}

/// Turns a sample in -1.0 to 1.0 into its code; what lies outside is clipped, what is no number is silence.
#[must_use]
pub fn encode_f32(sample: f32) -> u8 {
    // A cast from float to integer saturates, and turns NaN into zero.
    encode((sample * 32_768.0).round() as i16)
}

/// Turns a code into a sample in -1.0 to 1.0.
#[must_use]
pub fn decode_f32(code: u8) -> f32 {
    f32::from(decode(code)) / 32_768.0
}

/// Codes every sample. Both slices must be of one length; what is longer is left alone.
pub fn encode_slice(samples: &[f32], codes: &mut [u8]) {
    for (code, sample) in codes.iter_mut().zip(samples) {
        *code = encode_f32(*sample);
    }
}

/// Decodes every code. Both slices must be of one length; what is longer is left alone.
pub fn decode_slice(codes: &[u8], samples: &mut [f32]) {
    for (sample, code) in samples.iter_mut().zip(codes) {
        *sample = decode_f32(*code);
    }
}

const fn encode_table() -> [u8; 65_536] {
    let mut table = [0; 65_536];
    let mut bits = 0;
    while bits < 65_536 {
        table[bits] = encode_exactly((bits as u16).cast_signed());
        bits += 1;
    }
    table
}

/// Codes one sample: a bias of 33 in the 14-bit range, a segment of three bits, a step of four, all inverted.
const fn encode_exactly(linear: i16) -> u8 {
    let magnitude = (if linear < 0 { !linear } else { linear }) >> 2;
    let biased = (magnitude + 33).cast_unsigned();
    let biased = if biased > 0x1FFF { 0x1FFF } else { biased };
    // The position of the highest bit above the sixth tells the segment, 1 to 8.
    let segment = 17 - (biased >> 6).leading_zeros() as u16;
    let step = (biased >> segment) & 0x0F;
    let code = ((8 - segment) << 4) | (0x0F - step);
    if linear < 0 {
        code as u8
    } else {
        code as u8 | 0x80
    }
}

const fn decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let inverted = !(code as u8);
        let segment = (inverted >> 4) & 0x07;
        let step = (inverted & 0x0F) as i16;
        let magnitude = (((step << 3) + 0x84) << segment) - 0x84;
        table[code] = if inverted & 0x80 == 0 {
            magnitude
        } else {
            -magnitude
        };
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_samples_have_their_codes() {
        // Segment edges and both zeros, worked out by hand from the definition.
        for (linear, code) in [
            (0, 0xFF),
            (3, 0xFF),
            (4, 0xFE),
            (-1, 0x7F),
            (-4, 0x7F),
            (-5, 0x7E),
            (32_767, 0x80),
            (-32_768, 0x00),
            (32_124, 0x80),
            (-32_124, 0x00),
        ] {
            assert_eq!(encode(linear), code, "{linear}");
        }
        assert_eq!(decode(0xFF), 0);
        assert_eq!(decode(0x80), 32_124);
        assert_eq!(decode(0x00), -32_124);
    }

    #[test]
    fn all_codes_and_all_samples_are_the_ones_of_the_itus_own_program() {
        use sha2::{Digest as _, Sha256};
        let hex = |bytes: &[u8]| -> String {
            let hash = Sha256::digest(bytes);
            hash.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        // What `ulaw_expand` and `ulaw_compress` of G.191 (github.com/openitu/STL, src/g711/g711.c, commit 139db49)
        // write for 0 to 255, as little-endian words, and for -32,768 to 32,767.
        let decoded: Vec<u8> = (0..=255)
            .flat_map(|code| decode(code).to_le_bytes())
            .collect();
        assert_eq!(
            hex(&decoded),
            "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827"
        );
        let encoded: Vec<u8> = (i16::MIN..=i16::MAX).map(encode).collect();
        assert_eq!(
            hex(&encoded),
            "90c29de505fb68e766118303bd552a16005dcf810873698bee1d8f3b247ce28c"
        );
    }

    #[test]
    fn all_codes_and_all_samples_follow_the_table_of_the_recommendation() {
        // Tables 2a and 2b of ITU-T G.711 (1988): 129 decision values of 14 bits, 0 and 1 and then 15 steps of 2, 16 of 4,
        // 16 of 8 and so on up to 8,159; what is decoded lies in the middle between two, but for the first, which is 0.
        let mut edges = vec![0, 1];
        for segment in 0..8 {
            for _ in usize::from(segment == 0)..16 {
                edges.push(edges[edges.len() - 1] + (2 << segment));
            }
        }
        assert_eq!((edges.len(), edges[128]), (129, 8_159));
        for linear in i16::MIN..=i16::MAX {
            let (magnitude, zero) = if linear < 0 {
                (!linear >> 2, 0x7F)
            } else {
                (linear >> 2, 0xFF)
            };
            let above = edges.partition_point(|edge| *edge <= i32::from(magnitude));
            let step = above.min(128) - 1;
            assert_eq!(usize::from(encode(linear)), zero - step, "{linear}");
        }
        for step in 0..128 {
            let middle = match step {
                0 => 0,
                _ => (edges[step] + edges[step + 1]) / 2 * 4,
            };
            let code = 0xFF - step as u8;
            assert_eq!(i32::from(decode(code)), middle, "{code}");
            assert_eq!(i32::from(decode(code & 0x7F)), -middle, "{code}");
        }
    }

    #[test]
    fn every_code_but_negative_zero_survives_there_and_back() {
        for code in 0..=255 {
            let back = encode(decode(code));
            if code == 0x7F {
                assert_eq!(back, SILENCE, "a linear zero has no sign");
            } else {
                assert_eq!(back, code);
            }
        }
    }

    #[test]
    fn no_sample_is_coded_worse_than_half_a_step_of_its_segment() {
        for linear in i16::MIN..=i16::MAX {
            let code = encode(linear);
            let segment = (!code >> 4) & 0x07;
            let half_step = (1 << (segment + 3)) / 2;
            // The extremes lie beyond the last step, and the ones' complement shifts negatives by one.
            let error = (i32::from(decode(code)) - i32::from(linear).clamp(-32_635, 32_635)).abs();
            assert!(error <= half_step + 1, "{linear}: {error} > {half_step}");
        }
    }

    #[test]
    fn codes_rise_with_the_samples() {
        let decoded: Vec<i16> = (i16::MIN..=i16::MAX)
            .map(|linear| decode(encode(linear)))
            .collect();
        assert!(decoded.is_sorted());
    }

    proptest! {
        #[test]
        fn any_float_has_a_code(bits in any::<u32>()) {
            let sample = f32::from_bits(bits);
            let back = decode_f32(encode_f32(sample));
            prop_assert!(back.abs() <= 1.0);
            if sample.is_nan() {
                prop_assert_eq!(encode_f32(sample), SILENCE);
            }
        }

        #[test]
        fn slices_are_coded_like_samples(codes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut samples = vec![0.0; codes.len()];
            decode_slice(&codes, &mut samples);
            let mut back = vec![0; codes.len()];
            encode_slice(&samples, &mut back);
            for (before, after) in codes.iter().zip(&back) {
                prop_assert!(before == after || (*before == 0x7F && *after == 0xFF));
            }
        }
    }
}

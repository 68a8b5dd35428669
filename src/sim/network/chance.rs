//! Chance from a seed: the same numbers for the same seed on every machine and in every version.
//!
//! Only additions, multiplications, divisions and square roots are used, which IEEE 754 rounds alike everywhere; a
//! system's logarithm it does not.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Chance(u64);

impl Chance {
    /// Makes the generator of a seed for one use; those of other uses have nothing to do with it.
    pub(super) fn new(seed: u64, use_: u64) -> Chance {
        let mut of_seed = Chance(seed);
        Chance(of_seed.next() ^ Chance(use_).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Draws from 0 up to but without 1, evenly.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Says yes once in so many times, on average.
    pub(super) fn one_in(&mut self, many: u32) -> bool {
        // The upper half of the product is even over 0..many.
        (u128::from(self.next()) * u128::from(many)) >> 64 == 0
    }

    /// Draws from the exponential distribution of mean 1; never more than 37.
    pub(super) fn exponential(&mut self) -> f64 {
        -ln(1.0 - self.uniform())
    }

    /// Draws from the normal distribution of mean 0 and deviation 1, as the sum of twelve even draws (Irwin and Hall),
    /// which is never beyond 6.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// Draws from the Pareto distribution of the second kind (Lomax) of mean 1 and shape 2, whose variance is infinite.
    pub(super) fn pareto(&mut self) -> f64 {
        1.0 / (1.0 - self.uniform()).sqrt() - 1.0
    }
}

/// The natural logarithm of a positive, normal number, to 1 in 10¹⁵.
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7FF) as i32 - 1_023;
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1_023 << 52));
    // Twice the inverse hyperbolic tangent, by its series; the argument is a third at most.
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let square = z * z;
    let series = (0..16)
        .rev()
        .fold(0.0, |sum, n| sum * square + 1.0 / f64::from(2 * n + 1));
    f64::from(exponent) * std::f64::consts::LN_2 + 2.0 * z * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        let mut chance = Chance(1_234_567);
        let first: Vec<u64> = (0..5).map(|_| chance.next()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn the_logarithm_is_the_logarithm() {
        for x in [1e-16, 1e-9, 0.1, 0.5, 0.75, 0.999_999, 1.0, 1.5, 2.0, 1e6] {
            let off = (ln(x) - x.ln()).abs();
            assert!(off <= 1e-15 * x.ln().abs().max(1.0), "{x}: {off}");
        }
    }

    #[test]
    fn draws_have_the_mean_and_the_quantiles_of_their_distribution() {
        type Draw = fn(&mut Chance) -> f64;
        let sorted = |draw: Draw| {
            let mut chance = Chance::new(7, 1);
            let mut all: Vec<f64> = (0..200_000).map(|_| draw(&mut chance)).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        // Per distribution: its mean, then the half, nine tenths and 99 hundredths.
        let cases: [(Draw, [f64; 4]); 4] = [
            (Chance::uniform, [0.5, 0.5, 0.9, 0.99]),
            (Chance::exponential, [1.0, 0.693, 2.303, 4.605]),
            (Chance::normal, [0.0, 0.0, 1.282, 2.326]),
            (Chance::pareto, [1.0, 0.414, 2.162, 9.0]),
        ];
        for (draw, expected) in cases {
            let all = sorted(draw);
            let at = |part: f64| all[(all.len() as f64 * part) as usize];
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            let drawn = [mean, at(0.5), at(0.9), at(0.99)];
            for (drawn, expected) in drawn.iter().zip(expected) {
                assert!(
                    (drawn - expected).abs() < 0.02 + 0.03 * expected,
                    "{drawn} for {expected}"
                );
            }
        }
        let mut chance = Chance::new(7, 2);
        let hits = (0..200_000).filter(|_| chance.one_in(50)).count();
        assert!((3_700..4_300).contains(&hits), "{hits}");
    }
}

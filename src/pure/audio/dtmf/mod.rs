//! Keys as sound: two frequencies at once, one of each group (ITU-T Q.23).
//!
//! [`KeySender`] puts them into what a far end hears, [`KeyTone`] lets the near end hear its own, [`KeyDetector`] finds them
//! in what a far end sends.

mod detector;
mod own;
mod sender;

pub use detector::KeyDetector;
pub use own::{KeyTone, SoundingKey};
pub use sender::{KeySender, MOST_WAITING};

use crate::pure::keys::Key;

/// The low group, of the rows, in Hz (ITU-T Q.23).
pub const LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];

/// The high group, of the columns, in Hz (ITU-T Q.23).
pub const HIGH: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];

/// Which key lies in which row and column.
const KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// Returns the row and the column of a key.
fn place(key: Key) -> (usize, usize) {
    let all = (0..16).map(|n| (n / 4, n % 4));
    all.into_iter()
        .find(|(row, column)| KEYS[*row][*column] == key.sign())
        .unwrap_or_default()
}

/// Returns a key's low and high frequency, in Hz.
#[must_use]
pub fn frequencies(key: Key) -> [f64; 2] {
    let (row, column) = place(key);
    [LOW[row], HIGH[column]]
}

/// Two sines that run on.
#[derive(Clone, Debug)]
struct Pair {
    phase: [f64; 2],
    step: [f64; 2],
}

impl Pair {
    /// Makes the two of a key, for sound of `rate` in Hz.
    fn new(key: Key, rate: u32) -> Pair {
        Pair {
            phase: [0.0; 2],
            step: frequencies(key).map(|hz| std::f64::consts::TAU * hz / f64::from(rate)),
        }
    }

    /// Returns the next sample of each.
    fn next(&mut self) -> [f32; 2] {
        let sines = self.phase.map(|phase| phase.sin() as f32);
        for (phase, step) in self.phase.iter_mut().zip(self.step) {
            *phase = (*phase + step) % std::f64::consts::TAU;
        }
        sines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_keys_have_sixteen_pairs_of_frequencies() {
        let mut pairs = std::collections::BTreeSet::new();
        for sign in "0123456789*#ABCD".chars() {
            let key = Key::new(sign).expect("a key");
            pairs.insert(frequencies(key).map(|hz| hz as u32));
        }
        assert_eq!(pairs.len(), 16);
        let five = Key::new('5').expect("a key");
        assert_eq!(frequencies(five), [770.0, 1_336.0]);
    }
}

//! Which of the known names somebody may have meant.

/// Returns the known name that is nearest to what was written, where one is near enough to be meant.
pub(crate) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let written = written.to_ascii_lowercase();
    let limit = (written.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (distance(&written, &name.to_ascii_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Counts the letters to be put in, taken out, replaced or exchanged with their neighbour to turn one text into another.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let width = other.len() + 1;
    // Row i, column j: the distance between the first i letters of one and the first j of the other.
    let mut table: Vec<usize> = vec![0; (one.len() + 1) * width];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            table[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = usize::from(one[i - 1] != other[j - 1]);
                let mut least = (table[(i - 1) * width + j] + 1)
                    .min(table[i * width + j - 1] + 1)
                    .min(table[(i - 1) * width + j - 1] + changed);
                if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                    least = least.min(table[(i - 2) * width + j - 2] + 1);
                }
                least
            };
        }
    }
    table[one.len() * width + other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_slips() {
        for (one, other, slips) in [
            ("ring", "ring", 0),
            ("rnig", "ring", 1),
            ("rin", "ring", 1),
            ("", "ring", 4),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one, other), slips, "{one} {other}");
        }
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let known = ["ring", "ring_seconds", "port"];
        assert_eq!(nearest("rign", known), Some("ring"));
        assert_eq!(nearest("ring_second", known), Some("ring_seconds"));
        assert_eq!(nearest("volume", known), None);
        assert_eq!(nearest("", known), None);
    }
}

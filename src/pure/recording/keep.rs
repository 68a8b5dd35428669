//! How long recordings are kept: by age, and by the size of all of them.

use std::collections::HashSet;
use std::time::Duration;

/// What is allowed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Retention {
    /// How old a recording may be; nothing: any age.
    pub longest: Option<Duration>,
    /// How many bytes all of them may have; nothing: any.
    pub most_bytes: Option<u64>,
}

/// One recording, as far as it matters here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kept<'a> {
    /// What it is called.
    pub name: &'a str,
    /// How long ago it began.
    pub age: Duration,
    /// What it takes on the disk.
    pub bytes: u64,
    /// Whether it stays, whatever is allowed: it is being made, or nobody has heard it.
    pub stays: bool,
}

/// Returns what is to be deleted, the oldest first: all that are too old, and then as many of the oldest as bring the others
/// down to the size that is allowed. Those that stay count, and stay.
#[must_use]
pub fn to_delete<'a>(recordings: &[Kept<'a>], retention: &Retention) -> Vec<&'a str> {
    let mut oldest_first: Vec<&Kept<'a>> = recordings.iter().collect();
    oldest_first.sort_by(|a, b| b.age.cmp(&a.age).then(a.name.cmp(b.name)));
    let mut gone: HashSet<&str> = HashSet::new();
    let mut deleted = Vec::new();
    let mut left: u64 = recordings
        .iter()
        .fold(0, |sum, one| sum.saturating_add(one.bytes));
    for one in oldest_first.into_iter().filter(|one| !one.stays) {
        let too_old = retention.longest.is_some_and(|longest| one.age > longest);
        let too_much = retention.most_bytes.is_some_and(|most| left > most);
        if (too_old || too_much) && gone.insert(one.name) {
            left = left.saturating_sub(one.bytes);
            deleted.push(one.name);
        }
    }
    deleted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn days(days: u64) -> Duration {
        Duration::from_secs(days * 86_400)
    }

    fn kept(name: &str, age: u64, bytes: u64) -> Kept<'_> {
        Kept {
            name,
            age: days(age),
            bytes,
            stays: false,
        }
    }

    #[test]
    fn nothing_is_deleted_where_nothing_is_said() {
        let all = [kept("a", 10_000, u64::MAX), kept("b", 1, u64::MAX)];
        assert_eq!(to_delete(&all, &Retention::default()), [""; 0]);
    }

    #[test]
    fn what_is_too_old_goes_and_what_is_just_old_enough_stays() {
        let all = [
            kept("new", 1, 5),
            kept("edge", 30, 5),
            kept("old", 31, 5),
            kept("older", 90, 5),
        ];
        let retention = Retention {
            longest: Some(days(30)),
            most_bytes: None,
        };
        assert_eq!(to_delete(&all, &retention), ["older", "old"]);
    }

    #[test]
    fn where_all_are_too_much_the_oldest_go_and_no_more_than_needed() {
        let all = [kept("c", 1, 40), kept("a", 3, 40), kept("b", 2, 40)];
        for (most, gone) in [
            (120, &[][..]),
            (119, &["a"]),
            (80, &["a"]),
            (79, &["a", "b"]),
        ] {
            let retention = Retention {
                longest: None,
                most_bytes: Some(most),
            };
            assert_eq!(to_delete(&all, &retention), gone, "{most}");
        }
    }

    #[test]
    fn what_is_too_old_makes_room_for_the_rest() {
        let all = [kept("old", 40, 100), kept("a", 3, 40), kept("b", 2, 40)];
        let retention = Retention {
            longest: Some(days(30)),
            most_bytes: Some(80),
        };
        assert_eq!(to_delete(&all, &retention), ["old"]);
    }

    #[test]
    fn what_is_being_made_stays_and_counts() {
        let mut all = [kept("now", 50, 100), kept("a", 3, 40)];
        all[0].stays = true;
        let retention = Retention {
            longest: Some(days(30)),
            most_bytes: Some(100),
        };
        assert_eq!(to_delete(&all, &retention), ["a"]);
    }

    proptest! {
        #[test]
        fn what_is_left_is_allowed_or_stays_and_nothing_goes_before_what_is_older(
            given in prop::collection::vec((0..100_u64, 0..1_000_u64, any::<bool>()), 0..20),
            longest in prop::option::of(0..100_u64),
            most_bytes in prop::option::of(0..5_000_u64),
        ) {
            let names: Vec<String> = (0..given.len()).map(|n| n.to_string()).collect();
            let all: Vec<Kept> = given
                .iter()
                .zip(&names)
                .map(|((age, bytes, stays), name)| Kept { stays: *stays, ..kept(name, *age, *bytes) })
                .collect();
            let retention = Retention { longest: longest.map(days), most_bytes };
            let gone = to_delete(&all, &retention);
            let is_gone = |one: &&Kept| gone.contains(&one.name);
            let left: Vec<&Kept> = all.iter().filter(|one| !is_gone(one)).collect();
            prop_assert!(all.iter().filter(is_gone).all(|one| !one.stays));
            let free: Vec<&&Kept> = left.iter().filter(|one| !one.stays).collect();
            if let Some(longest) = longest {
                prop_assert!(free.iter().all(|one| one.age <= days(longest)));
            }
            if let Some(most) = most_bytes {
                let bytes: u64 = left.iter().map(|one| one.bytes).sum();
                prop_assert!(bytes <= most || free.is_empty());
            }
            let youngest_gone = all.iter().filter(is_gone).map(|one| one.age).min();
            if let Some(age) = youngest_gone {
                prop_assert!(free.iter().all(|one| one.age <= age));
            }
        }
    }
}

//! Which part of a file is asked for (RFC 9110, 14.2): one range of bytes. Whatever else is asked, all of it is sent, as the
//! standard allows.

/// What is to be sent of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// All of it.
    All,
    /// From a byte to a byte, both included.
    Bytes(u64, u64),
    /// It has no such part.
    Nothing,
}

/// Reads a `Range` header for a file of so many bytes.
pub(super) fn part(range: Option<&str>, length: u64) -> Part {
    let Some((first, last)) = range
        .and_then(|range| range.strip_prefix("bytes="))
        .and_then(|range| range.split_once('-'))
    else {
        return Part::All;
    };
    match (number(first), number(last)) {
        (Ok(Some(first)), Ok(last)) => {
            let last = last.unwrap_or(u64::MAX);
            if last < first {
                Part::All
            } else if first >= length {
                Part::Nothing
            } else {
                Part::Bytes(first, last.min(length - 1))
            }
        }
        // So many bytes at the end.
        (Ok(None), Ok(Some(count))) => {
            if count == 0 || length == 0 {
                Part::Nothing
            } else {
                Part::Bytes(length.saturating_sub(count), length - 1)
            }
        }
        (Ok(None), Ok(None)) | (Err(_), _) | (_, Err(_)) => Part::All,
    }
}

fn number(digits: &str) -> Result<Option<u64>, ()> {
    let digits = digits.trim();
    if digits.is_empty() {
        return Ok(None);
    }
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| plain);
    number.map(Some).ok_or(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_range_of_bytes_is_understood_and_all_is_sent_for_anything_else() {
        for (range, expected) in [
            ("bytes=0-99", Part::Bytes(0, 99)),
            ("bytes=10-", Part::Bytes(10, 999)),
            ("bytes=-10", Part::Bytes(990, 999)),
            ("bytes=-5000", Part::Bytes(0, 999)),
            ("bytes=900-5000", Part::Bytes(900, 999)),
            ("bytes=999-999", Part::Bytes(999, 999)),
            ("bytes=1000-", Part::Nothing),
            ("bytes=-0", Part::Nothing),
            ("bytes=9-1", Part::All),
            ("bytes=0-1,5-6", Part::All),
            ("bytes=-", Part::All),
            ("bytes=+1-2", Part::All),
            ("lines=1-2", Part::All),
            ("bytes=99999999999999999999-", Part::All),
        ] {
            assert_eq!(part(Some(range), 1_000), expected, "{range}");
        }
        assert_eq!(part(None, 1_000), Part::All);
        assert_eq!(part(Some("bytes=0-"), 0), Part::Nothing);
    }

    proptest! {
        #[test]
        fn no_range_leads_beyond_the_file(range in "(bytes=)?[0-9]{0,3}-[0-9]{0,3}", length in 0..500_u64) {
            if let Part::Bytes(first, last) = part(Some(&range), length) {
                prop_assert!(first <= last && last < length);
            }
        }
    }
}

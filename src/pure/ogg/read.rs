//! Packets out of whatever bytes there are: a page that is not whole is passed over, and the next whole one is looked for.

use super::page::{CAPTURE, HEADER, LARGEST, NO_GRANULE, Page};

/// Bytes of a packet at most; a longer one is left out, so that a file cannot ask for any amount of memory.
const LONGEST_PACKET: usize = 1 << 20;

/// The whole pages of some bytes, each with the place where it begins.
#[derive(Clone, Debug)]
pub struct Pages<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Finds all whole pages.
#[must_use]
pub fn pages(bytes: &[u8]) -> Pages<'_> {
    Pages { bytes, at: 0 }
}

impl<'a> Iterator for Pages<'a> {
    type Item = (usize, Page<'a>);

    fn next(&mut self) -> Option<(usize, Page<'a>)> {
        while self.at + HEADER <= self.bytes.len() {
            let rest = &self.bytes[self.at..];
            if rest.starts_with(CAPTURE)
                && let Some(page) = Page::parse(rest)
            {
                let at = self.at;
                self.at += page.length();
                return Some((at, page));
            }
            // The pattern may begin anywhere behind this byte.
            let next = rest[1..].iter().position(|byte| *byte == CAPTURE[0])?;
            self.at += 1 + next;
        }
        None
    }
}

/// A packet that is whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packet {
    /// What is in it.
    pub data: Vec<u8>,
    /// The position at its end, where it is the last that ends on its page.
    pub granule: Option<u64>,
    /// Whether it is the last of its stream.
    pub last: bool,
    /// Whether something is missing before it: pages that were lost or spoiled.
    pub after_gap: bool,
}

/// The packets of the first stream in some bytes.
#[derive(Debug)]
pub struct Packets<'a> {
    pages: Pages<'a>,
    serial: Option<u32>,
    sequence: Option<u32>,
    page: Option<Page<'a>>,
    segment: usize,
    begin: usize,
    /// What came so far of a packet that goes on.
    part: Option<Vec<u8>>,
    gap: bool,
    over: bool,
}

/// Reads the packets of the first stream; those of others are passed over.
#[must_use]
pub fn packets(bytes: &[u8]) -> Packets<'_> {
    Packets {
        pages: pages(bytes),
        serial: None,
        sequence: None,
        page: None,
        segment: 0,
        begin: 0,
        part: None,
        gap: false,
        over: false,
    }
}

impl Packets<'_> {
    /// Goes to the next page of the stream; `None` where there is no more.
    fn turn(&mut self) -> Option<()> {
        if self.over {
            return None;
        }
        let serial = &mut self.serial;
        let (_, page) = self
            .pages
            .find(|(_, page)| *serial.get_or_insert(page.serial) == page.serial)?;
        let follows = self
            .sequence
            .is_none_or(|before| page.sequence == before.wrapping_add(1));
        if !follows {
            self.gap = true;
            self.part = None;
        }
        self.sequence = Some(page.sequence);
        (self.segment, self.begin) = (0, 0);
        if page.continued {
            if self.part.is_none() {
                // The rest of a packet whose beginning is lost.
                self.gap = true;
                self.skip(&page);
            }
        } else if self.part.take().is_some() {
            self.gap = true;
        }
        self.page = Some(page);
        Some(())
    }

    /// Passes over segments up to the end of a packet.
    fn skip(&mut self, page: &Page<'_>) {
        while let Some(length) = page.lacing.get(self.segment) {
            self.segment += 1;
            self.begin += usize::from(*length);
            if *length < 255 {
                return;
            }
        }
    }
}

impl Iterator for Packets<'_> {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        loop {
            let Some(page) = self.page else {
                self.turn()?;
                continue;
            };
            let Some(length) = page.lacing.get(self.segment) else {
                self.over = page.last;
                self.page = None;
                continue;
            };
            let segment = &page.body[self.begin..self.begin + usize::from(*length)];
            self.segment += 1;
            self.begin += segment.len();
            let part = self.part.get_or_insert_default();
            if part.len() + segment.len() > LONGEST_PACKET {
                self.part = None;
                self.gap = true;
                if *length == 255 {
                    self.skip(&page);
                }
                continue;
            }
            part.extend_from_slice(segment);
            if *length < 255 {
                let rest = &page.lacing[self.segment..];
                let is_last_here = !rest.iter().any(|length| *length < 255);
                return Some(Packet {
                    data: self.part.take().unwrap_or_default(),
                    granule: (is_last_here && page.granule != NO_GRANULE).then_some(page.granule),
                    last: page.last && rest.is_empty(),
                    after_gap: std::mem::take(&mut self.gap),
                });
            }
        }
    }
}

/// How a file becomes whole that was cut off at any byte.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mended {
    /// Where its last whole page begins.
    pub at: usize,
    /// What to write there; the file ends behind it.
    pub page: Vec<u8>,
}

/// Says how a file is mended: what follows its last whole page is cut off, and that page is made its stream's end.
///
/// Nothing where no page is whole, and where nothing is to be mended.
#[must_use]
pub fn mend(bytes: &[u8]) -> Option<Mended> {
    let (at, page) = pages(bytes).last()?;
    if page.last && at + page.length() == bytes.len() {
        return None;
    }
    let mut whole = Vec::with_capacity(page.length());
    Page { last: true, ..page }.write(&mut whole);
    Some(Mended { at, page: whole })
}

/// Bytes at the end of a file in which its last page lies whole, if the file is whole.
pub const TAIL: usize = LARGEST;

/// Says whether a file ends with its stream's last page; `tail` are its last bytes, [`TAIL`] of them or all that it has.
#[must_use]
pub fn is_finished(tail: &[u8]) -> bool {
    let mut at = tail.len();
    while let Some(found) = last_pattern(&tail[..at]) {
        if let Some(page) = Page::parse(&tail[found..]) {
            return page.last && found + page.length() == tail.len();
        }
        at = found;
    }
    false
}

/// Returns the last position that a file tells of; `tail` as for [`is_finished`].
#[must_use]
pub fn last_granule(tail: &[u8]) -> Option<u64> {
    let mut at = tail.len();
    while let Some(found) = last_pattern(&tail[..at]) {
        if let Some(page) = Page::parse(&tail[found..])
            && page.granule != NO_GRANULE
        {
            return Some(page.granule);
        }
        at = found;
    }
    None
}

fn last_pattern(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(CAPTURE.len())
        .rposition(|four| four == CAPTURE)
}

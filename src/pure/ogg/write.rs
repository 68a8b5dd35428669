//! Pages out of packets.

use super::page::{MOST_SEGMENTS, NO_GRANULE, Page};

/// Makes the pages of one stream: a page ends where it is told to, or where it is full.
#[derive(Debug)]
pub struct PageWriter {
    serial: u32,
    sequence: u32,
    lacing: Vec<u8>,
    body: Vec<u8>,
    /// The position of the last packet that ended on the page that is begun.
    ended: Option<u64>,
    /// The position of the last packet of all.
    reached: u64,
    continued: bool,
    done: Vec<u8>,
}

impl PageWriter {
    /// Begins a stream of this serial number, which no other stream of the file may have.
    #[must_use]
    pub fn new(serial: u32) -> PageWriter {
        PageWriter {
            serial,
            sequence: 0,
            lacing: Vec::with_capacity(MOST_SEGMENTS),
            body: Vec::new(),
            ended: None,
            reached: 0,
            continued: false,
            done: Vec::new(),
        }
    }

    /// Puts a packet onto the page, and onto as many more as it needs; `granule` is the position at its end.
    pub fn push(&mut self, packet: &[u8], granule: u64) {
        let mut rest = packet;
        loop {
            if self.lacing.len() == MOST_SEGMENTS {
                self.close(false);
                self.continued = rest.len() < packet.len();
            }
            let (segment, behind) = rest.split_at(rest.len().min(255));
            self.lacing.push(segment.len() as u8);
            self.body.extend_from_slice(segment);
            rest = behind;
            if segment.len() < 255 {
                self.ended = Some(granule);
                self.reached = granule;
                return;
            }
        }
    }

    /// Says how many segments wait on the page that is begun.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lacing.len()
    }

    /// Ends the page, where anything is on it, and returns all pages that are done.
    pub fn flush(&mut self) -> Vec<u8> {
        if !self.lacing.is_empty() {
            self.close(false);
        }
        std::mem::take(&mut self.done)
    }

    /// Ends the stream with the page that is begun, which may be empty, and returns all pages that are done.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.close(true);
        self.done
    }

    fn close(&mut self, last: bool) {
        let granule = match self.ended.take() {
            Some(granule) => granule,
            None if self.lacing.is_empty() => self.reached,
            None => NO_GRANULE,
        };
        let page = Page {
            continued: self.continued,
            first: self.sequence == 0,
            last,
            granule,
            serial: self.serial,
            sequence: self.sequence,
            lacing: &self.lacing,
            body: &self.body,
        };
        page.write(&mut self.done);
        self.sequence = self.sequence.wrapping_add(1);
        self.continued = false;
        self.lacing.clear();
        self.body.clear();
    }
}

//! Devices that speak the telephony page of USB HID: their report descriptor is read, then their reports, and reports that
//! light their lamps are made.
//!
//! After "Device Class Definition for Human Interface Devices" 1.11 (items, section 6.2.2) and "HID Usage Tables" 1.5
//! (telephony page 0x0B, LED page 0x08, consumer page 0x0C). Read [`Layout::read`] and [`Reports::push`] first.

use super::{Lamps, Press};

/// The longest descriptor that Linux takes (`HID_MAX_DESCRIPTOR_SIZE`), in bytes.
pub const LONGEST_DESCRIPTOR: usize = 4096;

/// The longest report, in bytes; Linux takes no longer one (`HID_MAX_BUFFER_SIZE`).
pub const LONGEST_REPORT: usize = 16_384;

/// The most fields that are kept of a device; those that matter are a dozen.
const MOST_FIELDS: usize = 128;

/// The most ranges of usages that one item may have.
const MOST_RANGES: usize = 64;

/// How deep a descriptor may push its state.
const DEEPEST: usize = 16;

/// Pages of usages.
const LED: u16 = 0x08;
const TELEPHONY: u16 = 0x0b;
const CONSUMER: u16 = 0x0c;

/// One usage: its page and its number in it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Usage {
    page: u16,
    id: u16,
}

impl Usage {
    /// Returns what is done when it goes on and off; nothing where it is no key of a telephone.
    fn presses(self) -> Option<(Press, Option<Press>)> {
        let press = match (self.page, self.id) {
            (TELEPHONY, 0x20) => return Some((Press::HookOff, Some(Press::HookOn))),
            (TELEPHONY, 0x21) => Press::Flash,
            (TELEPHONY, 0x23) => Press::Hold,
            (TELEPHONY, 0x26) => Press::HangUp,
            (TELEPHONY, 0x2f) => Press::Mute,
            // "Send" of a telephone without a hook.
            (TELEPHONY, 0x31) => Press::HookOff,
            (TELEPHONY, key @ 0xb0..=0xb9) => {
                Press::Key(char::from_digit(u32::from(key - 0xb0), 10)?)
            }
            (TELEPHONY, 0xba) => Press::Key('*'),
            (TELEPHONY, 0xbb) => Press::Key('#'),
            // Play, pause, and both on one key.
            (CONSUMER, 0xb0 | 0xb1 | 0xcd) => Press::Hook,
            (CONSUMER, 0xe2) => Press::Mute,
            _ => return None,
        };
        Some((press, None))
    }

    /// Says whether a lamp with this usage is lit.
    fn is_lit(self, lamps: Lamps) -> Option<bool> {
        match (self.page, self.id) {
            (LED, 0x09) => Some(lamps.mute),
            (LED, 0x17) => Some(lamps.off_hook),
            (LED, 0x18) => Some(lamps.ring),
            (LED, 0x20) => Some(lamps.hold),
            _ => None,
        }
    }
}

/// A range of usages of one page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Range {
    page: u16,
    first: u16,
    last: u16,
}

impl Range {
    fn len(self) -> usize {
        usize::from(self.last.saturating_sub(self.first)) + 1
    }

    /// Says whether a key of a telephone is among them.
    fn has_key(self, page: u16) -> bool {
        // Those of both pages lie below this.
        const KEYS: std::ops::RangeInclusive<u16> = 0x20..=0xff;
        self.page == page
            && (self.first.max(*KEYS.start())..=self.last.min(*KEYS.end()))
                .any(|id| Usage { page, id }.presses().is_some())
    }

    fn at(self, n: usize) -> Option<Usage> {
        let id = self.first.checked_add(u16::try_from(n).ok()?)?;
        (id <= self.last).then_some(Usage {
            page: self.page,
            id,
        })
    }
}

/// Returns the usage at a place of several ranges; the last one is that of all further places.
fn usage_at(ranges: &[Range], mut n: usize) -> Option<Usage> {
    for range in ranges {
        match range.at(n) {
            Some(usage) => return Some(usage),
            None => n = n.saturating_sub(range.len()),
        }
    }
    let last = ranges.last()?;
    last.at(last.len() - 1)
}

/// What stands in a part of a report.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Holds {
    /// One control: on or off; where it is `relative` it is only ever told that it was pressed.
    Switch { usage: Usage, relative: bool },
    /// The places, in these ranges, of the keys that are down.
    Down { ranges: Vec<Range>, lowest: i32 },
}

/// A part of a report.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Field {
    report: u8,
    /// Where it begins, in bits behind the report's number.
    at: usize,
    /// How many bits it has, 32 at most.
    bits: usize,
    holds: Holds,
}

/// How long a report is, in bits without its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Length {
    report: u8,
    bits: usize,
}

/// Where a device's keys and lamps stand in its reports.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Layout {
    /// Whether the first byte of every report is its number.
    numbered: bool,
    keys: Vec<Field>,
    lamps: Vec<Field>,
    outputs: Vec<Length>,
}

/// What a descriptor says of the fields that follow, until it says otherwise.
#[derive(Clone, Copy, Debug, Default)]
struct Global {
    page: u16,
    lowest: i32,
    bits: usize,
    count: usize,
    report: u8,
}

/// What it says of the next field alone.
#[derive(Clone, Debug, Default)]
struct Local {
    ranges: Vec<Range>,
    first: Option<(Option<u16>, u16)>,
    last: Option<u16>,
}

impl Layout {
    /// Reads a report descriptor. What is not understood is left out; one that breaks off counts as far as it goes.
    #[must_use]
    pub fn read(descriptor: &[u8]) -> Layout {
        let mut reading = Reading::default();
        let mut rest = &descriptor[..descriptor.len().min(LONGEST_DESCRIPTOR)];
        while let Some((item, more)) = Item::take(rest) {
            reading.item(item);
            rest = more;
        }
        reading.layout
    }

    /// Says whether it is a telephone's: whether it has a hook, or a mute or flash key of the telephony page.
    #[must_use]
    pub fn is_telephone(&self) -> bool {
        let is_one = |usage: Usage| usage.page == TELEPHONY && usage.presses().is_some();
        self.keys.iter().any(|field| match &field.holds {
            Holds::Switch { usage, .. } => is_one(*usage),
            Holds::Down { ranges, .. } => ranges.iter().any(|range| range.has_key(TELEPHONY)),
        })
    }

    /// Returns the reports that light these lamps and no others, each as it is written to the device; none where it has none.
    #[must_use]
    pub fn light(&self, lamps: Lamps) -> Vec<Vec<u8>> {
        let mut reports: Vec<u8> = self.lamps.iter().map(|lamp| lamp.report).collect();
        reports.sort_unstable();
        reports.dedup();
        reports
            .into_iter()
            .filter_map(|report| self.report_with(report, lamps))
            .collect()
    }

    fn report_with(&self, report: u8, lamps: Lamps) -> Option<Vec<u8>> {
        let mut lengths = self.outputs.iter();
        let length = lengths.find(|length| length.report == report)?;
        // The number stands first also where there is none: then it is 0 (Linux's hidraw).
        let mut bytes = vec![0; 1 + length.bits.div_ceil(8)];
        bytes[0] = report;
        for lamp in self.lamps.iter().filter(|lamp| lamp.report == report) {
            if let Holds::Switch { usage, .. } = lamp.holds
                && usage.is_lit(lamps) == Some(true)
                && let Some(byte) = bytes.get_mut(1 + lamp.at / 8)
            {
                *byte |= 1 << (lamp.at % 8);
            }
        }
        Some(bytes)
    }
}

/// A short item of a descriptor.
#[derive(Clone, Copy, Debug)]
struct Item {
    /// Tag and type, without the size.
    tag: u8,
    size: usize,
    data: u32,
}

impl Item {
    /// Takes the first item, and skips long ones; nothing where the bytes break off.
    fn take(mut bytes: &[u8]) -> Option<(Item, &[u8])> {
        const LONG: u8 = 0xfe;
        while let [LONG, size, _, rest @ ..] = bytes {
            bytes = rest.get(usize::from(*size)..)?;
        }
        let (prefix, rest) = bytes.split_first()?;
        let size = match prefix & 3 {
            3 => 4,
            size => usize::from(size),
        };
        let (data, rest) = rest.split_at_checked(size)?;
        let data = data
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u32::from(*byte));
        let tag = prefix & !3;
        Some((Item { tag, size, data }, rest))
    }

    /// Returns the data as a number that may be below 0.
    fn signed(self) -> i32 {
        match self.size {
            1 => i32::from(self.data as u8 as i8),
            2 => i32::from(self.data as u16 as i16),
            _ => self.data as i32,
        }
    }

    /// Returns the data as a usage; one of four bytes names its page itself.
    fn usage(self) -> (Option<u16>, u16) {
        let page = (self.size == 4).then_some((self.data >> 16) as u16);
        (page, self.data as u16)
    }
}

/// A descriptor that is being read.
#[derive(Debug, Default)]
struct Reading {
    layout: Layout,
    global: Global,
    pushed: Vec<Global>,
    local: Local,
    /// How far each input report has come.
    inputs: Vec<Length>,
}

impl Reading {
    fn item(&mut self, item: Item) {
        let number = usize::try_from(item.data).unwrap_or(usize::MAX);
        match item.tag {
            0x80 => self.field(item.data, true),
            0x90 => self.field(item.data, false),
            // Feature reports, collections and their ends use up what was said of the next.
            0xa0 | 0xb0 | 0xc0 => self.local = Local::default(),
            0x04 => self.global.page = item.data as u16,
            0x14 => self.global.lowest = item.signed(),
            0x74 => self.global.bits = number,
            0x84 => {
                self.global.report = item.data as u8;
                self.layout.numbered = true;
            }
            0x94 => self.global.count = number,
            0xa4 if self.pushed.len() < DEEPEST => self.pushed.push(self.global),
            0xb4 => self.global = self.pushed.pop().unwrap_or(self.global),
            0x08 => {
                let (page, id) = item.usage();
                self.range(page, id, id);
            }
            0x18 => {
                self.local.first = Some(item.usage());
                self.close_range();
            }
            0x28 => {
                self.local.last = Some(item.usage().1);
                self.close_range();
            }
            _ => {}
        }
    }

    /// Makes a range once both of its ends are known.
    fn close_range(&mut self) {
        if let (Some((page, first)), Some(last)) = (self.local.first, self.local.last) {
            (self.local.first, self.local.last) = (None, None);
            self.range(page, first, last);
        }
    }

    fn range(&mut self, page: Option<u16>, first: u16, last: u16) {
        if self.local.ranges.len() < MOST_RANGES && first <= last {
            self.local.ranges.push(Range {
                page: page.unwrap_or(self.global.page),
                first,
                last,
            });
        }
    }

    /// Takes fields of an input or an output report.
    fn field(&mut self, flags: u32, is_input: bool) {
        let local = std::mem::take(&mut self.local);
        let Global {
            bits,
            count,
            report,
            lowest,
            ..
        } = self.global;
        let lengths = if is_input {
            &mut self.inputs
        } else {
            &mut self.layout.outputs
        };
        let known = lengths.iter().position(|length| length.report == report);
        let place = known.unwrap_or_else(|| {
            lengths.push(Length { report, bits: 0 });
            lengths.len() - 1
        });
        let begins = lengths[place].bits;
        let ends = begins.saturating_add(bits.saturating_mul(count));
        if ends > LONGEST_REPORT * 8 {
            return;
        }
        lengths[place].bits = ends;
        let [constant, variable, relative] = [1, 2, 4].map(|flag| flags & flag != 0);
        if constant || !(1..=32).contains(&bits) {
            return;
        }
        let fields = if is_input {
            &mut self.layout.keys
        } else {
            &mut self.layout.lamps
        };
        for n in 0..count {
            let holds = if variable {
                let Some(usage) = usage_at(&local.ranges, n) else {
                    return;
                };
                let matters = if is_input {
                    usage.presses().is_some()
                } else {
                    usage.is_lit(Lamps::default()).is_some()
                };
                if !matters {
                    continue;
                }
                Holds::Switch { usage, relative }
            } else {
                let has_key = |range: &Range| range.has_key(TELEPHONY) || range.has_key(CONSUMER);
                if !is_input || !local.ranges.iter().any(has_key) {
                    return;
                }
                let ranges = local.ranges.clone();
                Holds::Down { ranges, lowest }
            };
            if fields.len() >= MOST_FIELDS {
                return;
            }
            fields.push(Field {
                report,
                at: begins + n * bits,
                bits,
                holds,
            });
        }
    }
}

/// The reports of one device, and what was down at the last.
#[derive(Clone, Debug)]
pub struct Reports {
    layout: Layout,
    /// For each of the layout's keys: the usages that are on.
    on: Vec<Option<Usage>>,
}

impl Reports {
    /// Begins with nothing down.
    #[must_use]
    pub fn new(layout: Layout) -> Reports {
        let on = vec![None; layout.keys.len()];
        Reports { layout, on }
    }

    /// Returns where keys and lamps stand.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Takes one report as the device sent it, and returns what was done.
    pub fn push(&mut self, report: &[u8]) -> Vec<Press> {
        let (number, bytes) = if self.layout.numbered {
            match report.split_first() {
                Some((number, bytes)) => (*number, bytes),
                None => return Vec::new(),
            }
        } else {
            (0, report)
        };
        let mut now = self.on.clone();
        let mut presses = Vec::new();
        for (field, on) in self.layout.keys.iter().zip(&mut now) {
            if field.report != number {
                continue;
            }
            // A report that is too short says nothing of what is missing.
            let Some(value) = value_of(bytes, field.at, field.bits) else {
                continue;
            };
            match &field.holds {
                Holds::Switch {
                    usage,
                    relative: true,
                } => {
                    if value != 0 {
                        presses.extend(usage.presses().map(|(press, lets_go)| {
                            // A hook that only tells that it moved is lifted and put down by the same key.
                            lets_go.map_or(press, |_| Press::Hook)
                        }));
                    }
                }
                Holds::Switch { usage, .. } => *on = (value != 0).then_some(*usage),
                Holds::Down { ranges, lowest } => {
                    let place = i64::from(value) - i64::from(*lowest);
                    let total: usize = ranges.iter().map(|range| range.len()).sum();
                    *on = usize::try_from(place)
                        .ok()
                        .filter(|place| *place < total)
                        .and_then(|place| usage_at(ranges, place))
                        .filter(|usage| usage.presses().is_some());
                }
            }
        }
        // A key that moved to another place of the same list was down all the time.
        for usage in now.iter().flatten() {
            if !self.on.contains(&Some(*usage)) {
                presses.extend(usage.presses().map(|(press, _)| press));
            }
        }
        for usage in self.on.iter().flatten() {
            if !now.contains(&Some(*usage)) {
                presses.extend(usage.presses().and_then(|(_, lets_go)| lets_go));
            }
        }
        self.on = now;
        presses
    }
}

/// Returns so many bits from a place on, the lowest first; nothing where the bytes do not reach so far.
fn value_of(bytes: &[u8], at: usize, bits: usize) -> Option<u32> {
    (0..bits).try_fold(0, |value, n| {
        let bit = at + n;
        let byte = bytes.get(bit / 8)?;
        Some(value | u32::from(byte >> (bit % 8) & 1) << n)
    })
}

#[cfg(test)]
mod tests;

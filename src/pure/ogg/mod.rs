//! Ogg, the container of sound in packets (RFC 3533), and what Opus puts into it (RFC 7845, in [`opus`]).
//!
//! Plain bytes in and out: [`PageWriter`] makes pages of packets; [`pages`] and [`packets`] read what is whole of any bytes,
//! however they were cut or spoiled; [`mend`] says how a file that was cut off becomes a whole one again.

pub mod opus;
mod page;
mod read;
mod write;

pub use page::{NO_GRANULE, Page};
pub use read::{
    Mended, Packet, Packets, Pages, TAIL, is_finished, last_granule, mend, packets, pages,
};
pub use write::PageWriter;

#[cfg(test)]
mod tests;

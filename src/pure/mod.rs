//! What decides: protocol, call state and sound as plain values in and out.
//!
//! Nothing here knows a clock, a socket, a file, a thread or chance. Instants, identifiers and tokens come in with the
//! input, so that a test can run a day of audio in a second and try any order of events in a microsecond.

pub mod audio;
pub mod book;
pub mod call;
pub mod call_report;
pub mod destination;
pub mod event_report;
pub mod handset;
pub mod hook;
pub mod ids;
pub mod keys;
pub mod mqtt;
pub mod ogg;
pub mod phone;
pub mod quality;
pub mod recording;
pub mod time;
pub mod tuning;
pub mod twilio;

//! Offhook is a telephone that lives in a daemon.
//!
//! The daemon owns the microphone and the speaker, the carrier (Twilio) brings the telephone network, and a command
//! line, an HTTP API and a page show and steer it. One rule shapes the whole: **[`pure`] decides, everything beside it
//! only carries.** Sound travels in rings, words travel in channels, the truth travels in snapshots.
//!
//! | Layer | Modules | May use |
//! |---|---|---|
//! | 5 | [`cli`] | all below |
//! | 4 | [`daemon`], [`failure`] | all below |
//! | 3 | [`web`], [`twilio`], [`control`], [`handset`], [`hooks`], [`mqtt`] (never each other) | [`phone`], [`config`], [`pure`], [`lang`]; `twilio` also the stream ports of [`audio`], `web` and `control` its figures |
//! | 2 | [`phone`] | [`audio`], [`store`], [`pure`] |
//! | 1 | [`audio`], [`store`], [`config`], [`recorder`] (never each other) | [`pure`], [`lang`]; `recorder` also the taps of [`audio`] |
//! | 0 | [`pure`], [`lang`] | std without clock, files, network, threads; crates that only compute |
//! | – | [`sim`] | `pure::audio`, [`lang`]; never `pure::twilio`, or one misreading would hide in both |
//!
//! Newcomers read [`pure::call`], [`pure::phone`], [`phone`], [`audio`], in this order.
//!
//! # Words
//! - **Call**: one conversation as the person sees it. **Leg**: the carrier's side of it (Twilio's CallSid).
//! - **Stream**: one media socket and its sound. **Frame**: 20 ms of mu-law on the wire. **Block**: 10 ms in memory.
//! - **Capture** and **playout**: microphone to line, line to speaker. **Up** and **down**: frames to the carrier, from it.
//! - **Near end**: the person at the desk. **Far end**: the other party.

pub mod audio;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod failure;
pub mod handset;
pub mod hooks;
pub mod lang;
pub mod mqtt;
pub mod phone;
pub mod pure;
pub mod recorder;
pub mod sim;
pub mod store;
pub mod twilio;
pub mod web;

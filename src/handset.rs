//! The keys and lamps of headsets, handsets and media keyboards: devices are found, read and found again once they are
//! plugged again; what a key means is decided by [`crate::pure::handset`].
//!
//! Nothing here disturbs the phone: a device that is gone, forbidden or nonsense is tried again every two seconds, and wishes
//! that find no room are dropped.

mod device;
mod find;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use crate::phone::PhoneHandle;
use crate::pure::handset::{HandsetChoice, Wish};
use crate::pure::phone::Command;

pub use find::Roots;

/// How often devices are looked for.
const LOOKS: Duration = Duration::from_secs(2);

/// Wishes that wait for the phone; more are dropped.
const WISHES: usize = 16;

/// The tasks that watch the devices; they end when this is dropped.
#[derive(Debug)]
pub struct Handsets {
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Handsets {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Watches the chosen devices for a phone; must be called within the runtime.
#[must_use]
pub fn start(choice: HandsetChoice, roots: Roots, phone: PhoneHandle) -> Handsets {
    if choice == HandsetChoice::None {
        return Handsets { tasks: Vec::new() };
    }
    let (wishes, wanted) = mpsc::channel(WISHES);
    let carries = tokio::spawn(carry_out(wanted, phone.clone()));
    let looks = tokio::spawn(look(choice, roots, phone, wishes));
    Handsets {
        tasks: vec![looks, carries],
    }
}

/// Does what is wished, one after the other, so that keys keep their order; hanging up and dialling wait for the carrier, and
/// nothing waits for them.
async fn carry_out(mut wanted: mpsc::Receiver<Wish>, phone: PhoneHandle) {
    let mut slow = JoinSet::new();
    while let Some(wish) = wanted.recv().await {
        while slow.try_join_next().is_some() {}
        if slow.len() >= WISHES {
            continue;
        }
        let phone = phone.clone();
        match wish {
            Wish::Dial(typed) => {
                slow.spawn(async move {
                    let number = phone.number_of(&typed).await;
                    let dialled = match number {
                        Ok(number) => phone
                            .dial(&number, None)
                            .await
                            .map_err(|why| why.to_string()),
                        Err(why) => Err(why.to_string()),
                    };
                    if let Err(why) = dialled {
                        tracing::info!(why, "what was typed at the handset is not dialled");
                    }
                });
            }
            Wish::Call(call, command) => {
                let is_slow = matches!(command, Command::HangUp | Command::Reject);
                let commanded = async move {
                    if let Err(why) = phone.command(call.as_str(), command).await {
                        tracing::debug!(%why, "a key of the handset comes too late");
                    }
                };
                if is_slow {
                    slow.spawn(commanded);
                } else {
                    commanded.await;
                }
            }
        }
    }
}

/// Looks for devices, again and again.
async fn look(choice: HandsetChoice, roots: Roots, phone: PhoneHandle, wishes: mpsc::Sender<Wish>) {
    let mut used: BTreeMap<PathBuf, AbortHandle> = BTreeMap::new();
    // Devices of which it was told that they cannot be used.
    let mut told: BTreeMap<PathBuf, String> = BTreeMap::new();
    // Those that are used end with this task.
    let mut tasks = JoinSet::new();
    let mut ticks = tokio::time::interval(LOOKS);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        while tasks.try_join_next().is_some() {}
        used.retain(|_, task| !task.is_finished());
        let (choice, roots) = (choice.clone(), roots.clone());
        // Folders of the system answer at once; a device may make its opener wait.
        let found = tokio::task::spawn_blocking(move || find::find(&choice, &roots)).await;
        let found = found.unwrap_or_default();
        told.retain(|path, _| found.iter().any(|one| one.path == *path));
        for one in found {
            if used.contains_key(&one.path) {
                continue;
            }
            let opened = tokio::task::spawn_blocking({
                let one = one.clone();
                move || one.open()
            });
            let device = match opened.await {
                Ok(Ok(device)) => device,
                Ok(Err(why)) => {
                    let why = why.to_string();
                    if told.get(&one.path) != Some(&why) {
                        tracing::warn!(
                            device = %one.path.display(), why,
                            "the keys of a handset cannot be read; docs/handsets.md says who may"
                        );
                        told.insert(one.path, why);
                    }
                    continue;
                }
                Err(_) => continue,
            };
            told.remove(&one.path);
            tracing::info!(device = %one.path.display(), "the keys of a handset are used");
            let (phone, wishes, path) = (phone.clone(), wishes.clone(), one.path.clone());
            let task = tasks.spawn(async move {
                let why = device.attend(&phone, &wishes).await;
                tracing::info!(device = %path.display(), %why, "a handset is gone");
            });
            used.insert(one.path, task);
        }
    }
}

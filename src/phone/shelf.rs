//! What a person asks of recordings, messages and the greeting: heard at the desk, fetched, deleted. One place for every door.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::desk_alone::{Desk, Playing};
use super::{PhoneHandle, recordings};
use crate::audio::DeviceState;
use crate::pure::audio::LINE_RATE;
use crate::pure::audio::clip::Clip;
use crate::pure::book::recording::{Recording, RecordingKind, Voicemail};
use crate::pure::ids::Party;
use crate::pure::recording::wav;
use crate::recorder::clips::{self, Loaded};
use crate::store::NoAnswer;

/// A greeting is at least half a second long.
const SHORTEST_GREETING: usize = LINE_RATE as usize / 2;

/// The file of a greeting while it is looked at.
const FRESH: &str = ".greeting-new";

/// Bytes of a greeting's file at most: 180 s of sound from a studio.
pub const LARGEST_GREETING: u64 = 64 * 1024 * 1024;

/// What is asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub enum ShelfWish {
    /// Play a recording at the desk.
    Play {
        /// Its file's name.
        file: String,
    },
    /// Stop what is played.
    StopPlaying,
    /// What is played?
    Playing,
    /// Where does a file lie?
    Where {
        /// Its name.
        file: String,
    },
    /// Which messages are there?
    Voicemails,
    /// One message.
    Voicemail {
        /// Which.
        id: String,
    },
    /// Delete a message.
    DeleteVoicemail {
        /// Which.
        id: String,
    },
    /// Somebody has heard a message, or is to hear it again.
    HearVoicemail {
        /// Which.
        id: String,
        /// Whether it was heard.
        heard: bool,
    },
    /// Play a message at the desk.
    PlayVoicemail {
        /// Which.
        id: String,
    },
    /// What is the greeting like?
    Greeting,
    /// Record a greeting at the desk, or end that and keep it.
    RecordGreeting {
        /// Whether it begins.
        on: bool,
    },
    /// Play the greeting at the desk.
    PlayGreeting,
    /// Go back to the built-in greeting.
    RemoveGreeting,
    /// Take a file for the greeting.
    ImportGreeting {
        /// Where it lies.
        path: PathBuf,
    },
}

/// What is answered.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shelved {
    /// What is played now, or was.
    Playing(Option<Playing>),
    /// Where the file lies.
    Where(PathBuf),
    /// The messages, the newest first.
    Voicemails(Vec<Voicemail>),
    /// The message as it is now, or was.
    Voicemail(Voicemail),
    /// The greeting as it is now.
    Greeting(Greeting),
}

/// What callers hear before they may speak.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Greeting {
    /// Whether it is the owner's.
    pub own: bool,
    /// How long it is, in ms.
    pub length_ms: u64,
    /// Whether another is being recorded.
    pub recording: bool,
}

/// Why it is not done.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ShelfError {
    /// There is no such recording.
    #[error("there is no such recording")]
    NoSuchRecording,
    /// There is no such message.
    #[error("there is no such message")]
    NoSuchVoicemail,
    /// The desk has a call.
    #[error("the desk has a call, so nothing else is played or recorded there")]
    DeskBusy,
    /// The speaker does not work.
    #[error("the speaker does not work; hint: `offhook status` says why")]
    NoSpeaker,
    /// The microphone does not work.
    #[error("the microphone does not work; hint: `offhook status` says why")]
    NoMicrophone,
    /// No greeting is being recorded.
    #[error("no greeting is being recorded; hint: a call at the desk ends that")]
    NotRecording,
    /// Too little was said.
    #[error("nothing was said in the half second that a greeting has at least")]
    TooShort,
    /// The file plays for too long.
    #[error("it is longer than the 180 s that a greeting has at most")]
    TooLong,
    /// The file cannot be played.
    #[error("the file cannot be played: {0}")]
    Unplayable(String),
    /// The disk fails.
    #[error("the disk fails: {0}")]
    Disk(String),
    /// The database fails.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

impl ShelfError {
    /// Returns the word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            ShelfError::NoSuchRecording => "no_such_recording",
            ShelfError::NoSuchVoicemail => "no_such_voicemail",
            ShelfError::DeskBusy => "desk_busy",
            ShelfError::NoSpeaker => "no_speaker",
            ShelfError::NoMicrophone => "no_microphone",
            ShelfError::NotRecording => "not_recording",
            ShelfError::TooShort => "too_short",
            ShelfError::TooLong => "too_long",
            ShelfError::Unplayable(_) => "unplayable",
            ShelfError::Disk(_) => "disk_fails",
            ShelfError::NoAnswer(_) => "no_answer",
        }
    }
}

impl From<io::Error> for ShelfError {
    fn from(cause: io::Error) -> ShelfError {
        ShelfError::Disk(cause.to_string())
    }
}

impl PhoneHandle {
    /// Does what a person wants with recordings, messages and the greeting.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn shelf(&self, wish: ShelfWish) -> Result<Shelved, ShelfError> {
        let alone = &self.shared.desk_alone;
        match wish {
            ShelfWish::Play { file } => self.play_file(file).await,
            ShelfWish::StopPlaying => Ok(Shelved::Playing(alone.stop_playing())),
            ShelfWish::Playing => Ok(Shelved::Playing(alone.playing())),
            ShelfWish::Where { file } => {
                let path = self.recording_path(&file).filter(|path| path.exists());
                path.map(Shelved::Where).ok_or(ShelfError::NoSuchRecording)
            }
            ShelfWish::Voicemails => {
                let kind = Some(RecordingKind::Voicemail);
                let all = self.store().recordings(kind).await?;
                let all = all.into_iter().map(|one| self.with_name(one));
                Ok(Shelved::Voicemails(all.collect()))
            }
            ShelfWish::Voicemail { id } => self.voicemail(&id).await.map(Shelved::Voicemail),
            ShelfWish::DeleteVoicemail { id } => {
                let gone = self.voicemail(&id).await?;
                if alone.playing().is_some_and(|playing| playing.file == id) {
                    alone.stop_playing();
                }
                recordings::delete(&self.shared.shelf.folder, &id).await?;
                self.store().forget_recording(id).await?;
                Ok(Shelved::Voicemail(gone))
            }
            ShelfWish::HearVoicemail { id, heard } => {
                let message = self.voicemail(&id).await?;
                self.store().see_recording(id, heard).await?;
                Ok(Shelved::Voicemail(Voicemail { heard, ..message }))
            }
            ShelfWish::PlayVoicemail { id } => {
                self.voicemail(&id).await?;
                let playing = self.play_file(id.clone()).await?;
                self.store().see_recording(id, true).await?;
                Ok(playing)
            }
            ShelfWish::Greeting => self.greeting().await,
            ShelfWish::RecordGreeting { on: true } => {
                let desk = self.desk_alone(Part::Microphone)?;
                let media = self.media();
                media.beep();
                // A file in the place of a microphone begins.
                media.answered();
                alone.record(desk);
                self.greeting().await
            }
            ShelfWish::RecordGreeting { on: false } => {
                let said = alone.stop_recording().await;
                let said = said.ok_or(ShelfError::NotRecording)?;
                if said.len() < SHORTEST_GREETING {
                    return Err(ShelfError::TooShort);
                }
                self.take_greeting(move || Ok(wav::of_line(&said))).await
            }
            ShelfWish::PlayGreeting => {
                let desk = self.desk_alone(Part::Speaker)?;
                let (folder, lang) = (self.shared.shelf.greetings.clone(), self.shared.shelf.lang);
                let clip = blocking(move || greeting_in(&folder, lang).map(|(clip, _)| clip));
                let playing = alone.play(desk, "greeting".to_owned(), clip.await?);
                Ok(Shelved::Playing(Some(playing)))
            }
            ShelfWish::RemoveGreeting => {
                let folder = self.shared.shelf.greetings.clone();
                blocking(move || remove_greetings(&folder, None)).await?;
                self.greeting().await
            }
            ShelfWish::ImportGreeting { path } => {
                let read = move || {
                    let unplayable = |cause: io::Error| ShelfError::Unplayable(cause.to_string());
                    if std::fs::metadata(&path).map_err(unplayable)?.len() > LARGEST_GREETING {
                        return Err(ShelfError::TooLong);
                    }
                    std::fs::read(&path).map_err(unplayable)
                };
                self.take_greeting(read).await
            }
        }
    }

    /// Takes the bytes of a file for the greeting.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn import_greeting(&self, bytes: Vec<u8>) -> Result<Shelved, ShelfError> {
        self.take_greeting(move || Ok(bytes)).await
    }

    async fn play_file(&self, file: String) -> Result<Shelved, ShelfError> {
        let path = self.recording_path(&file);
        let path = path.filter(|path| path.exists());
        let path = path.ok_or(ShelfError::NoSuchRecording)?;
        let desk = self.desk_alone(Part::Speaker)?;
        let loaded = blocking(move || {
            clips::recording(&path).map_err(|why| ShelfError::Unplayable(why.to_string()))
        });
        let Loaded { clip, .. } = loaded.await?;
        let playing = self.shared.desk_alone.play(desk, file, clip);
        Ok(Shelved::Playing(Some(playing)))
    }

    /// Returns what is needed to do something at the desk, where it is alone and works.
    fn desk_alone(&self, part: Part) -> Result<Desk, ShelfError> {
        if !self.snapshots().borrow().desk_is_quiet() {
            return Err(ShelfError::DeskBusy);
        }
        let status = self.media().status().borrow().clone();
        let (state, lacking) = match part {
            Part::Speaker => (status.playout, ShelfError::NoSpeaker),
            Part::Microphone => (status.capture, ShelfError::NoMicrophone),
        };
        match state {
            DeviceState::Works(_) => Ok(Desk {
                media: self.media().clone(),
                snapshots: self.snapshots(),
                clock: self.shared.clock,
                stream: self.next_stream(),
            }),
            DeviceState::Broken(_) => Err(lacking),
        }
    }

    async fn voicemail(&self, id: &str) -> Result<Voicemail, ShelfError> {
        let kind = Some(RecordingKind::Voicemail);
        let all = self.store().recordings(kind).await?;
        let found = all.into_iter().find(|one| one.file == id);
        found
            .map(|one| self.with_name(one))
            .ok_or(ShelfError::NoSuchVoicemail)
    }

    fn with_name(&self, recording: Recording) -> Voicemail {
        let known = self.store().known();
        let card = known.book.find(&Party::parse(&recording.from));
        Voicemail::new(recording, card.map(|card| card.name.clone()))
    }

    async fn greeting(&self) -> Result<Shelved, ShelfError> {
        let (folder, lang) = (self.shared.shelf.greetings.clone(), self.shared.shelf.lang);
        let (clip, own) = blocking(move || greeting_in(&folder, lang)).await?;
        Ok(Shelved::Greeting(Greeting {
            own,
            length_ms: u64::try_from(clip.length().as_millis()).unwrap_or(u64::MAX),
            recording: self.shared.desk_alone.is_recording(),
        }))
    }

    async fn take_greeting(
        &self,
        read: impl FnOnce() -> Result<Vec<u8>, ShelfError> + Send + 'static,
    ) -> Result<Shelved, ShelfError> {
        let folder = self.shared.shelf.greetings.clone();
        blocking(move || keep_greeting(&folder, &read()?)).await?;
        self.greeting().await
    }
}

/// What of the desk is needed.
#[derive(Clone, Copy)]
enum Part {
    Speaker,
    Microphone,
}

/// Returns the greeting that callers hear, without the beep, and whether it is the owner's.
fn greeting_in(folder: &Path, lang: crate::lang::Lang) -> Result<(Clip, bool), ShelfError> {
    let own = clips::own_greeting_in(folder);
    let own = own.and_then(|path| clips::own_greeting(&path).ok());
    Ok(match own {
        Some(loaded) => (loaded.clip, true),
        None => (clips::greeting(lang), false),
    })
}

/// Puts a greeting in the place of the one before, once it is known to be one.
fn keep_greeting(folder: &Path, bytes: &[u8]) -> Result<(), ShelfError> {
    let name = match bytes.first_chunk::<4>() {
        Some(b"OggS") => clips::GREETINGS[0],
        Some(b"RIFF") => clips::GREETINGS[1],
        Some(_) | None => {
            let why = "it is neither a WAV file nor an Ogg Opus file";
            return Err(ShelfError::Unplayable(why.to_owned()));
        }
    };
    let fresh = folder.join(FRESH);
    write_private(&fresh, bytes)?;
    let good = match clips::own_greeting(&fresh) {
        Ok(loaded) if loaded.is_cut => Err(ShelfError::TooLong),
        Ok(_) => Ok(()),
        Err(why) => Err(ShelfError::Unplayable(why.to_string())),
    };
    if let Err(why) = good {
        std::fs::remove_file(&fresh)?;
        return Err(why);
    }
    std::fs::rename(&fresh, folder.join(name))?;
    remove_greetings(folder, Some(name))
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes the owner's greetings, but for one.
fn remove_greetings(folder: &Path, but: Option<&str>) -> Result<(), ShelfError> {
    for name in clips::GREETINGS {
        if but == Some(name) {
            continue;
        }
        match std::fs::remove_file(folder.join(name)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause.into()),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Does what waits for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ShelfError> + Send + 'static,
) -> Result<T, ShelfError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|broken| Err(ShelfError::Disk(broken.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_takes_the_place_of_the_one_before_only_where_it_is_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let own = |folder: &Path| {
            let (clip, own) = greeting_in(folder, crate::lang::Lang::En).expect("one");
            (clip.length().as_millis(), own)
        };
        let (_, is_own) = own(folder);
        assert!(!is_own);
        let wav = wav::of_line(&vec![1_000; 8_000]);
        keep_greeting(folder, &wav).expect("kept");
        assert_eq!(own(folder), (1_000, true));
        let long = wav::of_line(&vec![1_000; 181 * 8_000]);
        assert_eq!(keep_greeting(folder, &long), Err(ShelfError::TooLong));
        for bad in [&b"OggS and no more"[..], b"RIFF", b"text", b""] {
            let refused = keep_greeting(folder, bad);
            assert!(
                matches!(refused, Err(ShelfError::Unplayable(_))),
                "{refused:?}"
            );
        }
        assert_eq!(own(folder), (1_000, true), "as it was");
        let stored = include_bytes!("../recorder/voice/notice-en.opus");
        keep_greeting(folder, stored).expect("kept");
        assert!(folder.join("greeting.opus").exists() && !folder.join("greeting.wav").exists());
        assert!(!folder.join(FRESH).exists());
        remove_greetings(folder, None).expect("removed");
        assert!(!own(folder).1);
    }
}

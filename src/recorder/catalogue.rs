//! What is in the folder of recordings: listed, mended after a crash, deleted.
//!
//! The folder is the truth: whoever keeps a list elsewhere makes it of this one. Only names that the recorder gives are
//! looked at; whatever else lies there stays.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::pure::ogg::{self, opus::GRANULE_RATE, opus::Head};
use crate::pure::recording::keep::{Kept, Retention, to_delete};
use crate::pure::recording::name::Named;
use crate::pure::recording::{Format, wav};

/// Bytes at a file's beginning in which its headers lie.
const BEGINS: usize = 512;

/// Bytes at the end of a whole file in which the last page lies.
const ENDS: usize = 8_192;

/// One recording in the folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its file's name.
    pub name: String,
    /// What the name tells.
    pub named: Named,
    /// The size of the file.
    pub bytes: u64,
    /// How long it can be played.
    pub length: Duration,
    /// Whether it was ended properly: one that is being made was not, and one that a crash cut off.
    pub is_whole: bool,
}

/// Lists all recordings, the newest first. A file that goes away meanwhile is left out.
///
/// # Errors
/// Where the folder cannot be read; one that is not there is empty.
pub fn list(folder: &Path) -> io::Result<Vec<Entry>> {
    let files = match std::fs::read_dir(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for file in files {
        let name = file?.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(named) = Named::parse(name)
            && let Ok(entry) = look(folder, name, named)
        {
            entries.push(entry);
        }
    }
    entries.sort_by(|a, b| {
        let newest = b.named.began.cmp(&a.named.began);
        newest.then_with(|| a.name.cmp(&b.name))
    });
    Ok(entries)
}

/// Returns where a recording lies, or nothing where the name is none that the recorder gives: no name leads elsewhere.
#[must_use]
pub fn path(folder: &Path, name: &str) -> Option<PathBuf> {
    Named::parse(name).map(|_| folder.join(name))
}

/// Deletes a recording.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] where there is none of that name, and those of the system.
pub fn delete(folder: &Path, name: &str) -> io::Result<()> {
    let path = path(folder, name).ok_or(io::ErrorKind::NotFound)?;
    std::fs::remove_file(path)
}

/// Deletes what is kept no longer, and returns the names. `stays` says what stays whatever is allowed: what is being made,
/// and whatever nobody has heard yet.
///
/// # Errors
/// Where the folder cannot be read. What cannot be deleted is tried again the next time.
pub fn tidy(
    folder: &Path,
    retention: &Retention,
    now: SystemTime,
    stays: impl Fn(&Entry) -> bool,
) -> io::Result<Vec<String>> {
    let entries = list(folder)?;
    let kept: Vec<Kept<'_>> = entries
        .iter()
        .map(|entry| Kept {
            name: &entry.name,
            // What lies ahead, for the clock was put back, is new.
            age: now.duration_since(entry.named.began).unwrap_or_default(),
            bytes: entry.bytes,
            stays: stays(entry),
        })
        .collect();
    let mut deleted = Vec::new();
    for name in to_delete(&kept, retention) {
        match delete(folder, name) {
            Ok(()) => deleted.push(name.to_owned()),
            Err(error) => tracing::warn!(name, %error, "a recording cannot be deleted"),
        }
    }
    Ok(deleted)
}

/// Makes recordings whole that a crash or a power cut left, and returns their names. Called before anything is recorded.
///
/// # Errors
/// Where the folder cannot be read. What cannot be mended stays as it is.
pub fn mend(folder: &Path) -> io::Result<Vec<String>> {
    let mut mended = Vec::new();
    for entry in list(folder)?.into_iter().filter(|entry| !entry.is_whole) {
        match mend_one(&folder.join(&entry.name), entry.named.format) {
            Ok(true) => mended.push(entry.name),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(name = entry.name, %error, "a recording cannot be mended");
            }
        }
    }
    Ok(mended)
}

fn mend_one(path: &Path, format: Format) -> io::Result<bool> {
    let file = File::options().read(true).write(true).open(path)?;
    match format {
        Format::Opus => {
            let mut bytes = Vec::new();
            (&file).read_to_end(&mut bytes)?;
            let Some(mended) = ogg::mend(&bytes) else {
                return Ok(false);
            };
            file.write_all_at(&mended.page, mended.at as u64)?;
            file.set_len((mended.at + mended.page.len()) as u64)?;
        }
        Format::Wav => {
            let (begins, length) = (begins(&file)?, file.metadata()?.len());
            let Some(header) = wav::mend(&begins, length) else {
                return Ok(false);
            };
            file.write_all_at(&header, 0)?;
        }
    }
    file.sync_all()?;
    Ok(true)
}

fn look(folder: &Path, name: &str, named: Named) -> io::Result<Entry> {
    let file = File::open(folder.join(name))?;
    let bytes = file.metadata()?.len();
    let begins = begins(&file)?;
    let (length, is_whole) = match named.format {
        Format::Opus => {
            let mut end = tail(&file, bytes, ENDS)?;
            if !ogg::is_finished(&end) {
                // Cut off, or of pages larger than ours.
                end = tail(&file, bytes, ogg::TAIL)?;
            }
            let head = ogg::packets(&begins).next();
            let skip = head
                .and_then(|head| Head::parse(&head.data))
                .map_or(0, |head| u64::from(head.pre_skip));
            let granules = ogg::last_granule(&end).unwrap_or(0).saturating_sub(skip);
            let micros = u128::from(granules) * 1_000_000 / u128::from(GRANULE_RATE);
            let length = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
            (length, ogg::is_finished(&end))
        }
        Format::Wav => (
            wav::length(bytes),
            wav::mend(&begins, bytes).is_none() && !begins.is_empty(),
        ),
    };
    Ok(Entry {
        name: name.to_owned(),
        named,
        bytes,
        length,
        is_whole,
    })
}

fn begins(mut file: &File) -> io::Result<Vec<u8>> {
    let mut begins = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(BEGINS as u64).read_to_end(&mut begins)?;
    Ok(begins)
}

fn tail(mut file: &File, bytes: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(bytes.saturating_sub(most as u64)))?;
    file.take(most as u64).read_to_end(&mut tail)?;
    Ok(tail)
}

//! The data folder, and the lock in it that keeps a second daemon out.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The data folder, held for as long as this lives. The file stays; the lock on it goes with the process, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Makes the data folder (mode 0700) where it is missing, and takes it.
    pub(crate) fn take(data_dir: &Path) -> Result<Lock, Failure> {
        let failed = |what: &str, error: &io::Error| {
            Failure::world(format!("the data folder `{}` {what}", data_dir.display()))
                .caused_by(error)
                .hint("choose another with --data-dir or OFFHOOK_DATA_DIR")
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .map_err(|error| failed("cannot be made", &error))?;
        let path = data_dir.join("lock");
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed("cannot be locked", &error))?;
        match file.try_lock() {
            Ok(()) => {
                let mut lock = Lock { file, path };
                lock.write(&format!("pid {}\n", std::process::id()))?;
                Ok(lock)
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who holds it may not have written yet; then nobody is named.
                let _ = (&mut file).take(200).read_to_string(&mut holder);
                Err(held(data_dir, &holder))
            }
            Err(TryLockError::Error(error)) => Err(failed("cannot be locked", &error)),
        }
    }

    /// Notes the port for whoever comes second.
    pub(crate) fn note_port(&mut self, port: u16) -> Result<(), Failure> {
        self.write(&format!("pid {}\nport {port}\n", std::process::id()))
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .map_err(|error| {
                Failure::world(format!("`{}` cannot be written", self.path.display()))
                    .caused_by(&error)
            })
    }
}

/// Says who holds the folder.
fn held(data_dir: &Path, holder: &str) -> Failure {
    let field = |name: &str| {
        holder
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .find_map(|value| value.trim().parse::<u32>().ok())
    };
    let who = match (field("pid "), field("port ")) {
        (Some(pid), Some(port)) => format!("process {pid}, on port {port}"),
        (Some(pid), None) => format!("process {pid}"),
        (None, _) => "a process that has not named itself".to_owned(),
    };
    Failure::world(format!(
        "another daemon holds the data folder `{}`: {who}",
        data_dir.display()
    ))
    .hint("stop it, or give this one a folder and a port of its own with --data-dir and --port")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_daemon_is_told_who_holds_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let data_dir = folder.path().join("state/offhook");
        let mut first = Lock::take(&data_dir).expect("free");
        let mode = fs::metadata(&data_dir).expect("made").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let me = format!("process {}", std::process::id());
        let refusal = Lock::take(&data_dir).expect_err("held").to_string();
        assert!(refusal.contains(&me), "{refusal}");
        first.note_port(4321).expect("written");
        let failure = Lock::take(&data_dir).expect_err("held");
        assert!(failure.to_string().contains(&format!("{me}, on port 4321")));
        assert_eq!(failure.exit_code(), 1);
        drop(first);
        assert!(Lock::take(&data_dir).is_ok());
    }

    #[test]
    fn a_holder_that_wrote_nonsense_is_not_named() {
        for nonsense in ["", "pid", "pid -1\n", "\u{0}\u{0}", "pid many"] {
            let failure = held(Path::new("x"), nonsense);
            assert!(failure.to_string().contains("has not named itself"));
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        let failure = Lock::take(&file.join("state")).expect_err("a file is in the way");
        assert!(failure.to_string().contains("cannot be made"), "{failure}");
    }
}

//! The key of the person's door, where the settings name none: made once, kept in the data folder.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::Secret;
use crate::failure::Failure;

/// The key that is in force, and where it lies.
#[derive(Debug)]
pub(crate) struct ApiKey {
    /// The key.
    pub(crate) key: Secret,
    /// The file that holds it.
    pub(crate) path: PathBuf,
    /// Whether it was made just now.
    pub(crate) created: bool,
}

/// Reads `api-key` in the data folder, which must exist and be ours alone, or makes it (mode 0600). One that others could
/// read is closed to them.
pub(crate) fn read_or_make(data_dir: &Path) -> Result<ApiKey, Failure> {
    let path = data_dir.join("api-key");
    let failed = |error: &dyn std::error::Error| {
        Failure::world(format!("the API key `{}` cannot be kept", path.display()))
            .caused_by(error)
            .hint("set OFFHOOK_API_KEY, or remove the file to have a new one made")
    };
    let (key, created) = match fs::read_to_string(&path) {
        Ok(text) => {
            close_to_others(&path);
            let key = crate::config::check_api_key(text.trim())
                .map_err(|what| failed(&io::Error::other(format!("the key in it {what}"))))?;
            (key, false)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = draw().map_err(|error| failed(&error))?;
            write(&path, &made).map_err(|error| failed(&error))?;
            (Secret::new(made), true)
        }
        Err(error) => return Err(failed(&error)),
    };
    Ok(ApiKey { key, path, created })
}

/// Takes the key from everybody but its owner.
fn close_to_others(path: &Path) {
    let open = fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
    if open && let Err(cause) = fs::set_permissions(path, fs::Permissions::from_mode(0o600)) {
        tracing::warn!(path = %path.display(), %cause, "others may read the API key");
    }
}

/// Writes the key beside its place first, so that whatever happens meanwhile no half of it is found there later.
fn write(path: &Path, key: &str) -> io::Result<()> {
    let draft = path.with_extension("draft");
    // Left by somebody who was stopped in the middle; the folder's lock keeps everybody else away.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    writeln!(file, "{key}")?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

/// Draws 160 bits, as 40 hexadecimal digits.
fn draw() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; 20];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = read_or_make(folder.path()).expect("made");
        assert!(first.created);
        assert!(first.key.reveal().len() >= 32);
        let mode = fs::metadata(&first.path).expect("there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let second = read_or_make(folder.path()).expect("read");
        assert!(!second.created);
        assert_eq!(second.key, first.key);
        let other = tempfile::tempdir().expect("a folder");
        assert_ne!(read_or_make(other.path()).expect("made").key, first.key);
    }

    #[test]
    fn a_key_that_others_could_read_is_closed_to_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("api-key");
        fs::write(&path, "0123456789abcdef\n").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        let key = read_or_make(folder.path()).expect("read").key;
        assert_eq!(key.reveal(), "0123456789abcdef");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn whoever_was_stopped_while_making_a_key_is_followed_by_one_who_makes_it() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("api-key.draft"), "half a k").expect("written");
        assert!(read_or_make(folder.path()).expect("made").created);
        let files = fs::read_dir(folder.path()).expect("readable").count();
        assert_eq!(files, 1, "no draft is left");
    }

    #[test]
    fn a_spoilt_key_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("api-key"), "short-hush\n").expect("written");
        let failure = read_or_make(folder.path())
            .expect_err("too short")
            .to_string();
        assert!(failure.contains("shorter than 16"), "{failure}");
        assert!(!failure.contains("hush"), "{failure}");
    }
}

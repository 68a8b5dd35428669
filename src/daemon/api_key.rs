//! The key of the person's door, where the settings name none: made once, kept in the data folder.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
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

/// Reads `api-key` in the data folder, which must exist, or makes it (mode 0600).
pub(crate) fn read_or_make(data_dir: &Path) -> Result<ApiKey, Failure> {
    let path = data_dir.join("api-key");
    let failed = |error: &dyn std::error::Error| {
        Failure::world(format!("the API key `{}` cannot be kept", path.display()))
            .caused_by(error)
            .hint("set OFFHOOK_API_KEY, or remove the file to have a new one made")
    };
    let made = draw().map_err(|error| failed(&error))?;
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    match file {
        Ok(mut file) => {
            writeln!(file, "{made}").map_err(|error| failed(&error))?;
            Ok(ApiKey {
                key: Secret::new(made),
                path,
                created: true,
            })
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let text = fs::read_to_string(&path).map_err(|error| failed(&error))?;
            let key = crate::config::check_api_key(text.trim())
                .map_err(|what| failed(&io::Error::other(format!("the key in it {what}"))))?;
            Ok(ApiKey {
                key,
                path,
                created: false,
            })
        }
        Err(error) => Err(failed(&error)),
    }
}

/// Draws 160 bits, as 40 hexadecimal digits.
fn draw() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; 20];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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

//! The database's file: opened, made nobody else's, put aside where it is damaged.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::migrations;

/// What came of opening it.
pub(super) enum Opened {
    Ready(Connection),
    /// It has this version, which we do not know.
    Newer(u32),
}

/// Opens the file and brings it to today's form; one of a newer program is left as it is.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Opened> {
    // Made by us first, so that it is nobody else's to read from its first byte on.
    if let Ok(file) = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
    {
        let _ = file.set_permissions(Permissions::from_mode(0o600));
    }
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > migrations::newest() {
        return Ok(Opened::Newer(version));
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What is written is on the disk before the next order: a power cut loses the call in progress at most.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Numbers of calls that are forgotten are not to be read from the file's free places.
    connection.pragma_update(None, "secure_delete", "ON")?;
    migrations::run(&mut connection, version)?;
    Ok(Opened::Ready(connection))
}

pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)
    )
}

/// Gives the damaged file a name that is free, and its log the one that belongs to it: what was written last is there.
pub(super) fn put_aside(path: &Path) -> std::io::Result<PathBuf> {
    let with = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = (1..)
        .map(|n| with(path, &format!(".damaged-{n}")))
        .find(|name| !name.exists())
        .ok_or_else(|| std::io::Error::other("no name is free"))?;
    match std::fs::rename(with(path, "-wal"), with(&aside, "-wal")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    std::fs::rename(path, &aside)?;
    // An index of the log, made anew whenever it is missing.
    let _ = std::fs::remove_file(with(path, "-shm"));
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_a_damaged_database_goes_aside_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("offhook.db");
        for (suffix, text) in [("", "database"), ("-wal", "log"), ("-shm", "index")] {
            std::fs::write(folder.path().join(format!("offhook.db{suffix}")), text)
                .expect("written");
        }
        let aside = put_aside(&path).expect("put aside");
        let log = std::fs::read_to_string(folder.path().join("offhook.db.damaged-1-wal"));
        assert_eq!(log.expect("kept"), "log");
        assert_eq!(std::fs::read_to_string(aside).expect("kept"), "database");
        let left = std::fs::read_dir(folder.path()).expect("readable").count();
        assert_eq!(left, 2);
    }
}

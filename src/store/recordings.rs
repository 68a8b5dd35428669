//! Which files the recorder made, of which calls. The files themselves are the recorder's.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, Row, params};

use super::{NoAnswer, StoreHandle};
use crate::pure::book::recording::{Recording, RecordingKind, RecordingLimits};
use crate::pure::time::rfc3339;

impl StoreHandle {
    /// Keeps what a file holds, in the place of what was known of it. Never waits.
    pub fn keep_recording(&self, recording: Recording) {
        self.write("a recording's entry", move |keeper| {
            keeper.connection.execute(
                "INSERT OR REPLACE INTO recording VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    recording.file,
                    recording.kind.word(),
                    recording.call,
                    recording.from,
                    recording.began,
                    i64::try_from(recording.seconds).unwrap_or(i64::MAX),
                    i64::try_from(recording.bytes).unwrap_or(i64::MAX),
                    recording.seen
                ],
            )?;
            keeper.refresh()
        });
    }

    /// Returns the files of a kind, or of both, the newest first.
    ///
    /// # Errors
    /// [`NoAnswer`] where they cannot be read.
    pub async fn recordings(
        &self,
        kind: Option<RecordingKind>,
    ) -> Result<Vec<Recording>, NoAnswer> {
        self.ask(move |keeper| {
            let mut query = keeper.connection.prepare(&format!(
                "{COLUMNS} WHERE ?1 IS NULL OR kind = ?1 ORDER BY began DESC, file DESC"
            ))?;
            let rows = query.query_map(params![kind.map(RecordingKind::word)], read)?;
            rows.collect()
        })
        .await
    }

    /// Returns how many messages nobody has heard yet.
    ///
    /// # Errors
    /// [`NoAnswer`] where they cannot be counted.
    pub async fn unheard_voicemails(&self) -> Result<u64, NoAnswer> {
        self.ask(|keeper| unheard(&keeper.connection)).await
    }

    /// Takes note that a file was heard, or is to be heard again; says whether there is such.
    ///
    /// # Errors
    /// [`NoAnswer`] where that cannot be kept.
    pub async fn see_recording(&self, file: String, seen: bool) -> Result<bool, NoAnswer> {
        self.ask(move |keeper| {
            let changed = keeper.connection.execute(
                "UPDATE recording SET seen = ?2 WHERE file = ?1",
                params![file, seen],
            )?;
            keeper.refresh()?;
            Ok(changed > 0)
        })
        .await
    }

    /// Forgets a file that is gone, or about to be; says whether there was such.
    ///
    /// # Errors
    /// [`NoAnswer`] where it cannot be forgotten.
    pub async fn forget_recording(&self, file: String) -> Result<bool, NoAnswer> {
        self.ask(move |keeper| {
            let gone = keeper
                .connection
                .execute("DELETE FROM recording WHERE file = ?1", [file])?;
            keeper.refresh()?;
            Ok(gone > 0)
        })
        .await
    }

    /// Returns the files that are beyond the limits, the oldest first: to be deleted, then forgotten.
    ///
    /// # Errors
    /// [`NoAnswer`] where they cannot be told.
    pub async fn expired_recordings(
        &self,
        limits: RecordingLimits,
        now: SystemTime,
    ) -> Result<Vec<Recording>, NoAnswer> {
        self.ask(move |keeper| expired(&keeper.connection, limits, now))
            .await
    }
}

/// Counts the messages that nobody has heard yet.
pub(super) fn unheard(connection: &Connection) -> rusqlite::Result<u64> {
    let count: i64 = connection.query_row(
        "SELECT COUNT(*) FROM recording WHERE kind = 'voicemail' AND seen = 0",
        [],
        |row| row.get(0),
    )?;
    Ok(u64::try_from(count).unwrap_or(0))
}

const COLUMNS: &str = "SELECT file, kind, call, caller, began, seconds, bytes, seen FROM recording";

fn read(row: &Row<'_>) -> rusqlite::Result<Recording> {
    let kind: String = row.get(1)?;
    Ok(Recording {
        file: row.get(0)?,
        // What an older or newer program calls otherwise is at least a recording.
        kind: RecordingKind::parse(&kind).unwrap_or(RecordingKind::Recording),
        call: row.get(2)?,
        from: row.get(3)?,
        began: row.get(4)?,
        seconds: u64::try_from(row.get::<_, i64>(5)?).unwrap_or(0),
        bytes: u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
        seen: row.get(7)?,
    })
}

fn expired(
    connection: &Connection,
    limits: RecordingLimits,
    now: SystemTime,
) -> rusqlite::Result<Vec<Recording>> {
    let oldest = limits.days.map(|days| {
        let age = Duration::from_secs(u64::from(days) * 86_400);
        rfc3339(now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH))
    });
    let most = limits
        .bytes
        .map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    // Beyond the size is a file that, with all that are newer, is too much.
    let mut query = connection.prepare(
        "SELECT file, kind, call, caller, began, seconds, bytes, seen FROM \
         (SELECT *, SUM(bytes) OVER (ORDER BY began DESC, file DESC) AS together FROM recording) \
         WHERE (?1 IS NOT NULL AND began < ?1) OR (?2 IS NOT NULL AND together > ?2) ORDER BY began, file",
    )?;
    let rows = query.query_map(params![oldest, most], read)?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn recording(n: u64, kind: RecordingKind) -> Recording {
        Recording {
            file: format!("{n}.opus"),
            kind,
            call: Some("c1".to_owned()),
            from: "+15145550100".to_owned(),
            began: rfc3339(UNIX_EPOCH + Duration::from_secs(n * 86_400)),
            seconds: 10,
            bytes: 100,
            seen: false,
        }
    }

    #[tokio::test]
    async fn files_are_listed_heard_and_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = StoreHandle::open(folder.path()).expect("it opens");
        store.keep_recording(recording(1, RecordingKind::Recording));
        store.keep_recording(recording(2, RecordingKind::Voicemail));
        store.keep_recording(recording(2, RecordingKind::Voicemail));
        let files = |list: Vec<Recording>| -> Vec<String> {
            list.into_iter().map(|recording| recording.file).collect()
        };
        let all = store.recordings(None).await.expect("an answer");
        assert_eq!(files(all), ["2.opus", "1.opus"]);
        let messages = store.recordings(Some(RecordingKind::Voicemail)).await;
        assert_eq!(files(messages.expect("an answer")), ["2.opus"]);
        assert_eq!(store.unheard_voicemails().await, Ok(1));
        assert_eq!(store.known().voicemails_waiting, 1);
        assert_eq!(
            store.see_recording("2.opus".to_owned(), true).await,
            Ok(true)
        );
        assert_eq!(
            store.see_recording("9.opus".to_owned(), true).await,
            Ok(false)
        );
        assert_eq!(store.unheard_voicemails().await, Ok(0));
        assert_eq!(store.known().voicemails_waiting, 0);
        assert_eq!(
            store.see_recording("2.opus".to_owned(), false).await,
            Ok(true)
        );
        assert_eq!(store.known().voicemails_waiting, 1, "to be heard again");
        assert_eq!(store.forget_recording("2.opus".to_owned()).await, Ok(true));
        assert_eq!(store.forget_recording("2.opus".to_owned()).await, Ok(false));
    }

    #[tokio::test]
    async fn the_oldest_go_by_days_and_by_size() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = StoreHandle::open(folder.path()).expect("it opens");
        for n in 1..=5 {
            store.keep_recording(recording(n, RecordingKind::Recording));
        }
        let now = UNIX_EPOCH + Duration::from_secs(6 * 86_400);
        for (days, bytes, expected) in [
            (None, None, &[][..]),
            (Some(3), None, &["1.opus", "2.opus"]),
            (None, Some(300), &["1.opus", "2.opus"]),
            (None, Some(299), &["1.opus", "2.opus", "3.opus"]),
            (
                Some(4),
                Some(100),
                &["1.opus", "2.opus", "3.opus", "4.opus"],
            ),
            (
                None,
                Some(0),
                &["1.opus", "2.opus", "3.opus", "4.opus", "5.opus"],
            ),
        ] {
            let limits = RecordingLimits { days, bytes };
            let expired = store.expired_recordings(limits, now).await;
            let files: Vec<String> = expired
                .expect("an answer")
                .into_iter()
                .map(|recording| recording.file)
                .collect();
            assert_eq!(files, expected, "{days:?} {bytes:?}");
        }
    }
}

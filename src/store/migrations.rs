//! What brings an older database to today's form, a text of SQL for each version.

use rusqlite::Connection;

/// The n-th takes version n to n + 1.
const MIGRATIONS: [&str; 5] = [
    "CREATE TABLE registration (identity TEXT PRIMARY KEY NOT NULL, until_ms INTEGER NOT NULL) STRICT;",
    "CREATE TABLE call (n INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, sid TEXT NOT NULL, direction TEXT NOT NULL, \
     caller TEXT NOT NULL, called TEXT NOT NULL, began TEXT NOT NULL, talk_seconds INTEGER NOT NULL, end_reason TEXT, \
     quality TEXT) STRICT;",
    "CREATE TABLE device_pair (n INTEGER PRIMARY KEY, capture TEXT NOT NULL, playout TEXT NOT NULL, \
     lead_blocks INTEGER NOT NULL, drift_ppm REAL NOT NULL, UNIQUE (capture, playout)) STRICT;",
    BOOK,
    "CREATE TABLE setting (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT;",
];

/// The history in the place of the last calls, contacts, the block list and recordings.
///
/// A call without an end was one that the daemon did not see the end of. Nobody is told now that they missed a call of
/// those days. `find` is what a search looks through.
const BOOK: &str = "
CREATE TABLE history (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT UNIQUE NOT NULL,
    sid TEXT NOT NULL,
    direction TEXT NOT NULL,
    caller TEXT NOT NULL,
    called TEXT NOT NULL,
    name TEXT,
    began TEXT NOT NULL,
    answered TEXT,
    ended TEXT,
    talk_seconds INTEGER NOT NULL,
    end_reason TEXT,
    place TEXT,
    missed INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    noted TEXT NOT NULL,
    quality TEXT,
    find TEXT NOT NULL
) STRICT;
CREATE INDEX history_began ON history (began);
CREATE INDEX history_sid ON history (sid);
CREATE INDEX history_unseen ON history (n) WHERE missed = 1 AND seen = 0;
CREATE INDEX history_open ON history (n) WHERE end_reason IS NULL;
INSERT INTO history
    SELECT n, id, sid, direction, caller, called, NULL, began, NULL, NULL, talk_seconds,
        COALESCE(end_reason, 'interrupted'),
        CASE WHEN quality IS NOT NULL THEN 'desk' END,
        direction = 'incoming' AND talk_seconds = 0 AND quality IS NULL
            AND COALESCE(end_reason, 'interrupted') NOT IN ('hung_up_here', 'refused'),
        1, began, quality, lower(caller || ' ' || called)
    FROM call ORDER BY n;
DROP TABLE call;
CREATE TABLE contact (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    note TEXT NOT NULL,
    favourite INTEGER NOT NULL,
    auto_answer INTEGER NOT NULL,
    find TEXT NOT NULL
) STRICT;
CREATE INDEX contact_find ON contact (find);
CREATE TABLE contact_number (
    contact INTEGER NOT NULL,
    place INTEGER NOT NULL,
    label TEXT NOT NULL,
    number TEXT NOT NULL,
    PRIMARY KEY (contact, place)
) STRICT;
CREATE TABLE blocked (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pattern TEXT UNIQUE NOT NULL,
    note TEXT NOT NULL,
    since TEXT NOT NULL,
    hits INTEGER NOT NULL,
    last_hit TEXT
) STRICT;
CREATE TABLE recording (
    file TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    call TEXT,
    caller TEXT NOT NULL,
    began TEXT NOT NULL,
    seconds INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    seen INTEGER NOT NULL
) STRICT;
CREATE INDEX recording_call ON recording (call);
";

/// Returns the version of today.
pub(super) fn newest() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Brings a database of `version` to today's form, all or nothing.
pub(super) fn run(connection: &mut Connection, version: u32) -> rusqlite::Result<()> {
    let steps = connection.transaction()?;
    for (migration, next) in MIGRATIONS.iter().zip(1_u32..).skip(version as usize) {
        steps.execute_batch(migration)?;
        steps.pragma_update(None, "user_version", next)?;
    }
    steps.commit()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::pure::book::history::HistoryQuery;
    use crate::store::StoreHandle;

    /// Makes a database as a program of `version` left it.
    fn older(folder: &Path, version: u32) {
        let dump = format!(
            "{}/tests/data/database/version-{version}.sql",
            env!("CARGO_MANIFEST_DIR")
        );
        let dump = std::fs::read_to_string(&dump).expect("every version has its dump");
        let database = Connection::open(folder.join("offhook.db")).expect("made");
        database.execute_batch(&dump).expect("it is SQL");
        let made: u32 = database
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .expect("it has a version");
        assert_eq!(made, version);
    }

    #[tokio::test]
    async fn a_database_of_every_older_version_keeps_what_it_has() {
        for version in 1..=newest() {
            let folder = tempfile::tempdir().expect("a folder");
            older(folder.path(), version);
            let store = StoreHandle::open(folder.path()).expect("it opens");
            let kept = store.registrations(UNIX_EPOCH).await.expect("an answer");
            assert_eq!(kept.len(), 1, "version {version}");
            assert_eq!(kept[0].0.as_str(), "kitchen");
            let past = store.past_calls().await.expect("an answer");
            let told: Vec<(&str, Option<&str>)> = past
                .iter()
                .map(|call| (call.id.as_str(), call.end_reason.as_deref()))
                .collect();
            let changed = store.settings().await.expect("an answer");
            assert_eq!(
                changed.len(),
                usize::from(version >= 5),
                "version {version}"
            );
            if version == 1 {
                assert_eq!(told, []);
                continue;
            }
            let learned = store.pairs().await.expect("an answer");
            assert_eq!(
                learned.len(),
                usize::from(version >= 3),
                "version {version}"
            );
            assert_eq!(
                told,
                [
                    ("c4", Some("interrupted")),
                    ("c3", Some("hung_up_there")),
                    ("c2", Some("not_answered")),
                    ("c1", Some("hung_up_here"))
                ],
                "version {version}"
            );
            assert_eq!(past[1].talk_seconds, 190);
            assert!(
                past[1].quality.is_some(),
                "its figures are still understood"
            );
            let missed = HistoryQuery {
                missed: true,
                ..HistoryQuery::default()
            };
            let page = store.history(missed).await.expect("an answer");
            let ids: Vec<&str> = page.calls.iter().map(|call| call.id.as_str()).collect();
            assert_eq!((ids, page.unseen), (vec!["c2"], 0), "version {version}");
            let search = HistoryQuery {
                search: Some("5550100".to_owned()),
                ..HistoryQuery::default()
            };
            assert_eq!(
                store.history(search).await.expect("an answer").calls.len(),
                4
            );
        }
    }

    #[test]
    fn the_dump_of_today_is_what_the_migrations_make() {
        let schema = |database: &Connection| -> Vec<String> {
            let mut query = database
                .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name")
                .expect("SQL");
            let rows = query
                .query_map([], |row| row.get::<_, String>(0))
                .expect("SQL");
            rows.map(|sql| {
                let sql = sql.expect("text");
                sql.split_whitespace().collect::<Vec<_>>().join(" ")
            })
            .collect()
        };
        let folder = tempfile::tempdir().expect("a folder");
        older(folder.path(), newest());
        let dumped = Connection::open(folder.path().join("offhook.db")).expect("there");
        let mut made = Connection::open_in_memory().expect("memory");
        run(&mut made, 0).expect("they run");
        assert_eq!(schema(&dumped), schema(&made));
    }
}

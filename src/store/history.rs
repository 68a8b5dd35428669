//! The history of calls: written as a call goes on, so that a crash loses none that is over.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, Row, params};

use super::{Keeper, NoAnswer, StoreHandle, likeness, list_of};
use crate::pure::book::fold::fold;
use crate::pure::book::history::{
    CallNote, HistoryEntry, HistoryLimits, HistoryPage, HistoryQuery, INTERRUPTED,
};
use crate::pure::call_report::PastCall;
use crate::pure::ids::{LegId, Party};
use crate::pure::time::rfc3339;

/// Legs of the last run that are ended at most.
const MOST_LEFT: u32 = 32;

/// Calls that [`StoreHandle::past_calls`] returns at most.
const PAST_CALLS: u32 = 100;

impl StoreHandle {
    /// Keeps how a call stands, with its numbers as they are: only the owner of the file can read them. Never waits. What
    /// was noted last of a call counts; once it is over, calls beyond the limits go.
    pub fn note_call(&self, note: CallNote) {
        self.write("a call", move |keeper| {
            note_call(keeper, &note)?;
            if note.call.end_reason.is_some() {
                prune(&keeper.connection, keeper.limits, SystemTime::now())?;
            }
            Ok(())
        });
    }

    /// Sets how long the history is, and forgets what goes beyond. Never waits.
    pub fn limit_history(&self, limits: HistoryLimits) {
        self.write("the limits of the history", move |keeper| {
            keeper.limits = limits;
            prune(&keeper.connection, limits, SystemTime::now())
        });
    }

    /// Returns the calls that are over, the newest first: 100 at most.
    ///
    /// # Errors
    /// [`NoAnswer`] where they cannot be read.
    pub async fn past_calls(&self) -> Result<Vec<PastCall>, NoAnswer> {
        self.ask(|keeper| past_calls(&keeper.connection)).await
    }

    /// Returns a page of the history, the newest call first; the query is one that was checked.
    ///
    /// # Errors
    /// [`NoAnswer`] where it cannot be read.
    pub async fn history(&self, query: HistoryQuery) -> Result<HistoryPage, NoAnswer> {
        self.ask(move |keeper| page(&keeper.connection, &query))
            .await
    }

    /// Returns how many missed calls there are that the person does not know of: the message-waiting sign.
    ///
    /// # Errors
    /// [`NoAnswer`] where they cannot be counted.
    pub async fn unseen_calls(&self) -> Result<u64, NoAnswer> {
        self.ask(|keeper| unseen(&keeper.connection)).await
    }

    /// Takes note that the person knows of a call, by our name for it or the carrier's, or of all; returns of how many
    /// that was said.
    ///
    /// # Errors
    /// [`NoAnswer`] where that cannot be kept.
    pub async fn see_calls(&self, call: Option<String>) -> Result<u64, NoAnswer> {
        self.ask(move |keeper| {
            let seen = keeper.connection.execute(
                "UPDATE history SET seen = 1 WHERE end_reason IS NOT NULL \
                 AND ((?1 IS NULL AND missed = 1 AND seen = 0) OR ((id = ?1 OR sid = ?1) AND ?1 <> ''))",
                params![call],
            )?;
            Ok(seen as u64)
        })
        .await
    }

    /// Forgets a call that is over, by our name for it or the carrier's, or all; returns how many.
    ///
    /// # Errors
    /// [`NoAnswer`] where they cannot be forgotten.
    pub async fn forget_calls(&self, call: Option<String>) -> Result<u64, NoAnswer> {
        self.ask(move |keeper| {
            let gone = keeper.connection.execute(
                "DELETE FROM history WHERE end_reason IS NOT NULL \
                 AND (?1 IS NULL OR ((id = ?1 OR sid = ?1) AND ?1 <> ''))",
                params![call],
            )?;
            // The log holds them still, until it is written anew.
            keeper
                .connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            Ok(gone as u64)
        })
        .await
    }
}

/// Returns the legs of the calls that were at the desk when the daemon went, the newest first: those that talked there, and
/// those that it dialled. Whoever talks elsewhere goes on without us, and whoever rang here was asked after by the carrier.
pub(super) fn left_at_desk(connection: &Connection) -> rusqlite::Result<Vec<LegId>> {
    let mut query = connection.prepare(
        "SELECT sid FROM history WHERE end_reason IS NULL AND sid <> '' AND (place = 'desk' \
         OR (answered IS NULL AND direction = 'outgoing' AND caller NOT LIKE 'client:%')) \
         ORDER BY began DESC LIMIT ?1",
    )?;
    let legs = query.query_map(params![MOST_LEFT], |row| {
        Ok(LegId::new(row.get::<_, String>(0)?))
    })?;
    legs.collect()
}

/// Closes the calls that were going on when the daemon went, at the moment of which the last was heard of them.
pub(super) fn close_interrupted(connection: &Connection) -> rusqlite::Result<usize> {
    connection.execute(
        "UPDATE history SET end_reason = ?1, ended = noted, missed = direction = 'incoming' AND answered IS NULL \
         WHERE end_reason IS NULL",
        params![INTERRUPTED],
    )
}

fn note_call(keeper: &Keeper, note: &CallNote) -> rusqlite::Result<()> {
    let call = &note.call;
    let other_side = match call.direction.as_str() {
        "incoming" => &call.from,
        _ => &call.to,
    };
    let known = keeper.known.borrow();
    let name = known
        .book
        .find(&Party::parse(other_side))
        .map(|card| card.name.as_str());
    let find = fold(&format!(
        "{} {} {}",
        name.unwrap_or_default(),
        call.from,
        call.to
    ));
    let quality = call
        .quality
        .as_ref()
        .and_then(|quality| serde_json::to_string(quality).ok());
    // The name is that of the time when it began.
    keeper
        .connection
        .prepare_cached(
            "INSERT INTO history (id, sid, direction, caller, called, name, began, answered, ended, talk_seconds, \
             end_reason, place, missed, seen, noted, quality, find) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, ?14, ?15, ?16) \
             ON CONFLICT (id) DO UPDATE SET sid = ?2, answered = ?8, ended = ?9, talk_seconds = ?10, end_reason = ?11, \
             place = ?12, missed = ?13, noted = ?14, quality = ?15",
        )?
        .execute(params![
            call.id,
            call.sid,
            call.direction,
            call.from,
            call.to,
            name,
            call.began,
            note.answered,
            note.ended,
            i64::try_from(call.talk_seconds).unwrap_or(i64::MAX),
            call.end_reason,
            note.place,
            note.is_missed(),
            note.noted,
            quality,
            find
        ])?;
    Ok(())
}

/// Forgets what goes beyond the limits; never a call that goes on.
fn prune(connection: &Connection, limits: HistoryLimits, now: SystemTime) -> rusqlite::Result<()> {
    let age = Duration::from_secs(u64::from(limits.days) * 86_400);
    let oldest = now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
    connection.execute(
        "DELETE FROM history WHERE began < ?1 AND end_reason IS NOT NULL",
        params![rfc3339(oldest)],
    )?;
    connection.execute(
        "DELETE FROM history WHERE n <= (SELECT n FROM history ORDER BY n DESC LIMIT 1 OFFSET ?1) \
         AND end_reason IS NOT NULL",
        params![limits.calls],
    )?;
    Ok(())
}

fn past_calls(connection: &Connection) -> rusqlite::Result<Vec<PastCall>> {
    let mut query = connection.prepare(
        "SELECT id, sid, direction, caller, called, began, talk_seconds, end_reason, quality FROM history \
         WHERE end_reason IS NOT NULL ORDER BY n DESC LIMIT ?1",
    )?;
    let rows = query.query_map(params![PAST_CALLS], |row| {
        Ok(PastCall {
            id: row.get(0)?,
            sid: row.get(1)?,
            direction: row.get(2)?,
            from: row.get(3)?,
            to: row.get(4)?,
            began: row.get(5)?,
            talk_seconds: u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
            end_reason: row.get(7)?,
            quality: figures(row.get(8)?),
        })
    })?;
    rows.collect()
}

/// Reads figures; those of another version that we do not understand are left out, the call is not.
fn figures<T: serde::de::DeserializeOwned>(text: Option<String>) -> Option<T> {
    text.and_then(|text| serde_json::from_str(&text).ok())
}

fn unseen(connection: &Connection) -> rusqlite::Result<u64> {
    let count: i64 = connection.query_row(
        "SELECT COUNT(*) FROM history WHERE missed = 1 AND seen = 0",
        [],
        |row| row.get(0),
    )?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn page(connection: &Connection, wanted: &HistoryQuery) -> rusqlite::Result<HistoryPage> {
    let limit = wanted.page();
    // A moment is before everything that begins with it and goes on.
    let to = wanted.to.as_ref().map(|to| format!("{to}~"));
    let mut query = connection.prepare_cached(
        "SELECT n, id, sid, direction, caller, called, name, began, answered, ended, talk_seconds, end_reason, place, \
         missed, seen, quality, \
         (SELECT json_group_array(file) FROM recording WHERE call = history.id AND kind = 'recording'), \
         (SELECT json_group_array(file) FROM recording WHERE call = history.id AND kind = 'voicemail') \
         FROM history WHERE (?1 IS NULL OR n < ?1) AND (?2 IS NULL OR find LIKE ?2 ESCAPE '\\') \
         AND (?3 IS NULL OR began >= ?3) AND (?4 IS NULL OR began < ?4) AND (?5 IS NULL OR direction = ?5) \
         AND (?6 = 0 OR missed = 1) AND (?7 = 0 OR (missed = 1 AND seen = 0)) ORDER BY n DESC LIMIT ?8",
    )?;
    let rows = query.query_map(
        params![
            wanted.before,
            wanted.search.as_deref().map(likeness),
            wanted.from,
            to,
            wanted.direction,
            wanted.missed,
            wanted.unseen,
            i64::from(limit) + 1
        ],
        |row| Ok((row.get::<_, i64>(0)?, entry(row)?)),
    )?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().map(|(n, _)| *n).filter(|_| more);
    Ok(HistoryPage {
        calls: rows.into_iter().map(|(_, entry)| entry).collect(),
        unseen: unseen(connection)?,
        next,
    })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<HistoryEntry> {
    Ok(HistoryEntry {
        id: row.get(1)?,
        sid: row.get(2)?,
        direction: row.get(3)?,
        from: row.get(4)?,
        to: row.get(5)?,
        name: row.get(6)?,
        began: row.get(7)?,
        answered: row.get(8)?,
        ended: row.get(9)?,
        talk_seconds: u64::try_from(row.get::<_, i64>(10)?).unwrap_or(0),
        end_reason: row.get(11)?,
        place: row.get(12)?,
        missed: row.get(13)?,
        seen: row.get(14)?,
        quality: figures(row.get(15)?),
        recordings: list_of(&row.get::<_, String>(16)?),
        voicemails: list_of(&row.get::<_, String>(17)?),
    })
}

#[cfg(test)]
mod tests;

//! The history through a real file: what is told is kept, also where the daemon goes without a word.

use std::path::Path;
use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;
use crate::pure::book::contact::{ContactDraft, ContactNumber};
use crate::pure::book::recording::{Recording, RecordingKind};
use crate::pure::quality::CallQuality;

fn at(second: u64) -> String {
    rfc3339(UNIX_EPOCH + Duration::from_secs(1_767_225_600 + second))
}

fn past(n: u64) -> PastCall {
    PastCall {
        id: format!("c{n}"),
        sid: format!("CA{n}"),
        direction: "incoming".to_owned(),
        from: "+15145550100".to_owned(),
        to: "+15145550199".to_owned(),
        began: at(n),
        talk_seconds: n,
        end_reason: Some("hung_up_here".to_owned()),
        quality: n.is_multiple_of(3).then(CallQuality::default),
    }
}

fn over(n: u64) -> CallNote {
    CallNote {
        call: past(n),
        answered: Some(at(n + 1)),
        ended: Some(at(n + 2)),
        place: Some("desk".to_owned()),
        noted: at(n + 2),
    }
}

fn missed(n: u64) -> CallNote {
    let mut note = over(n);
    note.call.end_reason = Some("not_answered".to_owned());
    note.call.talk_seconds = 0;
    note.answered = None;
    note.place = None;
    note
}

/// Limits that no call of these tests is old enough for.
const FOR_EVER: HistoryLimits = HistoryLimits {
    days: 36_500,
    calls: 10_000,
};

fn opened(folder: &Path) -> StoreHandle {
    let store = StoreHandle::open(folder).expect("it opens");
    store.limit_history(FOR_EVER);
    store
}

async fn found(store: &StoreHandle, query: HistoryQuery) -> Vec<String> {
    let page = store.history(query).await.expect("an answer");
    page.calls.into_iter().map(|call| call.id).collect()
}

#[tokio::test]
async fn the_last_calls_survive_a_restart_the_newest_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path());
    assert_eq!(store.past_calls().await, Ok(Vec::new()));
    for n in 0..120 {
        store.note_call(over(n));
    }
    // Told twice, it is still one call, and in its place.
    store.note_call(over(60));
    store.flush().await;
    drop(store);
    let store = opened(folder.path());
    let expected: Vec<PastCall> = (20..120).rev().map(past).collect();
    assert_eq!(store.past_calls().await, Ok(expected));
}

#[tokio::test]
async fn a_call_is_there_from_its_first_ring_and_knows_more_with_each_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path());
    let mut note = missed(1);
    note.call.end_reason = None;
    note.ended = None;
    store.note_call(note.clone());
    let page = store
        .history(HistoryQuery::default())
        .await
        .expect("an answer");
    let call = &page.calls[0];
    assert_eq!(
        (call.ended.as_deref(), call.end_reason.as_deref()),
        (None, None)
    );
    assert!(!call.missed && page.unseen == 0, "it may be answered yet");
    assert_eq!(store.past_calls().await, Ok(Vec::new()), "it is not over");
    note.answered = Some(at(5));
    note.place = Some("browser".to_owned());
    store.note_call(note.clone());
    note.call.talk_seconds = 60;
    note.call.end_reason = Some("hung_up_there".to_owned());
    note.ended = Some(at(65));
    store.note_call(note.clone());
    let page = store
        .history(HistoryQuery::default())
        .await
        .expect("an answer");
    let call = &page.calls[0];
    assert_eq!(page.calls.len(), 1);
    assert_eq!(call.answered, note.answered);
    assert_eq!(call.ended, note.ended);
    assert_eq!(
        (call.place.as_deref(), call.talk_seconds),
        (Some("browser"), 60)
    );
    assert_eq!(store.past_calls().await, Ok(vec![note.call]));
}

#[tokio::test]
async fn a_call_that_a_crash_broke_off_is_closed_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path());
    store.note_call(over(1));
    let mut talked = over(2);
    talked.call.end_reason = None;
    talked.ended = None;
    talked.noted = at(30);
    let mut rang = missed(3);
    rang.call.end_reason = None;
    rang.ended = None;
    store.note_call(talked);
    store.note_call(rang);
    store.flush().await;
    // Another process would see just this: the file as it is, with its log.
    let crashed = tempfile::tempdir().expect("a folder");
    for suffix in ["", "-wal"] {
        let name = format!("offhook.db{suffix}");
        std::fs::copy(folder.path().join(&name), crashed.path().join(&name)).expect("copied");
    }
    let store = opened(crashed.path());
    let page = store
        .history(HistoryQuery::default())
        .await
        .expect("an answer");
    let told: Vec<(&str, Option<&str>, Option<&str>, bool)> = page
        .calls
        .iter()
        .map(|call| {
            (
                call.id.as_str(),
                call.end_reason.as_deref(),
                call.ended.as_deref(),
                call.missed,
            )
        })
        .collect();
    let (talked_until, rang_until, over_at) = (at(30), at(5), at(3));
    assert_eq!(
        told,
        [
            ("c3", Some(INTERRUPTED), Some(rang_until.as_str()), true),
            ("c2", Some(INTERRUPTED), Some(talked_until.as_str()), false),
            ("c1", Some("hung_up_here"), Some(over_at.as_str()), false),
        ]
    );
    assert_eq!(page.unseen, 1);
}

#[tokio::test]
async fn missed_calls_are_a_list_of_their_own_until_they_are_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path());
    for n in 0..6 {
        store.note_call(if n % 2 == 0 { over(n) } else { missed(n) });
    }
    let missed_calls = || HistoryQuery {
        missed: true,
        ..HistoryQuery::default()
    };
    let unseen = || HistoryQuery {
        unseen: true,
        ..HistoryQuery::default()
    };
    assert_eq!(found(&store, missed_calls()).await, ["c5", "c3", "c1"]);
    assert_eq!(store.unseen_calls().await, Ok(3));
    assert_eq!(store.see_calls(Some("CA3".to_owned())).await, Ok(1));
    assert_eq!(store.see_calls(Some("nobody".to_owned())).await, Ok(0));
    assert_eq!(store.see_calls(Some(String::new())).await, Ok(0));
    assert_eq!(found(&store, unseen()).await, ["c5", "c1"]);
    // What is told again of a call does not make it unknown again.
    store.note_call(missed(3));
    assert_eq!(store.unseen_calls().await, Ok(2));
    store.see_calls(None).await.expect("kept");
    assert_eq!(store.unseen_calls().await, Ok(0));
    assert_eq!(found(&store, missed_calls()).await.len(), 3);
}

#[tokio::test]
async fn calls_are_found_by_name_number_period_and_direction_and_come_in_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path());
    let anna = ContactDraft {
        name: "Hélène".to_owned(),
        numbers: vec![ContactNumber {
            label: String::new(),
            number: "+442079460018".to_owned(),
        }],
        ..ContactDraft::default()
    };
    let contact = store.add_contact(anna).await.expect("kept");
    for n in 0..7 {
        store.note_call(over(n));
    }
    let mut outgoing = over(7);
    outgoing.call.direction = "outgoing".to_owned();
    outgoing.call.to = "+442079460018".to_owned();
    store.note_call(outgoing);
    // The name is that of the time.
    assert_eq!(store.remove_contact(contact.id).await, Ok(true));
    let search = |text: &str| HistoryQuery {
        search: Some(text.to_owned()),
        ..HistoryQuery::default()
    };
    assert_eq!(found(&store, search("helene")).await, ["c7"]);
    assert_eq!(found(&store, search("20 7946")).await, ["c7"]);
    assert_eq!(found(&store, search("%")).await, [""; 0]);
    let period = |from: Option<&str>, to: Option<&str>| HistoryQuery {
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
        ..HistoryQuery::default()
    };
    assert_eq!(
        found(&store, period(Some(&at(6)), None)).await,
        ["c7", "c6"]
    );
    assert_eq!(
        found(&store, period(None, Some(&at(1)))).await,
        ["c1", "c0"]
    );
    assert_eq!(
        found(&store, period(Some("2026-01-01"), Some("2026-01")))
            .await
            .len(),
        8
    );
    assert_eq!(found(&store, period(Some("2027"), None)).await, [""; 0]);
    let outgoing = HistoryQuery {
        direction: Some("outgoing".to_owned()),
        ..HistoryQuery::default()
    };
    assert_eq!(found(&store, outgoing).await, ["c7"]);
    let mut before = None;
    let mut seen = Vec::new();
    loop {
        let query = HistoryQuery {
            limit: Some(3),
            before,
            ..HistoryQuery::default()
        };
        let page = store.history(query).await.expect("an answer");
        assert!(page.calls.len() <= 3);
        seen.extend(page.calls.into_iter().map(|call| call.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["c7", "c6", "c5", "c4", "c3", "c2", "c1", "c0"]);
}

#[tokio::test]
async fn recordings_and_messages_are_named_with_their_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path());
    store.note_call(over(1));
    for (file, kind) in [
        ("a.opus", RecordingKind::Recording),
        ("b.opus", RecordingKind::Voicemail),
    ] {
        store.keep_recording(Recording {
            file: file.to_owned(),
            kind,
            call: Some("c1".to_owned()),
            from: "+15145550100".to_owned(),
            began: at(1),
            seconds: 3,
            bytes: 100,
            seen: false,
        });
    }
    let page = store
        .history(HistoryQuery::default())
        .await
        .expect("an answer");
    assert_eq!(page.calls[0].recordings, ["a.opus"]);
    assert_eq!(page.calls[0].voicemails, ["b.opus"]);
}

#[tokio::test]
async fn what_is_beyond_the_limits_goes_but_never_a_call_that_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path());
    let mut going_on = over(0);
    going_on.call.end_reason = None;
    store.note_call(going_on);
    for n in 1..10 {
        store.note_call(over(n));
    }
    store.limit_history(HistoryLimits {
        calls: 3,
        ..FOR_EVER
    });
    let all = HistoryQuery::default;
    assert_eq!(found(&store, all()).await, ["c9", "c8", "c7", "c0"]);
    store.note_call(over(10));
    assert_eq!(found(&store, all()).await, ["c10", "c9", "c8", "c0"]);
    store
        .ask(|keeper| {
            let limits = HistoryLimits {
                days: 2,
                calls: 100,
            };
            let day = Duration::from_secs(86_400);
            let began = UNIX_EPOCH + Duration::from_secs(1_767_225_600 + 9);
            prune(&keeper.connection, limits, began + 2 * day)
        })
        .await
        .expect("done");
    assert_eq!(found(&store, all()).await, ["c10", "c9", "c0"]);
}

#[tokio::test]
async fn what_is_forgotten_is_not_in_the_file_any_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path());
    for n in 1_000..1_150 {
        store.note_call(over(n));
    }
    assert_eq!(store.forget_calls(Some("CA1149".to_owned())).await, Ok(1));
    assert_eq!(store.forget_calls(Some("CA1149".to_owned())).await, Ok(0));
    let holds = |n: u64| {
        let sid = format!("CA{n}");
        ["", "-wal"].iter().any(|suffix| {
            let file = std::fs::read(folder.path().join(format!("offhook.db{suffix}")));
            file.is_ok_and(|file| file.windows(sid.len()).any(|bytes| bytes == sid.as_bytes()))
        })
    };
    assert!(holds(1_000) && !holds(1_149));
    assert_eq!(store.forget_calls(None).await, Ok(149));
    assert!(!(1_000..1_150).any(holds));
}

/// One thing that is told.
#[derive(Clone, Debug)]
enum Told {
    Rings(u64),
    Over(u64),
    Seen(u64),
    Forgotten(u64),
}

fn anything_told() -> impl Strategy<Value = Told> {
    (0..4_u8, 0..6_u64).prop_map(|(what, n)| match what {
        0 => Told::Rings(n),
        1 => Told::Over(n),
        2 => Told::Seen(n),
        _ => Told::Forgotten(n),
    })
}

/// What should be kept: for each call whether it is over and seen.
fn expected(told: &[Told]) -> Vec<(String, bool, bool)> {
    let mut kept: Vec<(u64, bool, bool)> = Vec::new();
    for one in told {
        match one {
            Told::Rings(n) | Told::Over(n) => {
                let is_over = matches!(one, Told::Over(_));
                match kept.iter_mut().find(|(known, ..)| known == n) {
                    Some(known) => known.1 = is_over,
                    None => kept.push((*n, is_over, false)),
                }
            }
            Told::Seen(n) => {
                // Of one that goes on nobody knows yet whether it will be missed.
                for known in kept
                    .iter_mut()
                    .filter(|(known, is_over, _)| known == n && *is_over)
                {
                    known.2 = true;
                }
            }
            Told::Forgotten(n) => kept.retain(|(known, is_over, _)| known != n || !is_over),
        }
    }
    let named = |(n, is_over, seen)| (format!("c{n}"), is_over, seen);
    kept.into_iter().rev().map(named).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_was_told_before_a_kill_is_kept(told in proptest::collection::vec(anything_told(), 0..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let store = opened(folder.path());
            for one in &told {
                match one {
                    Told::Rings(n) => {
                        let mut note = missed(*n);
                        note.call.end_reason = None;
                        note.ended = None;
                        store.note_call(note);
                    }
                    Told::Over(n) => store.note_call(missed(*n)),
                    Told::Seen(n) => assert!(store.see_calls(Some(format!("c{n}"))).await.is_ok()),
                    Told::Forgotten(n) => assert!(store.forget_calls(Some(format!("c{n}"))).await.is_ok()),
                }
            }
            store.flush().await;
            // The file as it lies there while the daemon still has it open: what a kill leaves.
            let killed = tempfile::tempdir().expect("a folder");
            for suffix in ["", "-wal"] {
                let name = format!("offhook.db{suffix}");
                std::fs::copy(folder.path().join(&name), killed.path().join(&name)).expect("copied");
            }
            let before = expected(&told);
            let store = opened(killed.path());
            let page = store.history(HistoryQuery::default()).await.expect("an answer");
            let kept: Vec<(String, bool, bool)> = page
                .calls
                .iter()
                .map(|call| (call.id.clone(), call.end_reason.as_deref() != Some(INTERRUPTED), call.seen))
                .collect();
            assert_eq!(kept, before);
            assert!(page.calls.iter().all(|call| call.end_reason.is_some() && call.missed));
        });
    }
}

#[tokio::test]
async fn the_legs_that_were_left_at_the_desk_are_told_once_to_the_next_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path());
    let going_on = |n, place: Option<&str>, direction: &str, from: &str| {
        let mut note = over(n);
        (note.call.end_reason, note.ended) = (None, None);
        note.place = place.map(str::to_owned);
        note.answered = place.map(|_| at(n + 1));
        note.call.direction = direction.to_owned();
        note.call.from = from.to_owned();
        note
    };
    let (own, other) = ("+15145550199", "+15145550100");
    store.note_call(over(1));
    store.note_call(going_on(2, Some("desk"), "incoming", other));
    store.note_call(going_on(3, Some("browser"), "incoming", other));
    store.note_call(going_on(4, None, "incoming", other));
    store.note_call(going_on(5, None, "outgoing", own));
    store.note_call(going_on(6, None, "outgoing", "client:kitchen"));
    let mut unnamed = going_on(7, None, "outgoing", own);
    unnamed.call.sid = String::new();
    store.note_call(unnamed);
    assert_eq!(store.take_left().await, Ok(Vec::new()), "nobody has gone");
    drop(store);
    let next = opened(folder.path());
    let legs = ["CA5", "CA2"].map(LegId::new).to_vec();
    assert_eq!(next.take_left().await, Ok(legs));
    assert_eq!(next.take_left().await, Ok(Vec::new()));
    drop(next);
    assert_eq!(opened(folder.path()).take_left().await, Ok(Vec::new()));
}

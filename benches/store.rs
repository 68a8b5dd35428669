//! How long one write of the history takes: to hand it over (`store_hand_over`), which is all that a call ever waits for,
//! and until it is on the disk (`store_write`), for which only somebody who flushes waits.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use offhook::pure::book::history::CallNote;
use offhook::pure::call_report::PastCall;
use offhook::pure::quality::CallQuality;
use offhook::store::StoreHandle;

fn note(n: u64) -> CallNote {
    CallNote {
        call: PastCall {
            id: format!("c{n}"),
            sid: format!("CA{n:032}"),
            direction: "incoming".to_owned(),
            from: "+15145550100".to_owned(),
            to: "+15145550199".to_owned(),
            began: "2026-01-01T00:00:00Z".to_owned(),
            talk_seconds: 190,
            end_reason: None,
            quality: Some(CallQuality::default()),
        },
        answered: Some("2026-01-01T00:00:05Z".to_owned()),
        ended: None,
        place: Some("desk".to_owned()),
        noted: "2026-01-01T00:03:15Z".to_owned(),
    }
}

fn write(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let store = StoreHandle::open(folder.path()).expect("it opens");
    let mut n = 0;
    c.bench_function("store_write", |b| {
        b.iter(|| {
            n += 1;
            store.note_call(black_box(note(n % 10_000)));
            runtime.block_on(store.flush());
        });
    });
    c.bench_function("store_hand_over", |b| {
        b.iter_custom(|times| {
            let mut spent = std::time::Duration::ZERO;
            for _ in 0..times {
                n += 1;
                let told = note(n % 10_000);
                let begun = std::time::Instant::now();
                store.note_call(black_box(told));
                spent += begun.elapsed();
                // Room for the next, which is not measured.
                runtime.block_on(store.flush());
            }
            spent
        });
    });
}

criterion_group!(benches, write);
criterion_main!(benches);

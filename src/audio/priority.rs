//! Real-time priority for the threads that carry sound, where the system grants it.

use std::sync::Once;

use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Above ordinary programs, below the sound server itself, which runs at 20 or so.
const PRIORITY: u8 = 15;

/// Asks that the calling thread be scheduled before ordinary ones; says once, in the log, when that is refused.
pub(super) fn ask_for_real_time(thread: &str) {
    if !raise() {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            tracing::info!(
                thread,
                "no real-time priority for sound: under load it may stutter; `ulimit -r 20`, or LimitRTPRIO=20 in a service, grants it"
            );
        });
    }
}

/// Asks the same, and says nothing: for a callback's first run.
pub(super) fn raise() -> bool {
    let Ok(value) = ThreadPriorityValue::try_from(PRIORITY) else {
        return false;
    };
    set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(value),
        ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin),
    )
    .is_ok()
}

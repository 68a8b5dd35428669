//! The calls that go on, and those that are over.

use std::time::{Duration, SystemTime};

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::super::model::{Model, goes_on, talks};
use super::{Theme, clean, is_narrow, parted};
use crate::cli::status::{state_word, word};
use crate::control::CallReport;
use crate::lang::tui::Tui;
use crate::lang::{Lang, Message, clock};
use crate::pure::book::history::HistoryEntry;
use crate::pure::time::read_rfc3339;

/// Draws every call on a line; the one that the keys are for has a mark. The newest are kept where not all fit.
pub(super) fn live(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let calls = model.calls();
    if calls.is_empty() {
        let none = Message::NoCalls.text(model.lang);
        frame.render_widget(Span::styled(none, theme.faint()), area);
        return;
    }
    let meant = model.meant().map(|call| call.id.as_str());
    let room = usize::from(area.height);
    // What is over leaves first, then the oldest.
    let mut shown: Vec<&CallReport> = calls.iter().collect();
    while shown.len() > room {
        let over = shown.iter().position(|call| !goes_on(call));
        let other = shown
            .iter()
            .position(|call| Some(call.id.as_str()) != meant);
        shown.remove(over.or(other).unwrap_or_default());
    }
    for (call, place) in shown.into_iter().zip(area.rows()) {
        let is_meant = meant == Some(call.id.as_str());
        one(model, theme, frame, place, call, is_meant);
    }
}

fn one(
    model: &Model,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
    call: &CallReport,
    is_meant: bool,
) {
    let lang = model.lang;
    let style = if !goes_on(call) {
        theme.faint()
    } else if talks(call) {
        theme.good()
    } else {
        theme.waits()
    };
    let style = if is_meant {
        style.add_modifier(Modifier::BOLD)
    } else {
        style
    };
    let mark = if is_meant { "▶ " } else { "  " };
    let arrow = arrow(&call.direction);
    let state = if call.held {
        Message::Held.text(lang)
    } else {
        state_word(&call.state, lang)
    };
    let narrow = is_narrow(area);
    let name = model.name_of(&call.id);
    let who = party(&call.direction, &call.from, &call.to, name, narrow);
    let mut left = vec![Span::styled(format!("{mark}{arrow} "), style)];
    let mut right = Vec::new();
    if !narrow {
        left.push(Span::styled(format!("{state:<11} "), style));
    } else if goes_on(call) && !talks(call) {
        right.push(Span::styled(format!("{state} "), style));
    }
    left.push(Span::raw(who));
    for (is_so, message, sign) in [
        (call.merged, Message::Merged, "&"),
        (call.muted, Message::Muted, "×"),
        (call.recording, Message::Recording, "●"),
    ] {
        if is_so && goes_on(call) {
            let text = if narrow {
                sign.to_owned()
            } else {
                message.text(lang)
            };
            right.push(Span::styled(text, theme.bad()));
            right.push(Span::raw(" "));
        }
    }
    let place = call
        .place
        .as_ref()
        .filter(|place| !narrow || *place != "desk");
    for more in [place, call.end_reason.as_ref()].into_iter().flatten() {
        right.push(Span::styled(clean(&word(more, lang)), Style::new()));
        right.push(Span::raw(" "));
    }
    if goes_on(call) {
        right.push(Span::raw(running(&call.since, model.now)));
    }
    parted(Line::from(left), Line::from(right), frame, area);
}

/// Draws the calls that are over, the newest first.
pub(super) fn past(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    for (entry, place) in model.past().zip(area.rows()) {
        past_one(model, theme, frame, place, entry);
    }
}

fn past_one(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect, entry: &HistoryEntry) {
    let lang = model.lang;
    let style = if entry.missed && !entry.seen {
        theme.strong()
    } else {
        Style::new()
    };
    let who = party(
        &entry.direction,
        &entry.from,
        &entry.to,
        entry.name.as_deref(),
        is_narrow(area),
    );
    let left = Line::styled(format!("{} {who}", arrow(&entry.direction)), style);
    let mut right = Vec::new();
    if entry.missed {
        right.push(Span::styled(Tui::MissedMark.text(lang), theme.bad()));
    } else if entry.talk_seconds > 0 {
        let talked = clock(Duration::from_secs(entry.talk_seconds));
        right.push(Span::raw(talked));
    } else if let Some(reason) = &entry.end_reason {
        right.push(Span::raw(clean(&word(reason, lang))));
    }
    let age = format!("  {}", age(&entry.began, model.now, lang));
    right.push(Span::styled(age, theme.faint()));
    parted(left, Line::from(right), frame, area);
}

fn arrow(direction: &str) -> &'static str {
    if direction == "outgoing" {
        "→"
    } else {
        "←"
    }
}

/// Says who the other side is: by name and number where both are known, and there is room for both.
fn party(direction: &str, from: &str, to: &str, name: Option<&str>, is_narrow: bool) -> String {
    let number = if direction == "outgoing" { to } else { from };
    match name {
        Some(name) if is_narrow => clean(name),
        Some(name) => format!("{}  {}", clean(name), clean(number)),
        None => clean(number),
    }
}

/// Says for how long something has been so.
fn running(since: &str, now: SystemTime) -> String {
    let since = read_rfc3339(since).and_then(|since| now.duration_since(since).ok());
    clock(since.unwrap_or_default())
}

/// Says how long ago something began.
fn age(began: &str, now: SystemTime, lang: Lang) -> String {
    let Some(began) = read_rfc3339(began) else {
        return String::new();
    };
    let minutes = now.duration_since(began).unwrap_or_default().as_secs() / 60;
    match minutes {
        0 => Tui::JustNow,
        1..60 => Tui::Minutes(minutes),
        60..1_440 => Tui::Hours(minutes / 60),
        _ => Tui::Days(minutes / 1_440),
    }
    .text(lang)
}

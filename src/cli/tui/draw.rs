//! The screen, drawn from a [`Model`] and nothing else.
//!
//! Where there is room each matter has a frame of its own; down to 40 columns and 12 lines they stand one below the other.
//! What is smaller still shows what fits.

mod calls;
mod gauges;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};

use super::model::{Model, Purpose};
use crate::control::Device;
use crate::lang::clock;
use crate::lang::tui::{HelpKey, Tui};

/// From so many columns and lines on each matter has a frame.
const ROOMY: (u16, u16) = (60, 20);

/// How things look: with colours or without. What matters is told by words and signs too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Theme {
    /// Whether there are colours.
    pub(super) colour: bool,
}

impl Theme {
    fn in_colour(self, colour: Color) -> Style {
        if self.colour {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    fn good(self) -> Style {
        self.in_colour(Color::Green)
    }

    fn waits(self) -> Style {
        self.in_colour(Color::Yellow)
    }

    fn bad(self) -> Style {
        self.in_colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
}

/// Draws the whole screen.
pub(super) fn render(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    if let Some(from) = model.help {
        help(model, from, theme, frame, area);
    } else if area.width >= ROOMY.0 && area.height >= ROOMY.1 {
        roomy(model, theme, frame, area);
    } else {
        narrow(model, theme, frame, area);
    }
}

/// A frame for each matter.
fn roomy(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    // Title, devices, sound, number, two lines at the bottom, a frame with one call of the history.
    let others = 1 + 1 + 6 + 3 + 2 + 3;
    let calls = count(model.calls().len().max(1)) + 2;
    let most = area.height.saturating_sub(others).max(3);
    let [title, devices, calls, figures, number, history, line, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(calls.min(most)),
        Constraint::Length(6),
        Constraint::Length(3),
        Constraint::Min(3),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    heading(model, theme, frame, title);
    self::devices(model, theme, frame, devices);
    let inside = framed(&Tui::Calls.text(model.lang), frame, calls);
    calls::live(model, theme, frame, inside);
    let [sound, quality] =
        Layout::horizontal([Constraint::Percentage(45), Constraint::Fill(1)]).areas(figures);
    let inside = framed(&Tui::Sound.text(model.lang), frame, sound);
    gauges::sound(model, theme, frame, inside);
    let inside = framed(&Tui::Quality.text(model.lang), frame, quality);
    gauges::quality(model, theme, frame, inside);
    let inside = framed(&field_name(model), frame, number);
    field(model, theme, frame, inside);
    let inside = framed(&history_name(model), frame, history);
    calls::past(model, theme, frame, inside);
    self::line(model, theme, frame, line);
    self::keys(model, theme, frame, keys);
}

/// One below the other, without frames.
fn narrow(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let figures = u16::from(model.talking().is_some()) * 3;
    let others = 1 + figures + 1 + 1 + 1;
    let calls = count(model.calls().len().max(1));
    let most = area.height.saturating_sub(others).max(1);
    let [title, calls, figures, number, history, line, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(calls.min(most)),
        Constraint::Length(figures),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    heading(model, theme, frame, title);
    calls::live(model, theme, frame, calls);
    gauges::short(model, theme, frame, figures);
    let name = format!("{}  ", field_name(model));
    let width = count(name.chars().count()).min(number.width);
    let [label, typed] =
        Layout::horizontal([Constraint::Length(width), Constraint::Fill(1)]).areas(number);
    frame.render_widget(Span::styled(name, theme.strong()), label);
    field(model, theme, frame, typed);
    calls::past(model, theme, frame, history);
    self::line(model, theme, frame, line);
    self::keys(model, theme, frame, keys);
}

/// The name of the program, its line, whether it may be disturbed, and for how long it has been up.
fn heading(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let mut left = vec![Span::styled("Offhook", theme.strong())];
    let mut right = Vec::new();
    if let Some(status) = &model.status {
        if let Some(number) = &status.number {
            left.push(Span::raw(format!("  {number}")));
        }
        if status.do_not_disturb {
            left.push(Span::styled(
                format!("  {}", Tui::NotDisturbed.text(model.lang)),
                theme.waits().add_modifier(Modifier::REVERSED),
            ));
        }
        if !is_narrow(area) {
            let up = clock(std::time::Duration::from_secs(status.uptime_seconds));
            right.push(Span::styled(Tui::Up(&up).text(model.lang), theme.faint()));
        }
    }
    parted(Line::from(left), Line::from(right), frame, area);
}

/// The devices: a full dot for one that works.
fn devices(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let Some(status) = &model.status else {
        return;
    };
    let third = Constraint::Ratio(1, 3);
    let places: [Rect; 3] = Layout::horizontal([third; 3]).spacing(1).areas(area);
    let devices = &status.devices;
    let named: [(Tui<'_>, &Device); 3] = [
        (Tui::Microphone, &devices.capture),
        (Tui::Speaker, &devices.playout),
        (Tui::Bell, &devices.ringer),
    ];
    for ((name, device), place) in named.into_iter().zip(places) {
        let (dot, style) = if device.works {
            ("●", theme.good())
        } else {
            ("○", theme.bad())
        };
        let line = Line::from(vec![
            Span::styled(dot, style),
            Span::raw(format!(" {} ", name.text(model.lang))),
            Span::styled(clean(&device.detail), theme.faint()),
        ]);
        frame.render_widget(line, place);
    }
}

fn field_name(model: &Model) -> String {
    match model.purpose {
        Purpose::Dial => Tui::Number,
        Purpose::Further => Tui::FurtherNumber,
        Purpose::Transfer { .. } => Tui::TransferNumber,
    }
    .text(model.lang)
}

fn history_name(model: &Model) -> String {
    let name = Tui::History.text(model.lang);
    match model.unseen {
        0 => name,
        count => format!("{name} ({})", Tui::Missed(count).text(model.lang)),
    }
}

/// What is typed, its end in view, and a cursor.
fn field(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let text = clean(&model.field);
    let room = usize::from(area.width).saturating_sub(1);
    let surplus = text.chars().count().saturating_sub(room);
    let shown: String = text.chars().skip(surplus).collect();
    let line = Line::from(vec![
        Span::styled(shown, theme.strong()),
        Span::styled(" ", Style::new().add_modifier(Modifier::REVERSED)),
    ]);
    frame.render_widget(line, area);
}

/// What there is to tell.
fn line(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    if let Some((text, is_trouble)) = model.line() {
        let style = if is_trouble {
            theme.bad()
        } else {
            theme.faint()
        };
        frame.render_widget(Span::styled(clean(&text), style), area);
    }
}

/// The keys that are of use now.
fn keys(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let keys = match model.purpose {
        Purpose::Further => Tui::KeysFurther,
        Purpose::Transfer { .. } => Tui::KeysTransfer,
        Purpose::Dial => match model.meant() {
            Some(call) if call.state == "ringing" => Tui::KeysRinging,
            Some(_) => Tui::KeysTalking,
            None => Tui::KeysIdle,
        },
    };
    frame.render_widget(Span::styled(keys.text(model.lang), theme.faint()), area);
}

/// Every key and what it does; where they do not fit, from the line on to which a person has gone down.
fn help(model: &Model, from: u16, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let rows = HelpKey::ALL.map(|key| {
        Line::from(vec![
            Span::styled(format!("{:<9} ", key.cap(model.lang)), theme.strong()),
            Span::raw(Tui::Key(key).text(model.lang)),
        ])
    });
    let [block, keys] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    let closes = Tui::KeysHelp.text(model.lang);
    frame.render_widget(Span::styled(closes, theme.faint()), keys);
    let inside = if usize::from(block.height) >= rows.len() + 2 {
        framed(&Tui::Help.text(model.lang), frame, block)
    } else {
        block
    };
    let text = Paragraph::new(rows.to_vec()).wrap(Wrap { trim: false });
    frame.render_widget(text.scroll((from, 0)), inside);
}

/// Draws a frame with a heading, and returns what is within.
fn framed(name: &str, frame: &mut Frame<'_>, area: Rect) -> Rect {
    let block = Block::bordered().title(format!(" {name} "));
    let inside = block.inner(area);
    frame.render_widget(block, area);
    inside
}

/// Draws a line whose right part stands at the right, and is kept whole where there is room for it.
fn parted(left: Line<'_>, right: Line<'_>, frame: &mut Frame<'_>, area: Rect) {
    let width = count(right.width()).min(area.width);
    let gap = u16::from(width > 0);
    let [one, _, other] = Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(gap),
        Constraint::Length(width),
    ])
    .areas(area);
    frame.render_widget(left, one);
    frame.render_widget(right, other);
}

/// Returns a text of others without what a terminal would take for an order, or what turns the way of reading.
fn clean(text: &str) -> String {
    let turns = |sign: char| matches!(sign, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .filter(|sign| !sign.is_control() && !turns(*sign))
        .collect()
}

/// Says whether there is room on a line for what matters most alone.
fn is_narrow(area: Rect) -> bool {
    area.width < ROOMY.0 - 2
}

fn count(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

//! How loud both ends are, and what the call is like.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::model::Model;
use super::super::trend::{Point, Trend};
use super::{Theme, count};
use crate::control::CallReport;
use crate::lang::Lang;
use crate::lang::tui::Tui;

/// The level at the left end of a meter, in dBFS; its right end is full scale.
const QUIETEST: f32 = -60.0;

/// From so loud on a meter warns, and from so loud on it is too much, in dBFS.
const LOUD: f32 = -12.0;
const TOO_LOUD: f32 = -3.0;

/// What the tops of the curves mean: ms at least, so that small things stay small.
const TOP_DELAY: f32 = 200.0;
const TOP_JITTER: f32 = 40.0;
const TOP_CONCEALED: f32 = 200.0;

/// The lowest and the highest mean opinion score.
const MOS: (f32, f32) = (1.0, 4.5);

/// The eighths of a column.
const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Returns the call whose sound is shown: the one that is meant where that has any, else the one that talks.
fn shown(model: &Model) -> Option<&CallReport> {
    model
        .meant()
        .filter(|call| model.trend_of(&call.id).is_some())
        .or_else(|| model.talking())
}

/// Draws both meters.
pub(super) fn sound(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let call = shown(model).map(|call| call.id.as_str());
    let (near, far) = call.map_or((None, None), |call| model.levels_of(call));
    let lang = model.lang;
    for ((name, level), place) in [
        (Tui::Microphone.text(lang), near),
        (Tui::FarEnd.text(lang), far),
    ]
    .into_iter()
    .zip(area.rows())
    {
        meter(&name, level, theme, frame, place);
    }
}

/// Draws one meter: its name, a bar, and the figure.
fn meter(name: &str, level: Option<f32>, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let [label, bar, _, figure] = Layout::horizontal([
        Constraint::Length(8),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(6),
    ])
    .areas(area);
    frame.render_widget(Span::raw(name), label);
    let full = filled(level, bar.width);
    let style = match level {
        Some(level) if level >= TOO_LOUD => theme.bad(),
        Some(level) if level >= LOUD => theme.waits(),
        Some(_) | None => theme.good(),
    };
    let rest = usize::from(bar.width) - full;
    let line = Line::from(vec![
        Span::styled("█".repeat(full), style),
        Span::styled("░".repeat(rest), theme.faint()),
    ]);
    frame.render_widget(line, bar);
    let text = match level {
        Some(level) => format!("{level:>3.0} dB"),
        None => "  -".to_owned(),
    };
    frame.render_widget(Span::raw(text), figure);
}

/// Returns how many of so many columns a level fills.
fn filled(level: Option<f32>, width: u16) -> usize {
    let share = level.map_or(0.0, |level| (1.0 - level / QUIETEST).clamp(0.0, 1.0));
    (share * f32::from(width)).round() as usize
}

/// Draws the figures, each with its curve over the call.
pub(super) fn quality(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let Some((call, trend)) = figures(model) else {
        return;
    };
    let texts = texts(call, model.lang);
    let lang = model.lang;
    let names = [
        "MOS".to_owned(),
        Tui::Delay.text(lang),
        Tui::Jitter.text(lang),
        Tui::Concealed.text(lang),
    ];
    for (n, place) in area.rows().take(4).enumerate() {
        let [label, figure, curve] = Layout::horizontal([
            Constraint::Length(10),
            Constraint::Length(11),
            Constraint::Fill(1),
        ])
        .areas(place);
        frame.render_widget(Span::raw(names[n].as_str()), label);
        frame.render_widget(Span::styled(texts[n].as_str(), theme.strong()), figure);
        let drawn = curve_of(n, trend, curve.width);
        frame.render_widget(Span::styled(drawn, curve_style(n, call, theme)), curve);
    }
}

/// Draws it all on three lines.
pub(super) fn short(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    if area.height < 3 {
        return;
    }
    let meters = Rect { height: 2, ..area };
    sound(model, theme, frame, meters);
    let Some((call, trend)) = figures(model) else {
        return;
    };
    let [mos, delay, jitter, _] = texts(call, model.lang);
    let line = Rect {
        y: area.y + 2,
        height: 1,
        ..area
    };
    let text = format!("MOS {mos}  {delay}  {jitter}  ");
    let width = count(text.chars().count()).min(line.width);
    let [figures, curve] =
        Layout::horizontal([Constraint::Length(width), Constraint::Fill(1)]).areas(line);
    frame.render_widget(Span::raw(text), figures);
    let drawn = curve_of(0, trend, curve.width);
    frame.render_widget(Span::styled(drawn, curve_style(0, call, theme)), curve);
}

fn figures(model: &Model) -> Option<(&CallReport, &Trend)> {
    let call = shown(model)?;
    Some((call, model.trend_of(&call.id)?))
}

/// Writes the figures as they are now: score, delay up and down, jitter, what was concealed in all.
fn texts(call: &CallReport, lang: Lang) -> [String; 4] {
    let Some(quality) = &call.quality else {
        return Default::default();
    };
    let ms = |figure: Option<f32>| figure.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0}"));
    let now = |figure: Option<crate::pure::quality::Figure>| figure.map(|figure| figure.now);
    [
        quality.rating.map_or_else(
            || "-".to_owned(),
            |rating| Tui::Mos(rating.mos.now).text(lang),
        ),
        format!("{}+{} ms", ms(now(quality.up_ms)), ms(now(quality.down_ms))),
        format!("{} ms", ms(now(quality.jitter_ms))),
        format!("{} ms", quality.concealed_ms),
    ]
}

fn curve_style(n: usize, call: &CallReport, theme: Theme) -> Style {
    let rating = call.quality.as_ref().and_then(|quality| quality.rating);
    match rating {
        Some(rating) if n == 0 && rating.mos.now < 3.1 => theme.bad(),
        Some(rating) if n == 0 && rating.mos.now < 3.6 => theme.waits(),
        Some(_) | None => theme.good(),
    }
}

/// Draws the curve of the score (0), the delay (1), the jitter (2) or what was concealed (3).
fn curve_of(n: usize, trend: &Trend, width: u16) -> String {
    let top = |least: f32, values: &[Option<f32>]| {
        let most = values.iter().flatten().copied().fold(least, f32::max);
        (0.0, most)
    };
    let columns = usize::from(width);
    let figure: fn(&Point) -> Option<f32> = match n {
        0 => |point| point.mos,
        1 => |point| point.delay_ms,
        2 => |point| point.jitter_ms,
        _ => |point| Some(point.concealed_ms),
    };
    let values = trend.columns(columns, figure);
    let bounds = match n {
        0 => MOS,
        1 => top(TOP_DELAY, &values),
        2 => top(TOP_JITTER, &values),
        _ => top(TOP_CONCEALED, &values),
    };
    curve(&values, bounds)
}

/// Draws values between bounds as columns of eighths; what is not known is a gap.
fn curve(values: &[Option<f32>], (low, high): (f32, f32)) -> String {
    let column = |value: &Option<f32>| match value {
        None => ' ',
        Some(value) => {
            let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
            EIGHTHS[(share * 7.0).round() as usize]
        }
    };
    values.iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_is_filled_by_the_decibel() {
        assert_eq!(filled(None, 30), 0);
        assert_eq!(filled(Some(-60.0), 30), 0);
        assert_eq!(filled(Some(-30.0), 30), 15);
        assert_eq!(filled(Some(0.0), 30), 30);
        assert_eq!(filled(Some(9.0), 30), 30);
    }

    #[test]
    fn a_curve_is_drawn_in_eighths_with_gaps() {
        let values = [Some(0.0), None, Some(50.0), Some(100.0), Some(1_000.0)];
        assert_eq!(curve(&values, (0.0, 100.0)), "▁ ▅██");
        assert_eq!(curve(&[Some(4.5), Some(1.0)], MOS), "█▁");
    }
}

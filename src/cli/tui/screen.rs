//! The terminal while the telephone is on it: keys one by one, a screen of its own, and all as before when it ends, however
//! that comes.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{
    self, DisableBracketedPaste, EnableBracketedPaste, Event, KeyCode, KeyEvent, KeyEventKind,
    KeyModifiers,
};
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::crossterm::{cursor, execute};
use ratatui::{Frame, Terminal};
use rustix::termios::{self, OptionalActions, Termios};
use tokio::sync::mpsc;

use super::keys::Key;

/// Keys that wait to be taken; whoever types more waits.
const KEYS: usize = 64;

/// The terminal, until this is dropped.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<File>>,
    taken: Arc<Taken>,
}

impl Screen {
    /// Takes the terminal. A panic of any thread gives it back before it is told.
    pub(super) fn open() -> io::Result<Screen> {
        let keys = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let screen = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let terminal = Terminal::new(CrosstermBackend::new(screen.try_clone()?))?;
        let taken = Arc::new(Taken::take(keys, screen)?);
        give_back_before_panics(&taken);
        Ok(Screen { terminal, taken })
    }

    /// Draws a screen; only what has changed is written.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(render)?;
        Ok(())
    }

    /// Takes the terminal once more, from which somebody may have taken it, and draws all of it next time.
    pub(super) fn begin_anew(&mut self) -> io::Result<()> {
        self.taken.set()?;
        self.terminal.clear()
    }

    /// Says whether a thread has panicked.
    pub(super) fn is_broken(&self) -> bool {
        self.taken.given_back.load(Ordering::Relaxed)
    }
}

/// What is changed of the terminal, and how it was.
struct Taken {
    keys: File,
    screen: File,
    before: Termios,
    given_back: AtomicBool,
}

impl Taken {
    fn take(keys: File, screen: File) -> io::Result<Taken> {
        let before = termios::tcgetattr(&keys)?;
        let taken = Taken {
            keys,
            screen,
            before,
            given_back: AtomicBool::new(false),
        };
        taken.set()?;
        Ok(taken)
    }

    fn set(&self) -> io::Result<()> {
        let mut raw = self.before.clone();
        raw.make_raw();
        // Not flushed: what was typed ahead counts.
        termios::tcsetattr(&self.keys, OptionalActions::Drain, &raw)?;
        let mut screen = &self.screen;
        execute!(
            screen,
            EnterAlternateScreen,
            EnableBracketedPaste,
            cursor::Hide
        )
    }

    /// Gives it back as it was; once.
    fn give_back(&self) {
        if self.given_back.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut screen = &self.screen;
        // A terminal that is gone needs nothing.
        let _ = execute!(
            screen,
            cursor::Show,
            DisableBracketedPaste,
            LeaveAlternateScreen
        );
        let _ = screen.flush();
        let _ = termios::tcsetattr(&self.keys, OptionalActions::Drain, &self.before);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// From now on a panic gives the terminal back first, so that what is told of it can be read.
fn give_back_before_panics(taken: &Arc<Taken>) {
    let taken = Arc::downgrade(taken);
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if let Some(taken) = taken.upgrade() {
            taken.give_back();
        }
        told(info);
    }));
}

/// What happens at a terminal.
#[derive(Debug)]
pub(super) enum What {
    /// A key.
    Key(Key),
    /// It has another size now.
    Resized,
}

/// Reads the terminal from now on, on a thread that ends with the process: a read cannot be called off.
pub(super) fn keys() -> mpsc::Receiver<What> {
    let (typed, come) = mpsc::channel(KEYS);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if let Some(what) = what(event)
                && typed.blocking_send(what).is_err()
            {
                return;
            }
        }
    });
    come
}

fn what(event: Event) -> Option<What> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => key_of(key).map(What::Key),
        Event::Paste(text) => Some(What::Key(Key::Paste(text))),
        Event::Resize(..) => Some(What::Resized),
        Event::Key(_) | Event::FocusGained | Event::FocusLost | Event::Mouse(_) => None,
    }
}

fn key_of(key: KeyEvent) -> Option<Key> {
    let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
    if with_control || key.modifiers.contains(KeyModifiers::ALT) {
        let pressed = |sign| with_control && key.code == KeyCode::Char(sign);
        // What some terminals send for backspace is Ctrl-H.
        let keys = [
            ('c', Key::Interrupt),
            ('l', Key::Redraw),
            ('h', Key::Backspace),
        ];
        let mut keys = keys.into_iter();
        return keys.find_map(|(sign, key)| pressed(sign).then_some(key));
    }
    match key.code {
        KeyCode::Char(sign) => Some(Key::Sign(sign)),
        KeyCode::Enter => Some(Key::Enter),
        KeyCode::Backspace | KeyCode::Delete => Some(Key::Backspace),
        KeyCode::Esc => Some(Key::Escape),
        KeyCode::Tab => Some(Key::Tab),
        KeyCode::Up => Some(Key::Up),
        KeyCode::Down => Some(Key::Down),
        KeyCode::Left
        | KeyCode::Right
        | KeyCode::Home
        | KeyCode::End
        | KeyCode::PageUp
        | KeyCode::PageDown
        | KeyCode::BackTab
        | KeyCode::Insert
        | KeyCode::F(_)
        | KeyCode::Null
        | KeyCode::CapsLock
        | KeyCode::ScrollLock
        | KeyCode::NumLock
        | KeyCode::PrintScreen
        | KeyCode::Pause
        | KeyCode::Menu
        | KeyCode::KeypadBegin
        | KeyCode::Media(_)
        | KeyCode::Modifier(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
    use rustix::termios::LocalModes;

    use super::*;

    #[test]
    fn the_terminal_is_given_back_by_a_panic() {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let master = openpt(flags).expect("a terminal");
        unlockpt(&master).expect("unlocked");
        let terminal = File::from(ioctl_tiocgptpeer(&master, flags).expect("its other end"));
        let modes = |terminal: &File| {
            let modes = termios::tcgetattr(terminal).expect("modes");
            (modes.local_modes, modes.input_modes, modes.output_modes)
        };
        let before = modes(&terminal);
        let keys = terminal.try_clone().expect("another");
        let screen = terminal.try_clone().expect("another");
        let within = catch_unwind(AssertUnwindSafe(|| {
            let taken = Taken::take(keys, screen).expect("taken");
            assert!(
                !modes(&terminal)
                    .0
                    .contains(LocalModes::ECHO | LocalModes::ISIG)
            );
            assert!(!taken.given_back.load(Ordering::Relaxed));
            std::panic::resume_unwind(Box::new("as a broken promise does"));
        }));
        assert!(within.is_err());
        assert_eq!(modes(&terminal), before);
        let mut written = [0; 256];
        let count = File::from(master)
            .read(&mut written)
            .expect("what was written");
        let written = String::from_utf8_lossy(&written[..count]).into_owned();
        let (entered, left) = (written.find("\x1b[?1049h"), written.find("\x1b[?1049l"));
        assert!(entered.is_some() && entered < left, "{written:?}");
        assert!(
            written.contains("\x1b[?25h"),
            "the cursor is back: {written:?}"
        );
    }

    #[test]
    fn keys_with_control_and_alt_are_no_letters() {
        let key = |code, modifiers| key_of(KeyEvent::new(code, modifiers));
        let sign = KeyCode::Char('h');
        assert_eq!(key(sign, KeyModifiers::NONE), Some(Key::Sign('h')));
        assert_eq!(key(sign, KeyModifiers::CONTROL), Some(Key::Backspace));
        assert_eq!(key(sign, KeyModifiers::ALT), None);
        let interrupt = key(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(interrupt, Some(Key::Interrupt));
        let shifted = key(KeyCode::Char('#'), KeyModifiers::SHIFT);
        assert_eq!(shifted, Some(Key::Sign('#')));
    }
}

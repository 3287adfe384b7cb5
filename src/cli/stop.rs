//! Being asked to stop, by Ctrl-C or by the system: a clean end with an exit code of its own.
//!
//! A command that only reads ends on the spot. One that may be writing is [`Working`]: it is told through
//! [`asked`], leaves off between two steps, seals what it opened and then ends. A second signal ends it on the
//! spot, which is as safe as any other kill.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{CliError, Exit};

/// What asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A person at the terminal.
    Interrupt,
    /// The system, or whoever runs it.
    Terminate,
}

impl Signal {
    /// What happened, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupted",
            Self::Terminate => "terminated",
        }
    }
    /// How a command ends that was stopped so.
    pub const fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
        }
    }
}

#[derive(Debug)]
struct State {
    asked: Option<Signal>,
    working: usize,
}

static STATE: Mutex<State> = Mutex::new(State { asked: None, working: 0 });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What asked this process to stop, if anything did.
pub(super) fn asked() -> Option<Signal> {
    state().asked
}

/// Ends the command here when it was asked to stop.
pub(super) fn go_on() -> Result<(), CliError> {
    asked().map_or(Ok(()), |signal| Err(CliError::Stopped { signal }))
}

/// While one lives, a first signal does not end the process: something may be half-written.
#[derive(Debug)]
pub(super) struct Working(());

impl Working {
    /// Refused when the process was asked to stop before.
    pub(super) fn begin() -> Result<Self, CliError> {
        let mut state = state();
        if let Some(signal) = state.asked {
            return Err(CliError::Stopped { signal });
        }
        state.working += 1;
        Ok(Self(()))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        state().working -= 1;
    }
}

/// Takes SIGINT and SIGTERM from now on. Elsewhere than on Unix, and where it is refused, the system's own way stays.
pub(super) fn listen() {
    #[cfg(unix)]
    if let Ok(signals) =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])
    {
        let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(move || wait(signals));
    }
}

#[cfg(unix)]
#[expect(clippy::exit, reason = "nothing that has to be finished is under way, or somebody insists")]
fn wait(mut signals: signal_hook::iterator::Signals) {
    use std::io::{IsTerminal as _, Write as _};

    for number in signals.forever() {
        let signal = if number == signal_hook::consts::SIGTERM { Signal::Terminate } else { Signal::Interrupt };
        // Held while the process ends: nobody begins to work in between.
        let mut state = state();
        let insists = state.asked.replace(signal).is_some();
        // A progress bar may stand on the line.
        let start = if std::io::stderr().is_terminal() { "\n" } else { "" };
        if insists || state.working == 0 {
            let _ = writeln!(std::io::stderr(), "{start}memgate: {}", signal.name());
            std::process::exit(i32::from(signal.exit().code(false)));
        }
        drop(state);
        let _ = writeln!(
            std::io::stderr(),
            "{start}memgate: {}; what was begun is put in order first (again: stop at once)",
            signal.name()
        );
    }
}

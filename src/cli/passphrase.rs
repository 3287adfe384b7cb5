//! The passphrase of encrypted keys: from a file, a descriptor, or the terminal. Never an argument or a variable.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::{Zeroize as _, Zeroizing};

use super::{CliError, stop};
use crate::firewall::Passphrase;

/// No passphrase is longer; a larger file is something else.
const MAX_BYTES: u64 = 1024;

/// Reads a passphrase file: the first line, without its end.
pub(super) fn from_file(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() || text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("holds no passphrase: one line of 1 to 1024 bytes"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// The way to the passphrase: asked for once, when a key needs it.
pub(super) fn provider(file: Option<PathBuf>) -> Passphrase {
    let known: Mutex<Option<Zeroizing<String>>> = Mutex::default();
    Passphrase(Arc::new(move || {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref() {
            return Ok(known.clone());
        }
        let fresh = match &file {
            Some(path) => from_file(path)?,
            None => ask("Passphrase of the keys: ")?,
        };
        *known = Some(fresh.clone());
        Ok(fresh)
    }))
}

/// A new passphrase: from a file, or typed twice.
pub(super) fn fresh(file: Option<&Path>) -> Result<Zeroizing<String>, CliError> {
    let refuse = |problem: io::Error| match file {
        Some(path) => CliError::read(path, problem),
        None => CliError::Usage(format!("no new passphrase: {problem}; name a file that holds it")),
    };
    if let Some(path) = file {
        return from_file(path).map_err(refuse);
    }
    let first = ask("New passphrase: ").map_err(refuse)?;
    let second = ask("Once more: ").map_err(refuse)?;
    if first.is_empty() || first.as_str() != second.as_str() {
        return Err(CliError::Usage("the two are empty or not the same; nothing was changed".to_owned()));
    }
    Ok(first)
}

/// Asks on the terminal without showing what is typed.
#[cfg(unix)]
fn ask(prompt: &str) -> io::Result<Zeroizing<String>> {
    use std::io::Write as _;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

    struct Shown(std::fs::File, Termios);
    impl Drop for Shown {
        fn drop(&mut self) {
            let _ = tcsetattr(&self.0, OptionalActions::Now, &self.1);
            let _ = self.0.write_all(b"\n");
        }
    }
    let nobody = |_| io::Error::other("there is no terminal to ask on; use --passphrase-file or --passphrase-fd");
    let mut terminal = std::fs::File::options().read(true).write(true).open("/dev/tty").map_err(nobody)?;
    let before = tcgetattr(&terminal)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    let _shown = Shown(terminal.try_clone()?, before);
    tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
    terminal.write_all(prompt.as_bytes())?;
    let (tell, heard) = channel();
    std::thread::spawn(move || {
        let mut line = Zeroizing::new(Vec::new());
        let mut byte = [0_u8];
        while line.len() < MAX_BYTES as usize && matches!(terminal.read(&mut byte), Ok(1)) && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        byte.zeroize();
        // Nobody listens any more when the command has ended.
        let _ = tell.send(line);
    });
    loop {
        match heard.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => {
                let text = std::str::from_utf8(&line).map_err(|_| io::Error::other("not UTF-8"))?;
                return Ok(Zeroizing::new(text.trim_end_matches('\r').to_owned()));
            }
            Err(RecvTimeoutError::Timeout) if stop::asked().is_some() => return Err(io::ErrorKind::Interrupted.into()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(not(unix))]
fn ask(_: &str) -> io::Result<Zeroizing<String>> {
    let mut unused = Vec::<u8>::new();
    unused.zeroize();
    Err(io::Error::other("asking on the terminal is not possible here; use --passphrase-file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_file_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p");
        for (text, expected) in [
            ("EXAMPLE one\n", Some("EXAMPLE one")),
            ("EXAMPLE", Some("EXAMPLE")),
            ("a\r\nb\n", Some("a")),
            ("\n", None),
            ("", None),
        ] {
            std::fs::write(&path, text).unwrap();
            let found = from_file(&path).ok().map(|found| found.to_string());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
        std::fs::write(&path, "x".repeat(2000)).unwrap();
        assert!(from_file(&path).is_err());
        assert!(from_file(&folder.path().join("none")).is_err());
    }
}

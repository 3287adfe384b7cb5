//! `memgate completions`: a completion script for a shell.

use clap::Args as ClapArgs;
use clap_complete::Shell;

use super::{CliError, Context, Exit, Format};

/// Arguments of `completions`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate completions bash > ~/.local/share/bash-completion/completions/memgate\n  \
    memgate completions zsh > \"${fpath[1]}/_memgate\"\n  \
    memgate completions fish > ~/.config/fish/completions/memgate.fish")]
pub struct Args {
    /// The shell
    pub shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text])?;
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command_tree(), "memgate", &mut script);
    context.print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

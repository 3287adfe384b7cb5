//! `memgate witness`: be a witness of other people's logs, and have witnesses of one's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use super::context::write_whole;
use super::{CliError, Context, Exit, Format, stop, store};
use crate::firewall::{Firewall, WitnessEntry, Witnessing};
use crate::http::bind_witness;
use crate::report::show_line;
use crate::witness::{self, Witness};

/// Arguments of `memgate witness`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples, on a machine of somebody else:\n  \
    memgate witness init --dir ./witness --name witness.example/w1     prints the key to give to logs\n  \
    memgate witness watch --dir ./witness LOG-KEY                      LOG-KEY as 'memgate witness list' prints it\n  \
    memgate witness serve --dir ./witness --listen 0.0.0.0:7880\n\n\
    Examples, for a store of one's own:\n  \
    memgate witness add w1 --key WITNESS-KEY --url http://witness.example:7880\n  \
    memgate witness add w2 --key WITNESS-KEY --url https://w2.example --quorum 2\n  \
    memgate witness list\n\n\
    A witness signs each checkpoint once, and only if the log did nothing but grow. With a quorum, nothing is published\n\
    or served before so many signed; without one, versions are marked with how many did. Protocol: C2SP tlog-witness.")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What `memgate witness` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a witness: a folder with a key
    #[command(after_help = "Examples:\n  memgate witness init --dir ./witness --name witness.example/w1")]
    Init {
        /// The new folder
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// Name in the key: a host and a path, without spaces or plus signs
        #[arg(long, value_name = "NAME")]
        name: String,
    },
    /// Let a witness sign for one more log
    #[command(after_help = "Examples:\n  memgate witness watch --dir ./witness memgate.example/logs/main+01234567+AR…")]
    Watch {
        /// The witness's folder
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The log's verifier key
        #[arg(value_name = "LOG-KEY")]
        key: String,
    },
    /// Answer add-checkpoint requests
    #[command(after_help = "Examples:\n  memgate witness serve --dir ./witness --listen 127.0.0.1:7880")]
    Serve {
        /// The witness's folder
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// Where to listen; what is said is signed, so that plain HTTP is enough
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7880")]
        listen: SocketAddr,
        /// Write the bound address as one JSON line to this file once it listens
        #[arg(long, value_name = "FILE")]
        ready_file: Option<PathBuf>,
    },
    /// Ask a witness for every checkpoint of this store
    #[command(after_help = "Examples:\n  \
        memgate witness add w1 --key witness.example/w1+89abcdef+BA… --url http://witness.example:7880\n\n\
        Asks at once; when too few witnesses sign for the quorum, nothing is changed. Hand out the new trust root\n\
        afterwards: memgate export root.")]
    Add {
        /// A short name for the policy
        #[arg(value_name = "NAME")]
        name: String,
        /// The witness's verifier key
        #[arg(long, value_name = "KEY")]
        key: String,
        /// Where it is asked
        #[arg(long, value_name = "URL")]
        url: String,
        /// How many witnesses must sign; 0 waits for none [default: as it was]
        #[arg(long, value_name = "N")]
        quorum: Option<usize>,
    },
    /// Ask a witness no longer
    #[command(after_help = "Examples:\n  memgate witness remove w1 --quorum 0")]
    Remove {
        /// Its name in the policy
        #[arg(value_name = "NAME")]
        name: String,
        /// How many witnesses must sign; 0 waits for none [default: as it was]
        #[arg(long, value_name = "N")]
        quorum: Option<usize>,
    },
    /// The log's key, its witnesses, and what they have signed
    #[command(after_help = "Examples:\n  memgate witness list --format json")]
    List,
}

/// Witnesses.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    match &args.command {
        Command::Init { dir, name } => {
            let mut seed = Zeroizing::new([0_u8; 32]);
            (store::env(context).random)(&mut seed)
                .map_err(|source| CliError::from(crate::firewall::FirewallError::Random { source }))?;
            let key = witness::init(dir, name, &seed)?;
            say(context, &json!({ "schema": "memgate/witness/1", "key": key }), &format!("{key}\n"))?;
            Ok(Exit::Done)
        }
        Command::Watch { dir, key } => {
            witness::watch(dir, key)?;
            say(context, &json!({ "schema": "memgate/witness/1", "watches": key }), "It signs for this log now.\n")?;
            Ok(Exit::Done)
        }
        Command::Serve { dir, listen, ready_file } => serve(dir, *listen, ready_file.as_deref(), context),
        Command::Add { name, key, url, quorum } => change(context, *quorum, |all| {
            all.retain(|entry| entry.name != *name);
            all.push(WitnessEntry { name: name.clone(), vkey: key.clone(), url: Some(url.clone()) });
            Ok(())
        }),
        Command::Remove { name, quorum } => change(context, *quorum, |all| {
            let before = all.len();
            all.retain(|entry| entry.name != *name);
            let near = all.iter().map(|entry| entry.name.clone()).take(3).collect();
            if all.len() == before {
                Err(CliError::Unknown { what: "witness", name: name.clone(), near })
            } else {
                Ok(())
            }
        }),
        Command::List => {
            let now = store::open_read(context)?.witnessing()?;
            show(context, &now)?;
            Ok(Exit::Done)
        }
    }
}

fn say(context: &Context, json: &serde_json::Value, text: &str) -> Result<(), CliError> {
    match context.format {
        Format::Json => context.print_json(json),
        _ => context.print(text),
    }
}

fn change(
    context: &Context,
    quorum: Option<usize>,
    edit: impl FnOnce(&mut Vec<WitnessEntry>) -> Result<(), CliError>,
) -> Result<Exit, CliError> {
    let _working = stop::Working::begin()?;
    let now = store::open_read(context)?.witnessing()?;
    let Some(quorum) = quorum.or(now.quorum) else {
        let what = "trust/tlog.policy groups its witnesses: say with --quorum how many must sign from now on";
        return Err(CliError::Usage(what.to_owned()));
    };
    let mut all = now.witnesses;
    edit(&mut all)?;
    if quorum > all.len() {
        return Err(CliError::Usage(format!("{quorum} of {} witnesses cannot sign", all.len())));
    }
    let now = Firewall::set_witnesses(&context.data, &all, quorum, || store::env(context))?;
    show(context, &now)?;
    Ok(Exit::Done)
}

fn show(context: &Context, now: &Witnessing) -> Result<(), CliError> {
    let mut text = String::new();
    for log in &now.log {
        text.push_str(&format!("log      {}\n", show_line(log, 200)));
    }
    for entry in &now.witnesses {
        let url = entry.url.as_deref().unwrap_or("never asked");
        text.push_str(&format!(
            "witness  {}  {}  {}\n",
            show_line(&entry.name, 40),
            show_line(&entry.vkey, 200),
            show_line(url, 100)
        ));
    }
    let quorum = match now.quorum {
        Some(0) => "none: versions are marked with how many signed".to_owned(),
        Some(number) => format!("{number} of {}: nothing is published before", now.witnesses.len()),
        None => "as trust/tlog.policy says".to_owned(),
    };
    text.push_str(&format!("quorum   {quorum}\nnewest   {}\n", now.seen_by));
    say(context, &json!({ "schema": "memgate/witnessing/1", "witnessing": now }), &text)
}

fn serve(dir: &Path, listen: SocketAddr, ready_file: Option<&Path>, context: &Context) -> Result<Exit, CliError> {
    let witness = Witness::open(dir)?;
    let _working = stop::Working::begin()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|e| CliError::Listen { verb: "start the runtime", source: e })?;
    let outcome = runtime.block_on(async {
        let bound = bind_witness(listen).await.map_err(|e| CliError::Listen { verb: "listen", source: e })?;
        let at = bound.address().map_err(|e| CliError::Listen { verb: "listen", source: e })?;
        let line = json!({ "witness": format!("http://{at}"), "key": witness.vkey() });
        if let Some(path) = ready_file {
            write_whole(path, format!("{line}\n").as_bytes())?;
        }
        say(context, &line, &format!("Witnessing on http://{at} as {}\n", witness.vkey()))?;
        bound.serve(witness, super::context::clock, super::serve::asked()).await;
        Ok::<(), CliError>(())
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    outcome?;
    match stop::asked() {
        Some(signal) => Ok(signal.exit()),
        None => Ok(Exit::Done),
    }
}

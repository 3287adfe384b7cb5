//! `memgate explain`: a rule, an error code, a held item or the exit codes, in plain words.

use std::fmt::Write as _;

use clap::Args as ClapArgs;
use serde_json::json;

use super::{CliError, Context, Exit, Format, codes, exit, review, rules};
use crate::grade::kinds::kinds;

/// Arguments of `explain`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    memgate explain injection.instruction-override     a rule\n  \
    memgate explain store-changed                      an error code, as printed in error[…]\n  \
    memgate explain hold_38afe6b5efab                  a held item of the data folder\n  \
    memgate explain E_SIG                              a check of the signing format\n  \
    memgate explain exit-codes                         all exit codes\n  \
    memgate explain codes                              all error codes, one a line\n  \
    memgate explain grade-kinds                        what a rubric's criteria can ask")]
pub struct Args {
    /// A rule, an error code, a held item, or one of the lists: exit-codes, codes, grade-kinds
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Explains.
pub fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    context.formats(&[Format::Text, Format::Json])?;
    let name = args.name.trim();
    // The type of a problem that the server's API answers.
    let name = name.strip_prefix("https://memgate.example/problems/").unwrap_or(name);
    match name {
        "exit-codes" => return exit_codes(context),
        "codes" => return list("memgate/codes/1", codes::all().map(|page| (page.code, page.meaning)), context),
        "grade-kinds" => {
            return list("memgate/grade-kinds/1", kinds().iter().map(|kind| (kind.name, kind.met)), context);
        }
        _ => {}
    }
    if let Some(page) = codes::find(name) {
        let ends = exit::meaning(page.exit);
        if context.format == Format::Json {
            context.print_json(&json!({
                "schema": "memgate/explain/1", "code": page.code, "meaning": page.meaning, "why": page.why,
                "remedy": page.remedy, "exit": page.exit,
            }))?;
        } else {
            context.print(&format!(
                "{}\n\n{}\n\nWhy: {}\n\nWhat to do: {}\n\nExit code {}: {ends}\n",
                page.code, page.meaning, page.why, page.remedy, page.exit
            ))?;
        }
        return Ok(Exit::Done);
    }
    if name.starts_with("hold_") {
        return review::show(name, context);
    }
    let rules = rules::load(None)?;
    if let Some(rule) = rules.get(name) {
        rules::page(rule, context)?;
        return Ok(Exit::Done);
    }
    let names = codes::all().map(|page| page.code).chain(rules.rules().iter().map(|rule| rule.id.as_str()));
    let near = codes::near(name, names);
    Err(CliError::Unknown { what: "rule or code", name: name.to_owned(), near })
}

/// Names with what they mean, one a line.
fn list(
    schema: &str,
    rows: impl Iterator<Item = (&'static str, &'static str)>,
    context: &Context,
) -> Result<Exit, CliError> {
    let rows: Vec<_> = rows.collect();
    if context.format == Format::Json {
        let rows: Vec<_> = rows.iter().map(|(name, meaning)| json!({"name": name, "meaning": meaning})).collect();
        context.print_json(&json!({"schema": schema, "names": rows}))?;
    } else {
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let mut out = String::new();
        for (name, meaning) in rows {
            let _ = writeln!(out, "{name:<width$}  {meaning}");
        }
        context.print(&out)?;
    }
    Ok(Exit::Done)
}

fn exit_codes(context: &Context) -> Result<Exit, CliError> {
    if context.format == Format::Json {
        let rows: Vec<_> =
            exit::TABLE.iter().map(|(code, meaning)| json!({"code": code, "meaning": meaning})).collect();
        context.print_json(&json!({"schema": "memgate/exit-codes/1", "codes": rows}))?;
    } else {
        let mut out = String::new();
        for (code, meaning) in exit::TABLE {
            let _ = writeln!(out, "{code:>3}  {meaning}");
        }
        context.print(&out)?;
    }
    Ok(Exit::Done)
}

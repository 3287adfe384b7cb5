//! Choices: the question, what was chosen, what it costs.
//!
//! **2026-11-21, marks for invisible characters.** Names alone, escapes, or bracketed labels? Labels between `⟦` and `⟧`,
//! with those two brackets shown as marks themselves, so that text cannot forge a label even without colour. Price:
//! two rare characters never appear as themselves; tabs and carriage returns are visible too.
//!
//! **2026-11-21, a frame around untrusted text.** Every line of it starts with `| `, or `: ` where we wrapped. No line of
//! a hostile text can pass for one of ours. Price: two columns, and copying includes the frame.
//!
//! **2026-11-21, `--exit-zero`.** It silences findings and failed quality gates only. An unfinished scan, a refusal and
//! an error keep their codes, because a gate must not open when something went wrong. Price: scripts that want to
//! ignore everything have to say so themselves.
//!
//! **2026-11-21, fingerprints of findings.** From the matched bytes, the rule and the view, numbered when equal; never
//! from a line number; for secrets from the whole file, because the digest of a short secret can be guessed back.
//! Price: a secret's fingerprint changes when its file changes.
//!
//! **2026-11-21, write failures are exit code 5.** The table has no code of its own for a full disk. "Incomplete" is the
//! closest: nothing is half-written, trying again may work.
//!
//! **2026-11-21, runner commands.** `##[` and its kin are broken by a mark in every visible form, not only in build logs,
//! because terminal output ends up in build logs. Price: those characters never appear together in what we print.

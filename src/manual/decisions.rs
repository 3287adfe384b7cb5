//! Choices: the question, what was chosen, what it costs.
//!
//! **2026-11-21, the seal of the data folder.** How is a changed byte outside the log noticed, in the database or a settings
//! file? Every writing command ends by signing a list of all files with their digests; the next command compares first.
//! `policy.toml` is the exception: it is its owner's to edit, is checked by itself and goes into every decision by digest. Price:
//! each command reads every file once, and an honest edit of another file stops everything until it is undone.
//!
//! **2026-11-21, adoption on the first dream.** A folder of notes that existed before has no origins. Are all of them held?
//! No: the operator vouches for the notes of the folder named on the first dream, as somebody who signs for what is there;
//! findings are held all the same. Later changes in the folder are writes like any other. Price: poison that reads like an honest
//! note and was there on the first day is in version 1, under the operator's name.
//!
//! **2026-11-21, glue is judged too.** Headings, fences and front matter between notes are read by agents, but are no statements.
//! Text with words in it is scanned and decided like a note. Price: headings can be held; a memory then loses one.
//!
//! **2026-11-21, the quarantine holds spans of transcripts.** What a detector finds in a session is kept away from the
//! dream, and waits as an item of its own. It has no place in a memory, so it can be destroyed or left to expire, not
//! released. Price: items that nobody needs to decide on; gain: evidence of an attempt is not lost.
//!
//! **2026-11-21, the dream is a principal that can approve nothing.** Who proposes what a dream writes? One name, `dream`,
//! with a key for proposals only; it is in no role that decides, and nobody can take its name. Price: one more key.
//!
//! **2026-11-21, a decision names a digest.** An id would be easier to type. The digest of the shown bytes, at least 12
//! digits, makes exchanging the text between look and yes impossible. Price: copying a line.
//!
//! **2026-11-21, recency settles little.** Users expect that the newest value wins; attackers, too. It does only for ordinary
//! kinds, the same scope, at least equal authority and no finding. Everything else stays and is marked. Price: more disputes
//! than a reader would need.
//!
//! **2026-11-21, proposals are not quarantine.** What a dream may get wrong is a proposal and can be accepted in bulk. What was
//! stopped is held and cannot. Price: two lists.
//!
//! **2026-11-21, raw inputs are kept.** Evidence names bytes of a transcript, so those bytes stay in the data folder (switch:
//! `keep_raw`). Price: the folder holds whatever people said, and must be guarded like it.
//!
//! **2026-11-21, no model in the first cut.** A dream is a program: same input, same bytes, no network. Price: it merges and
//! learns only what rules of language can show.
//!
//! **2026-11-21, exit codes follow error codes.** One table from codes to exit codes, by the beginning of the code, and the same
//! number on the code's page. A missing data folder is "nothing to examine", a folder in use a conflict, a log that
//! does not verify never anything but 6. Price: a new code must fit a line of the table, and a test insists.
//!
//! **2026-11-21, the quarantine is a fold of the log.** Every change of a held item is an entry whose digest is in the log
//! first; the item's record has to be what its last entry says. The change lies beside the log until it is made, so a
//! run that dies is finished by the next one. Forgetting the change instead would have let an older database take back the
//! last decision. Price: one more small transaction for each change.
//!
//! **2026-11-21, asked to stop.** A dream leaves off between two steps and seals what it opened; once it signs, it finishes.
//! What only reads ends on the spot. Price: Ctrl-C may take as long as one memory takes to scan; a second one does not wait.
//!
//! **2026-11-21, the README is run.** Its commands run in a test, with times, ids and digests compared as marks and cuts shown
//! as cuts. Price: a change of output is a change of the page.
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
//!
//! **2026-11-22, a version is logged by a row.** Entries and the signed checkpoint over them go into the transaction of
//! the version's memories; the log's files follow within 256 entries or half a second of rest. One durable write instead
//! of ten, and no crash parts a version from its place in the log. Price: until then the folder's files alone are behind,
//! and whoever puts an old database back while a server is down takes that much of the log with it; a checkpoint kept
//! elsewhere still tells.

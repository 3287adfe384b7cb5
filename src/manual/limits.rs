//! What is promised, at what cost, and what is not.
//!
//! **Promised**
//! - Nothing that was not fully read, decoded and scanned counts as clean: coverage is partial, the exit code is 5,
//!   the gate holds.
//! - Governed kinds (directive, permission, destination, tool choice, identity) are never admitted without a person,
//!   whatever the rules say.
//! - Authority only falls: through a summary, a merge, an echo or repetition a text never gains any.
//! - Recency never lets a lower authority replace a higher one.
//! - The bytes shown, approved, signed and stored have one digest. Notes that nobody changed stay byte-identical.
//! - A dream gives every note of its input exactly one fate, never touches its input, and changes nothing when run again.
//! - What is held or refused influences nothing that is served.
//! - Running out of time means no.
//! - Every state change is in the log before it takes effect. A command that is killed leaves a state that the next one
//!   completes or drops.
//! - `verify` names a changed byte anywhere in the data folder, offline and without a secret key.
//! - Untrusted text reaches a terminal, page or file only through `report::show`.
//! - The same input, policy and ruleset give the same verdict and the same bytes, with or without a network.
//!
//! **At what cost**
//! - Some honest notes are held and wait for a person; some honest disputes stay open.
//! - Raw transcripts and memory files are kept in the data folder as evidence. Guard it like them, or switch `keep_raw` off
//!   and do without evidence that can be read again.
//! - Every command compares the data folder with its seal first, which reads every file in it once.
//! - One writer at a time: a second one is told to wait (exit code 10).
//!
//! **Not promised**
//! - Rules see wording, not meaning. A paraphrase that no rule knows passes the rules; origin, kind and a reviewer
//!   are what is left then. Published attacks shaped as policy or preference pass filters of this kind.
//! - A signature proves who approved which bytes in which order. It does not prove that they are true.
//! - Without a witness nobody outside has seen the log: someone who holds the keys and the data folder can rewrite both, and
//!   every report says "unwitnessed". `memgate witness add`, or keep the trust root and checkpoints elsewhere.
//! - After a run that died nothing covers the database as a whole until the next writer seals it again. Versions, memories,
//!   raw inputs, held items and decisions are checked one by one then; grades, reports of dreams and labels are not.
//!   An old copy of the whole folder verifies: only somebody who knows a later checkpoint can tell.
//! - Keys are plain files for now, readable by their owner only, all on one machine: hardware comes later. `memgate key encrypt` puts them under a passphrase.
//!   "Two different reviewers" means two keys; who can read both files is both people.
//! - A transcript proves nothing about who spoke: names and times in it are claims, and adapters are part of what you trust.
//! - Notes that were poisoned before the first dream, and read like honest ones, are adopted with the rest.
//! - Set scanning is bounded. Fragments spread wider than its bound are not seen together.
//! - Taking out every descendant of a source is not built yet; a rollback to before it is. What a reviewer destroyed is
//!   known by its exact words: the same order in other words waits for a reviewer again.
//! - Right-to-left letters are shown as they are; a terminal may still reorder a line that mixes directions. Direction
//!   controls are always marks, and untrusted text has lines of its own.
//! - The visible form collapses long runs of invisible characters. `decode` and the digest are the exact answer.
//! - A reviewer who releases without reading defeats the review. Grading may notice afterwards; that is a measurement
//!   with an error rate, not a guarantee about one session.

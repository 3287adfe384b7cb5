//! Threats, what answers them here, and the test that shows it.
//!
//! A row says "not yet" where nothing is shown by a test. Names in the last column are tests or case files; rules have
//! their firing, quiet and near-miss examples beside them in `rules/packs`, tried by `cargo test`.
//!
//! | Threat | Our answer | Shown by |
//! |---|---|---|
//! | T01 direct instruction to remember | rules; directives are a governed kind | rule examples; rest not yet |
//! | T02 indirect injection | external origin, forged-structure rules | rule examples; rest not yet |
//! | T03 query-only bridging | authority falls to the lowest source | not yet |
//! | T04 grafted success | procedures without tool evidence stay proposals | not yet |
//! | T05 sleeper, trigger | condition-action rules | rule examples |
//! | T06 prefilled prompt, promotion | ranking-claim rules | rule examples |
//! | T07 forged structure | role-header and delimiter rules; visible forms cannot be closed | rule examples; `report::markdown_is_one_code_block` |
//! | T08 provenance laundering | authority only falls | not yet |
//! | T09 confidence inflation | claims cite spans that entail them | not yet |
//! | T10 sub-threshold framing | set scan | not yet |
//! | T11 fragments across sessions | rescan after consolidation | not yet |
//! | T12 flooding, corroboration | per-principal capped votes | not yet |
//! | T13 recency abuse | newest does not win; disputes | not yet |
//! | T14 near-duplicate mutation | the difference gate before a merge | not yet |
//! | T15 self-reinforcing error | agent-written text keeps agent authority | not yet |
//! | T16 attack on the consolidator | deterministic by default; output is untrusted again | not yet |
//! | T17 outbound destination | rules; governed kind | rule examples |
//! | T18 secrets and personal data | rules; excerpts and digests of secrets are never copied | rule examples; `report::secrets_are_not_copied_and_have_no_digest_of_their_own` |
//! | T19 policy weakening | rules; governed kind | rule examples |
//! | T20 forged approval | rules; a release names the digest and the reviewer | rule examples; rest not yet |
//! | T21 tool and package substitution | rules; governed kind | rule examples |
//! | T22 persona hijack | rules; identity is a governed kind | rule examples |
//! | T23 self-replication | rules | rule examples |
//! | T24 cross-scope | preferences stay with their principal | not yet |
//! | T25 instruction files | `scan` finds and examines them | `cli/scan-*.toml` |
//! | T26 invisible characters | removed in one view, decoded in another, visible in every output | `report::show`, `report::a_terminal_gets_no_byte_that_acts` |
//! | T27 confusables, direction | folded view; direction controls are marks | `report::show`; rule examples |
//! | T28 encodings | decoded views, nested, under limits | rule examples; `cli/decode-*.toml` |
//! | T29 hidden markup | markup view | rule examples |
//! | T30 language switching | kind and origin as backstop; few language packs | not yet |
//! | T31 scanner exhaustion | linear-time matching, budgets, partial coverage fails closed | `report::an_unfinished_scan_is_not_called_clean`, `cli/scan-*.toml` |
//! | T32 adaptive probing | no learning from feedback; no verdict detail to callers | not yet |
//! | T33 deceptive display | one place that shows text; frame, marks, wrap, digest | `report::show`, `report::whole_reports_stay_clean`, `cli/*` |
//! | T34 active content | text nodes, fences, formula escaping | `report::html_is_one_text_without_markup`, `report::csv_is_one_record_and_no_formula` |
//! | T35 persuasion | reviewers see bytes first, no model text at all | not yet |
//! | T36 fatigue | the automatic tier keeps routine work away from people | not yet |
//! | T37 approval misuse | approve what you saw; proofs without copy, default or reading back | `architecture::a_planted_hole_in_a_proof_is_found`; rest not yet |
//! | T38 grader-directed injection | deterministic checks only | not yet |
//! | T39 slow drift | fixed anchor, monitor with a stated error rate | not yet |
//! | T40 tampering at rest | signed manifests, salted commitments | not yet |
//! | T41 rollback, freeze, fork | hash-chained log, checkpoints; no witnesses yet | not yet |
//! | T42 keys, rules, policy | packs are digested; texts of packs are shown like any text | `report::whole_reports_stay_clean`; rest not yet |
//! | T43 audit-log attacks | Merkle log with proofs | not yet |
//! | T44 incomplete purge | lineage | not yet |
//! | T45 retrieval manipulation | memgate ranks nothing | not yet |
//! | T46 denial of memory | limits name themselves; nothing is dropped in silence | not yet |

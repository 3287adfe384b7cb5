//! Pages for the errors of the command line itself.

use super::{Page, page};

pub(super) const PAGES: &[Page] = &[
    page(
        "cli-format",
        2,
        "The command has no result in the form asked for.",
        "Every command writes text and JSON; SARIF is for findings in files.",
        "Use --format text or --format json.",
    ),
    page(
        "cli-inputs-refused",
        5,
        "Some inputs have problems, each printed before this line. Nothing at all was imported.",
        "Half an import would look like a whole one: the missing part may be the one that mattered.",
        "Mend or take out the files that are named, then run again.",
    ),
    page(
        "cli-internal",
        70,
        "Something happened that cannot happen. A report file was written and named; nothing was sent anywhere.",
        "This is a bug in memgate.",
        "Please report it with that file. Look through the file first: it may quote what was examined.",
    ),
    page(
        "cli-labelled-line",
        5,
        "A line of labelled data is no JSON object, or lacks its text or label, or its span or channel makes no sense.",
        "Figures over the lines that happen to be readable would look like figures over all of them.",
        "Mend the line that is named; 'memgate bench detect --help' says what one has to have.",
    ),
    page(
        "cli-listen",
        5,
        "The server cannot listen on an address.",
        "Another program uses the port, or this machine has no such address.",
        "Choose another address with --listen and --admin; port 0 takes any free one.",
    ),
    page(
        "cli-needs-yes",
        2,
        "The command changes something and there was nobody to ask.",
        "It ran without a terminal, and a change is never made on a guess.",
        "Look with --dry-run, then say --yes.",
    ),
    page(
        "cli-nothing-to-examine",
        3,
        "What was named holds no memory, instruction file or transcript. That is not a pass.",
        "A check that looked at nothing must not read as a check that found nothing.",
        "Name a file, or use --all to examine every text file of a folder.",
    ),
    page(
        "cli-stopped",
        130,
        "The command was asked to stop before it was done.",
        "Somebody pressed Ctrl-C, or the system ended it; that is exit code 143.",
        "Run the command again; nothing is half-done.",
    ),
    page(
        "cli-unknown-name",
        2,
        "There is no rule, code, format or item of that name.",
        "It is misspelled, or belongs to another data folder or rule pack.",
        "Check the spelling; the matching list command shows all names.",
    ),
    page(
        "cli-unreadable",
        5,
        "An input could not be opened or read.",
        "It does not exist, may not be read, or the disk failed. An input that was not read counts as unfinished, never as clean.",
        "Check that it exists and may be read.",
    ),
    page(
        "cli-unwritable",
        5,
        "A result could not be written.",
        "Results are written whole or not at all, so what was there before is unchanged.",
        "Check the folder, its permissions and the free space.",
    ),
    page(
        "cli-usage",
        2,
        "The arguments do not make sense together.",
        "Two of them exclude each other, or one is missing.",
        "See --help for the arguments and examples.",
    ),
];

//! Reading transcripts: refused with a place, or read with every span inside the input.

use memgate::domain::{Authority, PrincipalId};
use memgate::ingest::{
    Context, EventKind, Format, IngestError, RawInput, Session, detect_format, read_folder, read_sessions,
};

/// Bytes in any format, under the detected format and under every named one.
pub fn body(data: &[u8]) {
    if data.len() > 64 * 1024 {
        return;
    }
    let input = RawInput::new("input.json", data.to_vec());
    let context = Context { principal: PrincipalId::new("caller"), memory_authority: Authority::Agent };
    let detected = detect_format(&input);
    let read = read_sessions(&input, None, &context);
    assert_eq!(read, read_sessions(&input, None, &context), "the same bytes were read twice, differently");
    assert!(detected.is_ok() || read.is_err(), "sessions came out of a format that nobody recognised");
    check(data, &input, &read);
    for format in Format::ALL {
        let named = read_sessions(&input, Some(format), &context);
        if detected.as_ref() == Ok(&format) {
            assert_eq!(read, named, "naming the detected format changes what is read");
        }
        check(data, &input, &named);
    }
    // A folder is all or nothing: the same file twice under two names has each session id twice.
    if let Ok(sessions) = &read {
        let twice = [RawInput::new("a.json", data.to_vec()), RawInput::new("b.json", data.to_vec())];
        assert_eq!(read_folder(&twice[..1], None, &context).is_ok(), unique(sessions), "a folder of one file");
    }
    // The same bytes as a memory: the text is kept as it is, or refused.
    if let Ok(memory) = memgate::ingest::read_memory("note.md", &input, &context) {
        assert_eq!(memory.text.peek_unscanned().as_bytes(), data, "a memory's bytes changed");
        assert_eq!(memory.origin.span.end, data.len());
    }
}

fn unique(sessions: &[Session]) -> bool {
    let ids: std::collections::BTreeSet<_> = sessions.iter().map(|session| session.id.as_str()).collect();
    ids.len() == sessions.len()
}

fn check(data: &[u8], input: &RawInput, read: &Result<Vec<Session>, Vec<IngestError>>) {
    let sessions = match read {
        Ok(sessions) => sessions,
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            for error in errors {
                assert!(error.place.is_none_or(|place| place.offset <= data.len() && place.line >= 1));
                assert!(!error.to_string().chars().any(char::is_control), "an error message that acts: {error}");
            }
            return;
        }
    };
    let text = std::str::from_utf8(data).expect("what was read is UTF-8");
    for session in sessions {
        assert_eq!(session.input_digest, input.digest);
        for (number, event) in session.events.iter().enumerate() {
            let origin = &event.origin;
            assert_eq!(origin.event, Some(number), "events are numbered in order");
            assert_eq!(origin.session.as_ref(), Some(&session.id));
            assert_eq!(origin.principal, session.principal);
            assert_eq!(origin.authority, origin.channel.authority(), "an event claims more than its channel");
            let raw = origin.span.slice(text).expect("a span lies inside the input, on character borders");
            // Where the span is one JSON text, the event says exactly that text.
            if let (EventKind::Message { text: said }, Ok(literal)) = (&event.kind, serde_json::from_str::<String>(raw))
            {
                assert_eq!(said.peek_unscanned(), &literal, "an event does not say what its span says");
            }
        }
    }
}

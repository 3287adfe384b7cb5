use super::json::{self, Value};
use super::*;
use proptest::prelude::*;

fn context() -> Context {
    Context { principal: PrincipalId::from("someone"), memory_authority: Authority::Agent }
}

fn same(node: &json::Node<'_>, text: &str, value: &serde_json::Value) -> bool {
    match (&node.value, value) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
        (Value::Number, serde_json::Value::Number(number)) => {
            serde_json::from_str::<serde_json::Number>(&text[node.span.start..node.span.end]).ok().as_ref()
                == Some(number)
        }
        (Value::String(a), serde_json::Value::String(b)) => a == b,
        (Value::Array(a), serde_json::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, text, b))
        }
        (Value::Object(a), serde_json::Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|member| b.get(&*member.key).is_some_and(|b| same(&member.node, text, b)))
        }
        _ => false,
    }
}

fn jsonish() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("\"a\""),
        Just("\"b\""),
        Just("\"a\":1"),
        Just("\"\\u0041\":"),
        Just("\"\\ud83d\\ude00\""),
        Just("\"\\ud800\""),
        Just("\"\\udc00\\ud800\""),
        Just("\"\\n\\x\""),
        Just("1"),
        Just("-0"),
        Just("01"),
        Just("1.5e+3"),
        Just("1."),
        Just("-"),
        Just("true"),
        Just("null"),
        Just("fals"),
        Just(" "),
        Just("\n"),
        Just("\t"),
        Just("\""),
        Just("\\"),
        Just("\u{1}"),
        Just("é"),
        Just("[1,{\"c\":[]}]"),
        Just("{\"k\":{\"k\":null}}"),
    ];
    prop::collection::vec(part, 0..14).prop_map(|parts| parts.concat())
}

proptest! {
    /// The strict reader accepts what `serde_json` accepts and sees the same values, except that
    /// it refuses equal keys.
    #[test]
    fn the_strict_reader_agrees_with_serde_json(text in jsonish()) {
        let theirs: Result<serde_json::Value, _> = serde_json::from_str(&text);
        let ours = json::value(&text, 0, text.len())
            .and_then(|(node, after)| if json::skip_blank(&text, after) == text.len() { Ok(node) } else { Err(json::Fault { offset: after, problem: Problem::Truncated }) });
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert!(same(&ours, &text, &theirs)),
            (Err(_), Err(_)) => {}
            (Err(json::Fault { problem: Problem::DuplicateKey { .. }, .. }), Ok(_)) => {}
            // Numbers beyond f64 are valid JSON; nothing here reads their value.
            (ours, theirs) => prop_assert!(false, "{:?} {:?}", ours, theirs),
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let input = RawInput::new("a.jsonl", bytes);
        let _ = detect_format(&input);
        for format in Format::ALL {
            let _ = read_sessions(&input, Some(format), &context());
        }
        let _ = read_memory("a.md", &input, &context());
    }

    #[test]
    fn no_json_panics(text in jsonish()) {
        let input = RawInput::new("a.jsonl", text.into_bytes());
        for format in Format::ALL {
            let _ = read_sessions(&input, Some(format), &context());
        }
    }
}

#[test]
fn nesting_is_limited_before_the_stack_is() {
    for open in ["[", "{\"a\":"] {
        let text = format!("[{}", open.repeat(1_000_000));
        let input = RawInput::new("deep.json", text.into_bytes());
        let errors = read_sessions(&input, None, &context()).unwrap_err();
        assert_eq!(errors[0].problem, Problem::TooDeep { limit: MAX_DEPTH });
    }
}

#[test]
fn many_keys_are_checked_for_equals_quickly() {
    let keys: Vec<String> = (0..200_000).map(|number| format!("\"k{number}\":0")).collect();
    let text = format!("{{{},\"k7\":1}}", keys.join(","));
    let fault = json::value(&text, 0, text.len()).unwrap_err();
    assert_eq!(fault.problem, Problem::DuplicateKey { key: "k7".to_owned() });
    assert_eq!(fault.offset, text.len() - "\"k7\":1}".len());
}

#[test]
fn an_error_prints_no_control_or_invisible_character() {
    let text = "[{\"role\":\"x\u{202E}\\u001b[31m\u{200B}\",\"content\":\"\"}]";
    let input = RawInput::new("a\u{1b}[2J\u{202E}.json", text.as_bytes());
    let shown = read_sessions(&input, Some(Format::OpenAi), &context()).unwrap_err()[0].to_string();
    assert!(shown.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{shown:?}");
}

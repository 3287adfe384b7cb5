use super::*;
use crate::domain::Span;

#[test]
fn ascii_changes_only_in_case_and_white_space() {
    assert_eq!(fold_text("Mom  has 0\t1 I's\r\nand rn"), "mom has 0 1 i's and rn");
}

#[test]
fn breaks_between_blocks_stay_and_wrapped_lines_join() {
    assert_eq!(
        fold_text("one\ntwo\n\nthree\n- four\n> five\n1. six\n# Seven"),
        "one two\n\nthree\n\n- four five\n\n1. six\n\n# seven"
    );
}

#[test]
fn spans_survive_dropped_and_widened_characters() {
    let text = "a\u{200B}b \u{FF23}\u{FB01}";
    let folded = fold(text, Form::Main);
    assert_eq!(folded.text, "ab cfi");
    assert_eq!(folded.map.to_raw(Span::new(0, 2)), Span::new(0, 5));
    assert_eq!(folded.map.to_raw(Span::new(3, 4)).slice(text), Some("\u{FF23}"));
    assert_eq!(folded.map.to_raw(Span::new(4, 5)).slice(text), Some("\u{FB01}"));
    assert_eq!(folded.dropped, [1]);
}

#[test]
fn only_mixed_words_turn_latin_in_the_main_form() {
    assert_eq!(fold_text("p\u{430}ypal"), "paypal");
    assert_eq!(fold_text("сор на носу"), "сор на носу");
    let skeleton = fold("\u{441}\u{43E}\u{440}\u{443} caf\u{E9}", Form::Skeleton).text;
    assert_eq!(skeleton, "copy cafe");
    assert!(fold("\u{441}\u{43E}\u{440}\u{443}", Form::Main).skeleton_differs);
    assert!(!fold("привет, мир", Form::Main).skeleton_differs);
}

#[test]
fn capital_and_small_look_alikes_differ() {
    assert_eq!(fold_text("X\u{41D}x"), "xhx");
    assert_eq!(fold_text("5 \u{B5}m"), "5 \u{3BC}m");
}

#[test]
fn an_accent_that_stands_alone_does_not_become_a_space() {
    assert!(!fold_text("a\u{A8}b").contains(' '));
}

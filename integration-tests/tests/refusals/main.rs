//! Every text with which Gatehouse refuses something, or says that something is wrong, has a test that holds an example
//! of it. This suite reads the sources: it compares the sentences of the product with what the tests say.
//!
//! Whether the example is right is the business of the test that has it. This only says when none does.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "whatever fails here is a failed test, and the message says why"
)]

mod exceptions;
mod literals;
mod sentences;
mod sources;

use exceptions::EXCEPTIONS;
use sentences::{Sentence, has_example};

#[test]
fn every_refusal_has_an_example_in_a_test() {
    let tests = sources::texts_of_tests();
    let sentences = sources::sentences();
    assert!(sentences.len() > 200, "the sources were not found: {sentences:?}");
    let lacking: Vec<String> = sentences
        .iter()
        .filter(|sentence| !excepted(sentence) && !has_example(sentence, &tests))
        .map(|sentence| format!("{}:{}: {}", sentence.file, sentence.line, sentence.text))
        .collect();
    assert!(
        lacking.is_empty(),
        "{} of {} texts have no example in any test; add one that holds the whole text:\n{}",
        lacking.len(),
        sentences.len(),
        lacking.join("\n")
    );
}

#[test]
fn no_exception_outlives_its_text() {
    let sentences = sources::sentences();
    for (begins, reason) in EXCEPTIONS {
        assert!(!reason.is_empty(), "`{begins}` has no reason");
        let used = sentences.iter().any(|sentence| sentence.text.starts_with(begins));
        assert!(
            used,
            "no text begins with `{begins}` any more; remove the exception"
        );
    }
}

fn excepted(sentence: &Sentence) -> bool {
    EXCEPTIONS
        .iter()
        .any(|(begins, _)| sentence.text.starts_with(begins))
}

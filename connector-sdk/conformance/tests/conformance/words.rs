//! The contract's lists of behaviours, and that of the Agent API, are the suite.

use gatehouse_connector_conformance::{Operation, behaviours};

const CONTRACT: &str = include_str!("../../../src/connector.rs");
const AGENT_API: &str = include_str!("../../../../control-plane/api/src/agent.rs");

/// The lines under `# Behaviour`, with the method they belong to.
fn contract() -> Vec<(String, String)> {
    let (mut lines, mut list, mut listing) = (Vec::new(), Vec::<String>::new(), false);
    let (_, contract) = CONTRACT
        .split_once("pub trait Connector")
        .expect("the trait is there");
    for line in contract.lines().map(str::trim) {
        let Some(text) = line.strip_prefix("///").map(str::trim) else {
            listing = false;
            if let Some((method, _)) = line
                .trim_start_matches("async ")
                .strip_prefix("fn ")
                .and_then(|rest| rest.split_once('('))
            {
                lines.extend(list.drain(..).map(|sentence| (method.to_owned(), sentence)));
            }
            if line == "}" {
                break;
            }
            continue;
        };
        match (text, text.strip_prefix("- ")) {
            ("# Behaviour", _) => listing = true,
            (_, Some(sentence)) if listing => list.push(sentence.to_owned()),
            ("", _) => {}
            _ if listing => {
                let last = list.last_mut().expect("a list begins with `- `");
                last.push(' ');
                last.push_str(text);
            }
            _ => {}
        }
    }
    lines
}

/// The lines under `# Behaviour` of the Agent API.
fn duties_of_agents() -> Vec<String> {
    let text = AGENT_API.lines().map_while(|line| line.strip_prefix("//!"));
    let list = text.skip_while(|line| line.trim() != "# Behaviour");
    let mut lines: Vec<String> = Vec::new();
    for line in list {
        match (line.strip_prefix(" - "), line.strip_prefix("   ")) {
            (Some(sentence), _) => lines.push(sentence.to_owned()),
            (_, Some(rest)) => {
                let last = lines.last_mut().expect("a list begins with `- `");
                last.push(' ');
                last.push_str(rest);
            }
            _ => {}
        }
    }
    lines
}

#[test]
fn every_duty_of_agents_is_a_test_in_the_same_words() {
    let suite: Vec<_> = behaviours()
        .into_iter()
        .filter(|it| it.operation == Operation::Agent)
        .map(|it| it.sentence.to_owned())
        .collect();
    assert_eq!(duties_of_agents(), suite);
}

#[test]
fn every_line_of_the_contract_is_a_test_in_the_same_words() {
    let suite: Vec<_> = behaviours()
        .into_iter()
        .filter(|it| it.operation != Operation::Agent)
        .map(|it| (it.operation.as_str().to_owned(), it.sentence.to_owned()))
        .collect();
    assert_eq!(contract(), suite);
}

#[test]
fn tests_have_names_of_their_own() {
    let mut names: Vec<_> = behaviours().into_iter().map(|it| it.id).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

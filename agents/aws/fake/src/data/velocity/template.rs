//! Templates: text, `#set`, `#if`, and what they leave behind.

use super::Scope;
use super::expression::{Values, Variables};
use super::reader::Reader;

/// What a template has become.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) body: String,
    /// Headers that the template sets, with their values.
    pub(crate) headers: Vec<(String, String)>,
    /// The status that the template sets.
    pub(crate) status: Option<u16>,
}

const STATUS: &str = "context.responseOverride.status";
const HEADER: &str = "context.responseOverride.header.";

/// Fills a template in; none if it is none.
pub(crate) fn render(template: &str, scope: &dyn Scope) -> Option<Rendered> {
    let mut reader = Reader::new(template);
    let variables = Variables::new();
    let mut rendering = Rendering {
        values: Values { scope, variables },
        rendered: Rendered::default(),
    };
    let ended = rendering.block(&mut reader, true)?;
    (ended == Ending::Text).then_some(rendering.rendered)
}

/// What a block has ended with.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Text,
    Else,
    ElseIf,
    End,
}

struct Rendering<'a> {
    values: Values<'a>,
    rendered: Rendered,
}

impl Rendering<'_> {
    /// Reads a block and, if it counts, takes over what it says.
    fn block(&mut self, reader: &mut Reader<'_>, counts: bool) -> Option<Ending> {
        loop {
            if reader.takes("#set(") {
                self.set(reader, counts)?;
            } else if reader.takes("#if(") {
                self.choose(reader, counts)?;
            } else if reader.takes("#elseif(") {
                return Some(Ending::ElseIf);
            } else if reader.takes("#else") {
                line_end(reader);
                return Some(Ending::Else);
            } else if reader.takes("#end") {
                line_end(reader);
                return Some(Ending::End);
            } else if reader.rest().is_empty() {
                return Some(Ending::Text);
            } else {
                self.text(reader, counts);
            }
        }
    }

    /// A reference, or one character.
    fn text(&mut self, reader: &mut Reader<'_>, counts: bool) {
        let before = reader.rest();
        let said = match self.values.reference(reader) {
            // What refers to nothing stays as it is written.
            Some(None) => before[..before.len() - reader.rest().len()].to_owned(),
            Some(Some(value)) => value,
            None => reader.character().map(String::from).unwrap_or_default(),
        };
        if counts {
            self.rendered.body.push_str(&said);
        }
    }

    fn set(&mut self, reader: &mut Reader<'_>, counts: bool) -> Option<()> {
        reader.spaces();
        if !reader.takes("$") {
            return None;
        }
        let name = reader.name()?;
        reader.spaces();
        if !reader.takes("=") {
            return None;
        }
        let value = self.values.value(reader)?;
        reader.spaces();
        if !reader.takes(")") {
            return None;
        }
        line_end(reader);
        if let (true, Some(value)) = (counts, value) {
            self.keep(name, value);
        }
        Some(())
    }

    fn keep(&mut self, name: &str, value: String) {
        if name == STATUS {
            self.rendered.status = value.parse().ok();
        } else if let Some(header) = name.strip_prefix(HEADER) {
            self.rendered.headers.push((header.to_owned(), value));
        } else {
            self.values.variables.insert(name.to_owned(), value);
        }
    }

    /// The first of several blocks whose condition holds.
    fn choose(&mut self, reader: &mut Reader<'_>, counts: bool) -> Option<()> {
        let mut chosen = false;
        let mut holds = self.condition(reader)?;
        loop {
            let ended = self.block(reader, counts && holds && !chosen)?;
            chosen |= holds;
            match ended {
                Ending::End => return Some(()),
                Ending::ElseIf => holds = self.condition(reader)?,
                Ending::Else => holds = true,
                Ending::Text => return None,
            }
        }
    }

    fn condition(&self, reader: &mut Reader<'_>) -> Option<bool> {
        let holds = self.values.condition(reader)?;
        reader.spaces();
        if !reader.takes(")") {
            return None;
        }
        line_end(reader);
        Some(holds)
    }
}

/// The end of a line after a directive is part of it.
fn line_end(reader: &mut Reader<'_>) {
    let _ = reader.takes("\r\n") || reader.takes("\n");
}

//! What a command shows: data on standard output in the wanted format, everything else on standard error.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde::Serialize;

/// The format of what a command shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people
    #[default]
    Table,
    /// JSON of the documented shape
    Json,
    /// YAML; of resources, documents that `apply` takes
    Yaml,
    /// `KIND/NAME`, one a line
    Name,
}

/// Where a command shows things.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    format: Format,
    color: bool,
}

impl Screen {
    /// The screen of this process.
    pub(crate) fn new(format: Format) -> Self {
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb");
        Self {
            format,
            color: allowed && io::stdout().is_terminal(),
        }
    }

    /// The wanted format.
    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// Shows one value: its text for people, its names, or the value itself.
    pub(crate) fn show<T: Serialize>(
        self,
        value: &T,
        names: &[String],
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        match self.format {
            Format::Table => self.print(&text()),
            Format::Name => self.print(&lines(names)),
            Format::Json => self.print(&(serde_json::to_string_pretty(value)? + "\n")),
            Format::Yaml => self.print(&yaml(value)?),
        }
    }

    /// Shows a list: as text, as names, as `{"items": […]}`, or as one YAML document after another.
    pub(crate) fn show_list<T: Serialize>(
        self,
        items: &[T],
        names: &[String],
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        match self.format {
            Format::Yaml => {
                let documents: Result<Vec<String>, _> = items.iter().map(yaml).collect();
                self.print(&documents?.join("---\n"))
            }
            _ => self.show(&Items { items }, names, text),
        }
    }

    /// Puts text on standard output.
    pub(crate) fn print(self, text: &str) -> anyhow::Result<()> {
        let mut output = io::stdout().lock();
        output.write_all(text.as_bytes())?;
        Ok(output.flush()?)
    }

    /// Text in a colour, where the output is a terminal that wants colours.
    pub(crate) fn paint(self, color: Color, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{}m{text}\u{1b}[0m", color.code())
        } else {
            text.to_owned()
        }
    }
}

/// Puts a line on standard error. That nobody reads it is no reason to fail.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The colours in use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Color {
    Red,
    Green,
    Cyan,
    Bold,
}

impl Color {
    fn code(self) -> u8 {
        match self {
            Self::Red => 31,
            Self::Green => 32,
            Self::Cyan => 36,
            Self::Bold => 1,
        }
    }
}

#[derive(Serialize)]
struct Items<'a, T> {
    items: &'a [T],
}

fn lines(names: &[String]) -> String {
    names.iter().map(|name| format!("{name}\n")).collect()
}

/// A value as one YAML document, with the line break at its end.
pub(crate) fn yaml<T: Serialize>(value: &T) -> anyhow::Result<String> {
    // Quoted scalars come back exactly as they were, whatever their line breaks and their length.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let mut text = serde_saphyr::to_string_with_options(value, options)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn yaml_reads_back_as_it_was() {
        let value = json!({
            "text": "a long text ".repeat(20), "lines": "one\n two\n\n", "version": "1.0", "yes": "yes",
            "list": [], "object": {}, "nested": [{"a": [1, 2.5, null, true]}], "octal": "010", "empty": "",
        });
        let back: Value = serde_saphyr::from_str(&yaml(&value).unwrap()).unwrap();
        assert_eq!(back, value);
    }
}

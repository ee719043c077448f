//! A document of an environment to fill in: what is required stands there without a value, everything else as a comment.

use std::fmt::Write as _;

use super::fields::{Field, empty, fields, inline, summary};
use crate::{
    descriptor::{CredentialDescription, Descriptor},
    identity::ResourceName,
};

/// How wide comments are.
const WIDTH: usize = 100;

/// The form of an environment of a gateway type, as YAML that `gatehouse apply` takes once it is filled in. What is
/// forgotten is refused then, since it has no value.
pub fn form(descriptor: &Descriptor, name: &ResourceName) -> String {
    let mut form = Form::default();
    let Descriptor {
        gateway_type,
        display_name,
        version,
        ..
    } = descriptor;
    form.comment(
        0,
        &format!(
            "An environment of gateway type {gateway_type} ({display_name}, connector {version}). Give a value to what is \
             required, take the `#` away from what you want to say, then: gatehouse apply -f FILE"
        ),
    );
    form.line(0, "apiVersion: gatehouse.dev/v1");
    form.line(0, "kind: Environment");
    form.line(0, "metadata:");
    form.line(2, &format!("name: {name}"));
    form.line(0, "spec:");
    form.line(2, &format!("gatewayType: {gateway_type}"));
    form.comment(2, "read-only, write-only or read-write");
    form.line(2, "mode: read-write");
    form.settings(&fields(&descriptor.settings_schema));
    form.credentials(&descriptor.credentials);
    form.comment(
        2,
        "Where consumers reach the gateway, if the agent does not know better:",
    );
    form.comment(2, "endpoints:");
    form.comment(2, "  - url: https://api.example.com");
    form.text
}

#[derive(Default)]
struct Form {
    text: String,
}

impl Form {
    fn line(&mut self, indent: usize, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{:indent$}{text}", "");
    }

    /// A comment, in as many lines as it takes.
    fn comment(&mut self, indent: usize, text: &str) {
        if text.starts_with(' ') || !text.contains(' ') {
            return self.line(indent, &format!("# {text}"));
        }
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && indent + line.len() + word.len() + 3 > WIDTH {
                self.line(indent, &format!("# {line}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(indent, &format!("# {line}"));
    }

    fn settings(&mut self, fields: &[Field]) {
        match fields.first() {
            None => self.comment(2, "This gateway type has no settings."),
            Some(first) if first.required => {
                self.line(2, "settings:");
                self.fields(4, fields);
            }
            Some(_) => {
                self.line(2, "settings: {}");
                self.comment(2, "All settings have defaults; to say something else, write it below `settings:` without `{}`:");
                self.fields(4, fields);
            }
        }
    }

    fn fields(&mut self, indent: usize, fields: &[Field]) {
        for field in fields {
            self.comment(
                indent,
                &format!("{} ({})", field.meaning.replace("\\|", "|"), summary(field)),
            );
            if field.required {
                self.required(indent, field);
            } else {
                let shown = field.default.clone().unwrap_or_else(|| empty(&field.kind));
                let shown = if shown.is_null() {
                    String::new()
                } else {
                    inline(&shown)
                };
                self.line(indent, format!("# {}: {shown}", field.name).trim_end());
            }
        }
    }

    fn required(&mut self, indent: usize, field: &Field) {
        if field.inner.is_empty() {
            return self.line(indent, &format!("{}: # required", field.name));
        }
        self.line(indent, &format!("{}:", field.name));
        self.fields(indent + 2, &field.inner);
    }

    fn credentials(&mut self, credentials: &[CredentialDescription]) {
        if credentials.is_empty() {
            return;
        }
        let any = credentials.iter().any(|credential| credential.required);
        self.comment(
            2,
            "Each credential is one of: `secretRef` (a Secret of the control plane), `env` (a variable of the agent's \
             process), `file` (a file on the agent's machine)",
        );
        self.line(2, if any { "credentials:" } else { "# credentials:" });
        let mut sorted: Vec<_> = credentials.iter().collect();
        sorted.sort_by_key(|credential| !credential.required);
        for credential in sorted {
            self.comment(4, &credential.description);
            if credential.required {
                self.line(4, &format!("{}:", credential.name));
                self.line(6, "secretRef: # required");
            } else {
                self.line(4, &format!("# {}:", credential.name));
                self.line(4, "#   secretRef:");
            }
        }
    }
}

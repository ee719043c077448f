//! Components that policies run: small programs in WebAssembly's text format, which the real tools make components of
//! from the interface in `schemas/wit`.
//!
//! A program's memory: what a function answers at 1,024, which begins as `ok` of nothing but zeros; its texts from 2,048
//! on; what it is told from 4,096 on.

use std::{fmt::Write as _, fs};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where a function's answer is.
pub(crate) const RESULT: &str = "(i32.const 1024)";

/// A program of one or two functions.
#[derive(Default)]
pub(crate) struct Program {
    /// What `on-request` does; its parameter is where what it is told begins.
    pub(crate) request: Option<String>,
    /// What `on-response` does; its parameters are ten numbers.
    pub(crate) response: Option<String>,
    more: String,
    data: Vec<u8>,
}

impl Program {
    pub(crate) fn on_request(body: impl Into<String>) -> Self {
        Self {
            request: Some(body.into()),
            ..Self::default()
        }
    }

    pub(crate) fn on_response(body: impl Into<String>) -> Self {
        Self {
            response: Some(body.into()),
            ..Self::default()
        }
    }

    /// With imports, globals and other functions.
    pub(crate) fn with(mut self, more: &str) -> Self {
        self.more = more.to_owned();
        self
    }

    /// Puts a text into the program's memory; answers where it is and how long.
    pub(crate) fn text(&mut self, text: &str) -> (usize, usize) {
        let at = 2_048 + self.data.len();
        self.data.extend(text.as_bytes());
        (at, text.len())
    }

    /// Puts headers into the program's memory; answers where their list begins and how long it is.
    pub(crate) fn headers(&mut self, headers: &[(&str, &str)]) -> (usize, usize) {
        let mut words = Vec::new();
        for (name, value) in headers {
            let ((name, name_length), (value, length)) = (self.text(name), self.text(value));
            words.extend([name, name_length, value, length]);
        }
        while !self.data.len().is_multiple_of(4) {
            self.data.push(0);
        }
        let at = 2_048 + self.data.len();
        for word in words {
            let word = u32::try_from(word).expect("a small number");
            self.data.extend(word.to_le_bytes());
        }
        (at, headers.len())
    }

    /// The component, of the world that has its functions.
    pub(crate) fn component(&self) -> Vec<u8> {
        let world = match (&self.request, &self.response) {
            (Some(_), Some(_)) => "policy",
            (None, _) => "response-policy",
            (_, None) => "request-policy",
        };
        let module = wat::parse_str(self.module()).expect("a program");
        of_world(module, world, &interface())
    }

    /// The component for both phases that somebody makes for whom the interface says something else.
    pub(crate) fn component_with(&self, change: impl Fn(&str) -> String) -> Vec<u8> {
        let module = wat::parse_str(change(&self.module())).expect("a program");
        of_world(module, "policy", &change(&interface()))
    }

    fn module(&self) -> String {
        let mut functions = String::new();
        if let Some(body) = &self.request {
            functions.push_str(&format!(
                r#"(func (export "gatehouse:policy/request-phase@0.1.0#on-request") (param $told i32) (result i32) {body})"#
            ));
        }
        if let Some(body) = &self.response {
            let parameters = "i32 ".repeat(10);
            functions.push_str(&format!(
                r#"(func (export "gatehouse:policy/response-phase@0.1.0#on-response") (param {parameters}) (result i32) {body})"#
            ));
        }
        let mut data = String::new();
        for byte in &self.data {
            write!(data, "\\{byte:02x}").expect("text");
        }
        format!(
            r#"(module
                {more}
                (memory (export "memory") 1)
                (data (i32.const 2048) "{data}")
                (global $top (mut i32) (i32.const 4096))
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (local $at i32)
                    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
                    (global.set $top (i32.add (local.get $at) (local.get 3)))
                    (local.get $at))
                {functions})"#,
            more = self.more,
        )
    }
}

/// Code that writes these numbers into the answer, from a place on.
pub(crate) fn answers(from: usize, words: &[usize]) -> String {
    let mut code = String::new();
    for (index, word) in words.iter().enumerate() {
        let at = 1_024 + from + index * 4;
        code.push_str(&format!("(i32.store (i32.const {at}) (i32.const {word}))"));
    }
    code
}

fn interface() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/wit/policy.wit");
    fs::read_to_string(file).expect("the interface can be read")
}

/// Makes a component of a core module.
fn of_world(mut module: Vec<u8>, world: &str, interface: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("policy.wit", interface).expect("an interface");
    let world = resolve.select_world(&[package], Some(world)).expect("a world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    let encoder = ComponentEncoder::default().validate(true).module(&module);
    encoder.expect("a module").encode().expect("a component")
}

//! Which control plane a command speaks to, and with which token.
//!
//! `--server` and `--token` come first, then an explicit `--context`, then `GATEHOUSE_SERVER` and
//! `GATEHOUSE_TOKEN`, then the context of `GATEHOUSE_CONTEXT` or the current one. A context's token only
//! ever goes to that context's server.

use clap::Args;
use gatehouse_control_plane_api::client::{Client, ClientOptions};
use secrecy::SecretString;

use crate::{failure::Failure, settings::Settings};

/// The options that choose a control plane.
#[derive(Clone, Default, Args)]
#[command(next_help_heading = "Control plane")]
pub(crate) struct TargetOptions {
    /// The context to use instead of the current one [env: GATEHOUSE_CONTEXT]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The control plane's address, for example http://127.0.0.1:9090 [env: GATEHOUSE_SERVER]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The API token; other users of this machine see it, prefer the variable [env: GATEHOUSE_TOKEN]
    #[arg(long, global = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
}

impl TargetOptions {
    /// Whether any of them is given.
    pub(crate) fn is_empty(&self) -> bool {
        self.context.is_none() && self.server.is_none() && self.token.is_none()
    }

    /// A client of the chosen control plane.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let target = choose(self, &Variables::of_process(), &Settings::load()?)?;
        Ok(Client::new(ClientOptions::new(
            target.server,
            target.token.map(SecretString::from),
        ))?)
    }
}

/// What the process's environment says.
#[derive(Default)]
struct Variables {
    context: Option<String>,
    server: Option<String>,
    token: Option<String>,
}

impl Variables {
    fn of_process() -> Self {
        let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            context: read("GATEHOUSE_CONTEXT"),
            server: read("GATEHOUSE_SERVER"),
            token: read("GATEHOUSE_TOKEN"),
        }
    }
}

struct Target {
    server: String,
    token: Option<String>,
}

fn choose(options: &TargetOptions, variables: &Variables, settings: &Settings) -> Result<Target, Failure> {
    let explicit = options.context.is_some();
    let variable = |value: &Option<String>| value.clone().filter(|_| !explicit);
    let server = options.server.clone().or_else(|| variable(&variables.server));
    let token = options.token.clone();
    match server {
        Some(server) => {
            let token = token.or_else(|| variables.token.clone());
            Ok(Target { server, token })
        }
        None => {
            let name = options
                .context
                .as_ref()
                .or(variables.context.as_ref())
                .or(settings.current.as_ref());
            let context = settings.context(name.ok_or_else(no_target)?)?;
            let token = token
                .or_else(|| variable(&variables.token))
                .or_else(|| context.token.clone());
            Ok(Target {
                server: context.server.clone(),
                token,
            })
        }
    }
}

fn no_target() -> Failure {
    Failure::usage(
        "no control plane is chosen; start one with `gatehouse dev`, add one with \
         `gatehouse context add NAME --server URL --token-file FILE`, or set `GATEHOUSE_SERVER` and `GATEHOUSE_TOKEN`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ContextSettings;

    fn settings() -> Settings {
        let context = |name: &str| ContextSettings {
            server: format!("http://{name}"),
            token: Some(name.to_owned()),
        };
        Settings {
            current: Some("one".to_owned()),
            contexts: ["one", "two"].map(|name| (name.to_owned(), context(name))).into(),
        }
    }

    fn check(options: [Option<&str>; 3], variables: [Option<&str>; 3], server: &str, token: Option<&str>) {
        let [context, at, with] = options.map(|value| value.map(str::to_owned));
        let options = TargetOptions {
            context,
            server: at,
            token: with,
        };
        let [context, at, with] = variables.map(|value| value.map(str::to_owned));
        let variables = Variables {
            context,
            server: at,
            token: with,
        };
        let target = choose(&options, &variables, &settings()).unwrap();
        assert_eq!((target.server.as_str(), target.token.as_deref()), (server, token));
    }

    #[test]
    fn options_come_before_variables_and_variables_before_the_current_context() {
        let none = [None; 3];
        check(none, none, "http://one", Some("one"));
        check([Some("two"), None, None], none, "http://two", Some("two"));
        check(none, [Some("two"), None, None], "http://two", Some("two"));
        check(none, [None, Some("http://v"), Some("vt")], "http://v", Some("vt"));
        check(
            [Some("two"), None, None],
            [None, Some("http://v"), Some("vt")],
            "http://two",
            Some("two"),
        );
        check(
            [None, Some("http://o"), Some("ot")],
            [None, Some("http://v"), Some("vt")],
            "http://o",
            Some("ot"),
        );
        check(none, [None, None, Some("vt")], "http://one", Some("vt"));
    }

    #[test]
    fn the_token_of_a_context_never_goes_to_another_server() {
        check([None, Some("http://o"), None], [None; 3], "http://o", None);
        check([None; 3], [None, Some("http://v"), None], "http://v", None);
    }

    #[test]
    fn without_any_choice_the_error_says_how_to_choose() {
        let error = choose(
            &TargetOptions::default(),
            &Variables::default(),
            &Settings::default(),
        )
        .err()
        .unwrap();
        assert!(error.detail.contains("gatehouse dev"), "{error}");
        assert_eq!(error.exit.code(), 64);
    }

    #[test]
    fn an_unknown_context_is_named_together_with_the_known_ones() {
        let options = TargetOptions {
            context: Some("three".to_owned()),
            ..TargetOptions::default()
        };
        let error = choose(&options, &Variables::default(), &settings())
            .err()
            .unwrap();
        assert!(error.detail.contains("`three` (known: one, two)"), "{error}");
        assert_eq!(error.exit.code(), 6);
    }
}

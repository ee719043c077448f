//! The context `dev`: so that the command line finds this control plane without being told.

use crate::{
    failure::chain,
    screen,
    settings::{ContextSettings, Settings},
};

/// The context's name.
pub(super) const NAME: &str = "dev";

/// Writes the context. Whether it is in use; another context that is in use stays so.
pub(super) fn write(server: &str, token: &str) -> bool {
    match try_write(server, token) {
        Ok(in_use) => in_use,
        Err(error) => {
            // The control plane works all the same.
            screen::note(&format!(
                "warning: the context `{NAME}` was not written: {}",
                chain(error.as_ref())
            ));
            false
        }
    }
}

fn try_write(server: &str, token: &str) -> anyhow::Result<bool> {
    let before = Settings::load()?;
    let (after, in_use) = with_dev(before.clone(), server, token);
    if after != before {
        after.save()?;
    }
    Ok(in_use)
}

fn with_dev(mut settings: Settings, server: &str, token: &str) -> (Settings, bool) {
    let context = ContextSettings {
        server: server.to_owned(),
        token: Some(token.to_owned()),
    };
    settings.contexts.insert(NAME.to_owned(), context);
    // A context that is gone is not in use.
    let current = settings
        .current
        .take()
        .filter(|current| settings.contexts.contains_key(current));
    let current = current.unwrap_or_else(|| NAME.to_owned());
    let in_use = current == NAME;
    settings.current = Some(current);
    (settings, in_use)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn becomes_current_where_nothing_else_is() {
        let (settings, in_use) = with_dev(Settings::default(), "http://127.0.0.1:9090", "gth_x");
        assert!(in_use);
        assert_eq!(settings.current.as_deref(), Some("dev"));
        assert_eq!(settings.contexts["dev"].server, "http://127.0.0.1:9090");
    }

    #[test]
    fn never_takes_the_place_of_another_context() {
        let prod = ContextSettings {
            server: "https://prod".to_owned(),
            token: None,
        };
        let before = Settings {
            current: Some("prod".to_owned()),
            contexts: [("prod".to_owned(), prod)].into(),
        };
        let (settings, in_use) = with_dev(before, "http://127.0.0.1:9090", "gth_x");
        assert!(!in_use);
        assert_eq!(settings.current.as_deref(), Some("prod"));
        assert!(settings.contexts.contains_key("dev"));
    }
}

//! Progress of long work: a spinner on a terminal, plain lines in a pipe; on standard error.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// Tells how long work goes on.
#[derive(Debug)]
pub(crate) struct Progress {
    spinner: Option<ProgressBar>,
    last: String,
}

impl Progress {
    /// Begins; nothing is shown yet.
    pub(crate) fn new() -> Self {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let spinner = ProgressBar::new_spinner();
            if std::env::var_os("NO_COLOR").is_none()
                && let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg}")
            {
                spinner.set_style(style);
            }
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
        Self {
            spinner,
            last: String::new(),
        }
    }

    /// Says what is happening now. Saying the same again shows nothing new.
    pub(crate) fn say(&mut self, message: &str) {
        if self.last == message {
            return;
        }
        message.clone_into(&mut self.last);
        match &self.spinner {
            Some(spinner) => spinner.set_message(message.to_owned()),
            None => crate::screen::note(message),
        }
    }

    /// Lets something else be shown meanwhile.
    pub(crate) fn pause<T>(&self, show: impl FnOnce() -> T) -> T {
        match &self.spinner {
            Some(spinner) => spinner.suspend(show),
            None => show(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

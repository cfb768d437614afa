//! Progress on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar with this number of steps, drawn by the template; hidden unless the output is a terminal.
pub(super) fn bar(terminal: bool, steps: u64, template: &str) -> ProgressBar {
    if !terminal {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(steps).with_style(style)
}

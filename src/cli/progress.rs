//! Progress on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of so many steps, drawn as the template says; hidden unless a person watches.
pub(super) fn bar(terminal: bool, steps: u64, template: &str) -> ProgressBar {
    if !terminal {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(steps).with_style(style)
}

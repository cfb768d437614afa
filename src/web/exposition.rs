//! Prometheus's text format (version 0.0.4), and a histogram for it.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a scraper is told it gets.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the buckets in seconds: from a small network on a fast machine to a large one on a board that swaps.
const BOUNDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A histogram of durations. An observation costs one addition to each of two counters.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Count of each bucket, not cumulative; the last one is for durations above every bound.
    counts: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Histogram {
    /// Adds one observation. Negative values and NaN count as 0.
    pub fn observe(&self, seconds: f64) {
        let bucket = BOUNDS.partition_point(|&bound| bound < seconds);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add((seconds * 1e6) as u64, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The text of a scrape, while it is written.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a metric; its samples follow.
    pub fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &str) -> Family<'a> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { page: self, name }
    }

    /// A counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, Kind::Counter, help).sample(&[], value as f64);
    }

    /// A gauge without labels; left out if its value is unknown.
    pub fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.family(name, Kind::Gauge, help).sample(&[], value);
        }
    }

    pub fn finish(self) -> String {
        self.0
    }
}

/// A metric whose samples are being written.
pub struct Family<'a> {
    page: &'a mut Exposition,
    name: &'a str,
}

impl Family<'_> {
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.line("", labels, value);
    }

    pub fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let mut sum = 0;
        for (index, count) in histogram.counts.iter().enumerate() {
            sum += count.load(Ordering::Relaxed);
            let bound = BOUNDS.get(index).map_or("+Inf".to_owned(), f64::to_string);
            self.line("_bucket", &[labels, &[("le", &bound)]].concat(), sum as f64);
        }
        self.line("_sum", labels, histogram.microseconds.load(Ordering::Relaxed) as f64 / 1e6);
        self.line("_count", labels, sum as f64);
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        let page = &mut self.page.0;
        let _ = write!(page, "{}{suffix}", self.name);
        for (index, (name, text)) in labels.iter().enumerate() {
            let _ = write!(page, "{}{name}=\"{}\"", if index == 0 { '{' } else { ',' }, escaped(text));
        }
        let _ = writeln!(page, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_upwards_and_bounds_are_inclusive() {
        let histogram = Histogram::default();
        for seconds in [0.0005, 0.001, 0.3, 99.0, f64::NAN, -1.0] {
            histogram.observe(seconds);
        }
        let mut page = Exposition::default();
        page.family("x_seconds", Kind::Histogram, "Help.").histogram(&[("stage", "a\"b\\c\n")], &histogram);
        let text = page.finish();
        assert!(text.starts_with("# HELP x_seconds Help.\n# TYPE x_seconds histogram\n"), "{text}");
        let label = r#"stage="a\"b\\c\n""#;
        for line in [
            format!("x_seconds_bucket{{{label},le=\"0.001\"}} 4\n"),
            format!("x_seconds_bucket{{{label},le=\"0.5\"}} 5\n"),
            format!("x_seconds_bucket{{{label},le=\"+Inf\"}} 6\n"),
            format!("x_seconds_sum{{{label}}} 99.3015\n"),
            format!("x_seconds_count{{{label}}} 6\n"),
        ] {
            assert!(text.contains(&line), "no {line} in {text}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let mut page = Exposition::default();
        page.gauge("a", "A.", None);
        page.counter("b_total", "B.", 3);
        assert_eq!(page.finish(), "# HELP b_total B.\n# TYPE b_total counter\nb_total 3\n");
    }
}

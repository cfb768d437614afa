//! The report's plots, as SVG that takes its colours from the page's style sheet.

use super::escape::escaped;
use crate::domain::comparison::Figures;

const COLOURS: [&str; 8] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];

/// The class that colours model number `at`.
pub(crate) fn colour(at: usize) -> &'static str {
    COLOURS[at % COLOURS.len()]
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 360.0;
/// Left, right, top and bottom of a plot's area.
pub(crate) const AREA: [f64; 4] = [56.0, 536.0, 16.0, 308.0];

/// A quantity for the vertical axis.
struct Worth {
    title: &'static str,
    axis: &'static str,
    of: fn(&Figures) -> Option<f64>,
}

/// In order of preference: accuracy, agreement with the reference, and the size if no picture was classified.
const WORTHS: [Worth; 3] = [
    Worth {
        title: "Accuracy against latency",
        axis: "right first, %",
        of: |figures| figures.accuracy.map(|accuracy| 100.0 * accuracy.top1 as f64 / accuracy.of as f64),
    },
    Worth {
        title: "Agreement with the reference against latency",
        axis: "agreement, %",
        of: |figures| figures.agreement.map(|share| 100.0 * share.same as f64 / share.of as f64),
    },
    Worth {
        title: "Size against latency",
        axis: "file, MB",
        of: |figures| Some(figures.facts.file_bytes as f64 / 1e6),
    },
];

/// The title and the plot of what models are worth against what they cost: up and left is better.
pub(super) fn scatter(models: &[(&str, &Figures)]) -> (&'static str, String) {
    let known = |worth: &&Worth| models.iter().any(|(_, figures)| (worth.of)(figures).is_some());
    let worth = WORTHS.iter().find(known).unwrap_or(&WORTHS[WORTHS.len() - 1]);
    let points: Vec<(usize, &str, f64, f64)> = (models.iter().enumerate())
        .filter_map(|(at, (name, figures))| Some((at, *name, figures.infer_ms.p50, (worth.of)(figures)?)))
        .collect();
    let slowest = points.iter().map(|point| point.2).fold(0.0, f64::max);
    let best = points.iter().map(|point| point.3).fold(0.0, f64::max);
    let (right, top) = (nice(slowest * 1.15), if worth.axis.ends_with('%') { 100.0 } else { nice(best * 1.1) });
    let mut out = open(worth.title, HEIGHT);
    axes(&mut out, (right, "milliseconds a picture (p50)"), (top, worth.axis));
    // Moves overlapping labels apart.
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for (at, name, ms, value) in points {
        let (x, y) = (AREA[0] + (AREA[1] - AREA[0]) * ms / right, AREA[3] - (AREA[3] - AREA[2]) * value / top);
        let colour = colour(at);
        let left = x > (AREA[0] + AREA[1]) / 2.0;
        let (anchor, label_x) = if left { ("end", x - 11.0) } else { ("start", x + 11.0) };
        let mut label_y = y + 4.0;
        while taken
            .iter()
            .any(|(other_x, other_y)| (other_x - label_x).abs() < 220.0 && (other_y - label_y).abs() < 14.0)
        {
            label_y += 14.0;
        }
        taken.push((label_x, label_y));
        let name = escaped(name);
        out.push_str(&format!(
            "<circle class=\"dot {colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"7\"><title>{name}: {ms:.2} ms, {value:.1}</title></circle>\
             <text class=\"name\" x=\"{label_x:.1}\" y=\"{label_y:.1}\" text-anchor=\"{anchor}\">{name}</text>\n"
        ));
    }
    out.push_str("</svg>\n");
    (worth.title, out)
}

/// A row for each model, on one axis.
pub(super) fn histograms(models: &[(&str, &Figures)]) -> String {
    const ROW: f64 = 46.0;
    let height = AREA[2] + ROW * models.len() as f64 + 44.0;
    let end =
        |figures: &Figures| figures.infer_ms.histogram.last().map_or(0.0, |bin| bin.from_ms).max(figures.infer_ms.p95);
    let right = nice(models.iter().map(|(_, figures)| end(figures)).fold(0.0, f64::max) * 1.05);
    let (left, span) = (16.0, AREA[1] - 16.0);
    let x = |ms: f64| left + span * ms / right;
    let bottom = AREA[2] + ROW * models.len() as f64;
    let mut out = open("How long the inferences took", height);
    for at in 0..=4 {
        let ms = right * f64::from(at) / 4.0;
        out.push_str(&format!(
            "<line class=\"grid\" x1=\"{0:.1}\" y1=\"{1}\" x2=\"{0:.1}\" y2=\"{bottom:.1}\"/><text x=\"{0:.1}\" y=\"{2:.1}\" text-anchor=\"middle\">{3}</text>\n",
            x(ms), AREA[2], bottom + 16.0, number(ms)
        ));
    }
    for (at, (name, figures)) in models.iter().enumerate() {
        let base = AREA[2] + ROW * (at + 1) as f64 - 6.0;
        let bins = &figures.infer_ms.histogram;
        let most = bins.iter().map(|bin| bin.runs).max().unwrap_or(1).max(1) as f64;
        let width = bins.get(1).map_or(0.0, |bin| span * (bin.from_ms - bins[0].from_ms) / right).max(1.2);
        let (name, colour) = (escaped(name), colour(at));
        let (p50, p95) = (figures.infer_ms.p50, figures.infer_ms.p95);
        let (anchor, label_x) = match x(p50) > left + span * 0.6 {
            true => ("end", x(bins.first().map_or(p50, |bin| bin.from_ms)) - 8.0),
            false => ("start", x(end(figures)) + 10.0),
        };
        out.push_str(&format!("<g class=\"{colour}\"><title>{name}: p50 {p50:.2} ms, p95 {p95:.2} ms</title>"));
        for bin in bins.iter().filter(|bin| bin.runs > 0) {
            let tall = 30.0 * bin.runs as f64 / most;
            out.push_str(&format!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{tall:.1}\"/>",
                x(bin.from_ms),
                base - tall
            ));
        }
        out.push_str(&format!(
            "</g>\n<line class=\"axis\" x1=\"{left}\" y1=\"{base:.1}\" x2=\"{:.1}\" y2=\"{base:.1}\"/>\
             <text class=\"name\" x=\"{label_x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{name} {p50:.1}</text>\n",
            left + span,
            base - 6.0
        ));
    }
    out.push_str(&format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">milliseconds a picture; the number is p50</text>\n</svg>\n",
        left + span / 2.0,
        bottom + 34.0
    ));
    out
}

/// Begins a plot of this height.
pub(crate) fn open(title: &str, height: f64) -> String {
    let title = escaped(title);
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">\n")
}

fn axes(out: &mut String, (right, across): (f64, &str), (top, up): (f64, &str)) {
    let [x0, x1, y0, y1] = AREA;
    for at in 0..=4 {
        let part = f64::from(at) / 4.0;
        let (x, y) = (x0 + (x1 - x0) * part, y1 - (y1 - y0) * part);
        out.push_str(&format!(
            "<line class=\"grid\" x1=\"{x0}\" y1=\"{y:.1}\" x2=\"{x1}\" y2=\"{y:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
            x0 - 8.0, y + 4.0, number(top * part), y1 + 18.0, number(right * part)
        ));
    }
    out.push_str(&format!(
        "<line class=\"axis\" x1=\"{x0}\" y1=\"{y1}\" x2=\"{x1}\" y2=\"{y1}\"/><line class=\"axis\" x1=\"{x0}\" y1=\"{y0}\" x2=\"{x0}\" y2=\"{y1}\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{across}</text>\
         <text transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\">{up}</text>\n",
        (x0 + x1) / 2.0, y1 + 40.0, (y0 + y1) / 2.0
    ));
}

/// Rounds up to a number that is easy to divide by four.
pub(crate) fn nice(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let decade = 10f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0];
    steps.iter().map(|step| step * decade).find(|&step| step >= value * 0.999_999).unwrap_or(value)
}

/// With at most two decimal places.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::row;
    use super::*;

    #[test]
    fn axes_end_at_numbers_that_are_easy_to_read() {
        assert_eq!([nice(7.7), nice(31.0), nice(98.0), nice(1.0)], [8.0, 32.0, 100.0, 1.0]);
        assert_eq!([nice(0.0), nice(f64::NAN)], [1.0, 1.0]);
        assert_eq!([number(0.25), number(2.0), number(10.0)], ["0.25", "2", "10"]);
    }

    #[test]
    fn every_model_has_its_dot_inside_the_plot() {
        let rows =
            [row("a", 7.5, 14_000_000, Some(80)), row("b", 0.02, 3_600_000, Some(0)), row("c", 7.5, 1, Some(80))];
        let models: Vec<(&str, &Figures)> =
            rows.iter().filter_map(|row| Some((row.name.as_str(), row.figures.as_ref()?))).collect();
        let (title, plot) = scatter(&models);
        assert_eq!(title, "Accuracy against latency");
        for dot in plot.split("cx=\"").skip(1) {
            let x: f64 = dot.split('"').next().expect("a number").parse().expect("a number");
            assert!((AREA[0]..=AREA[1]).contains(&x), "{x}");
        }
        assert_eq!(plot.matches("<circle").count(), 3);
        assert_eq!(histograms(&models).matches("<g class").count(), 3);
    }
}

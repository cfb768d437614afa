//! The report as text: for a terminal, and as Markdown.

use crate::domain::comparison::{Accuracy, Figures, Report, Share};

/// Below this number of pictures, a percentage would be misleading.
const FEW: usize = 100;

const HEADINGS: [&str; 13] = [
    "model",
    "precision",
    "top-1",
    "top-5",
    "agrees",
    "p50 ms",
    "p95 ms",
    "load ms",
    "memory MB",
    "file MB",
    "parameters M",
    "GFLOP",
    "residual",
];

/// Rows of cells, the heading first. Models that could not be measured are left out.
pub fn cells(report: &Report) -> Vec<Vec<String>> {
    let rows = report.models.iter().filter_map(|model| Some(row(&model.name, model.figures.as_ref()?)));
    std::iter::once(HEADINGS.map(str::to_owned).to_vec()).chain(rows).collect()
}

fn row(name: &str, figures: &Figures) -> Vec<String> {
    let accuracy = |of: &dyn Fn(Accuracy) -> usize| {
        figures.accuracy.map_or("-".to_owned(), |accuracy| share(of(accuracy), accuracy.of))
    };
    vec![
        name.to_owned(),
        figures.facts.precision.clone(),
        accuracy(&|accuracy| accuracy.top1),
        accuracy(&|accuracy| accuracy.top5),
        figures.agreement.map_or("-".to_owned(), |Share { same, of }| share(same, of)),
        format!("{:.2}", figures.infer_ms.p50),
        format!("{:.2}", figures.infer_ms.p95),
        format!("{:.0}", figures.load_ms),
        figures.peak_memory_bytes.map_or("-".to_owned(), |bytes| format!("{:.0}", bytes as f64 / 1e6)),
        format!("{:.1}", figures.facts.file_bytes as f64 / 1e6),
        format!("{:.2}", figures.facts.parameters as f64 / 1e6),
        format!("{:.2}", figures.flops as f64 / 1e9),
        if figures.facts.residual { "yes" } else { "no" }.to_owned(),
    ]
}

/// A percentage, or the count if there are few pictures.
pub fn share(part: usize, of: usize) -> String {
    match of {
        FEW.. => format!("{:.1} %", 100.0 * part as f64 / of as f64),
        _ => format!("{part}/{of}"),
    }
}

/// Device, date, version and pictures.
pub fn caption(report: &Report) -> String {
    let device = &report.device;
    let machine = if device.board == device.processor {
        device.board.clone()
    } else {
        format!("{}, {}", device.processor, device.board)
    };
    let date = report.ts.get(..10).unwrap_or(&report.ts);
    let pictures = match (report.pictures.count, report.pictures.labelled) {
        (0, _) => "no pictures".to_owned(),
        (count, labelled) if count == labelled => format!("{count} labelled pictures ({})", report.pictures.source),
        (count, 0) => format!("{count} pictures without labels ({})", report.pictures.source),
        (count, labelled) => format!("{count} pictures, {labelled} of them labelled ({})", report.pictures.source),
    };
    format!(
        "glimpsed {}, {machine}, {} cores, {date}; {pictures}; agreement is with {}",
        report.version, device.cores, report.reference
    )
}

/// The models and pictures that failed.
pub fn failures(report: &Report) -> Vec<String> {
    let models = report.models.iter().filter_map(|model| Some(format!("{}: {}", model.name, model.error.as_ref()?)));
    // A picture that cannot be decoded fails for every model, so one model's list suffices.
    let pictures = report.models.iter().find_map(|model| model.figures.as_ref()).map(|figures| figures.failed.clone());
    models.chain(pictures.unwrap_or_default()).collect()
}

/// The table in Markdown, with its caption and the advice.
pub fn markdown(report: &Report) -> String {
    let cells = cells(report);
    let line = |cells: &[String]| {
        format!("| {} |\n", cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "))
    };
    let mut out = line(&cells[0]);
    out.push_str("|---|---|");
    out.push_str(&"---:|".repeat(HEADINGS.len() - 2));
    out.push('\n');
    cells[1..].iter().for_each(|row| out.push_str(&line(row)));
    out.push_str(&format!("\n{}.\n", caption(report)));
    if !report.advice.is_empty() {
        out.push('\n');
    }
    for advice in &report.advice {
        out.push_str(&format!("- {}: **{}**, {}\n", advice.kind, advice.model, advice.reason));
    }
    for failure in failures(report) {
        out.push_str(&format!("- not measured: {failure}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{report, row};
    use super::*;

    #[test]
    fn markdown_has_a_row_for_each_model_and_says_what_to_take() {
        let text = markdown(&report(vec![row("a|b", 7.5, 14_000_000, Some(80)), row("c", 3.0, 3_600_000, Some(78))]));
        assert!(text.contains("| a\\|b | fp32 | 80.0 % | 100.0 % | 90.0 % | 7.50 | 8.25 |"), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with('|')).count(), 4);
        assert!(text.contains("- most accurate: **a|b**, right on 80 of 100 pictures"), "{text}");
        assert!(text.contains("2026-11-24; 100 labelled pictures (photos)"), "{text}");
    }

    #[test]
    fn few_pictures_are_counted_and_not_turned_into_percent() {
        assert_eq!((share(12, 14), share(120, 200)), ("12/14".into(), "60.0 %".into()));
    }
}

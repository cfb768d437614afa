//! The report as a self-contained HTML page without scripts.

use super::{plot, table};
use crate::compare::escape::escaped;
use crate::domain::comparison::{Figures, Report};

/// Of each report.
pub(crate) const STYLE: &str = include_str!("report.css");

/// Renders the whole page.
pub fn page(report: &Report) -> String {
    let mut out = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    out.push_str(&format!("<title>Models on {}</title>\n<style>\n{STYLE}</style>\n", escaped(&report.device.board)));
    out.push_str("</head>\n<body>\n<main>\n<header>\n<h1>Models side by side</h1>\n");
    out.push_str(&format!("<p class=\"caption\">{}</p>\n</header>\n", escaped(&table::caption(report))));
    advice(report, &mut out);
    plots(report, &mut out);
    figures(report, &mut out);
    out.push_str(&format!("<footer>{NOTES}</footer>\n</main>\n</body>\n</html>\n"));
    out
}

const NOTES: &str = "<p>Each model was measured in a process of its own, one at a time, in turns. p50 and p95: half of the \
     inferences, and 19 of 20, took no longer; one picture, one thread, preprocessing not included. Memory is the most that the \
     process had, the program itself included. Agreement: how often the first label is the reference's. One multiply-accumulate \
     is two FLOP. Residual: the output of layers is added to that of earlier ones.</p>";

fn advice(report: &Report, out: &mut String) {
    if report.advice.is_empty() {
        return;
    }
    out.push_str("<section class=\"advice\" aria-label=\"Which one to take\">\n");
    for one in &report.advice {
        let (kind, model, reason) = (escaped(one.kind), escaped(&one.model), escaped(&one.reason));
        out.push_str(&format!("<article><h2>{kind}</h2><p class=\"model\">{model}</p><p>{reason}</p></article>\n"));
    }
    out.push_str("</section>\n");
}

fn plots(report: &Report, out: &mut String) {
    let measured = measured(report);
    if measured.is_empty() {
        return;
    }
    out.push_str("<section class=\"plots\">\n");
    let (title, scatter) = plot::scatter(&measured);
    out.push_str(&format!("<figure>\n<figcaption>{title}</figcaption>\n{scatter}</figure>\n"));
    out.push_str("<figure>\n<figcaption>How long the inferences took</figcaption>\n");
    out.push_str(&plot::histograms(&measured));
    out.push_str("</figure>\n</section>\n");
}

fn measured(report: &Report) -> Vec<(&str, &Figures)> {
    report.models.iter().filter_map(|model| Some((model.name.as_str(), model.figures.as_ref()?))).collect()
}

fn figures(report: &Report, out: &mut String) {
    let cells = table::cells(report);
    out.push_str("<section>\n<h2>Figures</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Figures\">\n<table>\n<thead><tr>");
    for heading in &cells[0] {
        out.push_str(&format!("<th scope=\"col\">{}</th>", escaped(heading)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (at, row) in cells[1..].iter().enumerate() {
        let colour = plot::colour(at);
        let (name, rest) = (escaped(&row[0]), &row[1..]);
        out.push_str(&format!("<tr><th scope=\"row\"><span class=\"key {colour}\"></span>{name}</th>"));
        rest.iter().for_each(|cell| out.push_str(&format!("<td>{}</td>", escaped(cell))));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    for failure in table::failures(report) {
        out.push_str(&format!("<p class=\"failure\">Not measured: {}</p>\n", escaped(&failure)));
    }
    out.push_str("</section>\n");
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{report, row};
    use super::*;
    use crate::domain::comparison::Row;

    #[test]
    fn the_page_needs_nothing_else_and_what_it_quotes_is_harmless() {
        let mut rows =
            vec![row("<script>alert(1)</script>", 7.5, 14_000_000, Some(80)), row("b", 3.0, 3_600_000, Some(78))];
        rows.push(Row { name: "broken".into(), error: Some("\"no\" <file>".into()), figures: None });
        let page = page(&report(rows));
        assert!(!page.contains("<script") && !page.contains("http") && !page.contains("<link"), "{page}");
        assert!(page.contains("&lt;script&gt;") && page.contains("&quot;no&quot; &lt;file&gt;"));
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(page.contains("Board &lt;1&gt;"));
    }

    #[test]
    fn a_report_without_a_single_figure_is_still_a_page() {
        let page = page(&report(vec![Row { name: "broken".into(), error: Some("no".into()), figures: None }]));
        assert!(page.contains("Not measured: broken: no") && !page.contains("<svg"));
    }
}

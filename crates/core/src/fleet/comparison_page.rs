//! The report of many devices as a self-contained HTML page without scripts.

use super::comparison::{Compared, OnBoard, by_board, cells, cells_of_each};
use crate::compare::escape::escaped;
use crate::compare::html::STYLE;
use crate::compare::plot::{AREA, colour, nice, number, open};

/// Rows of the plot; the table has all.
const MAX_ROWS: usize = 80;

/// Dots of a row.
const MAX_DOTS: usize = 200;

/// Renders the whole page; `left_out` are the devices without figures, with the reason, and `at` is the date.
pub fn page(compared: &[Compared], left_out: &[(String, String)], at: &str) -> String {
    let rows = by_board(compared);
    let mut out = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    out.push_str(&format!("<title>Which board does what</title>\n<style>\n{STYLE}</style>\n"));
    out.push_str("</head>\n<body>\n<main>\n<header>\n<h1>Which board does what</h1>\n");
    let caption = format!("{} devices, each measured by itself; {}", compared.len(), at);
    out.push_str(&format!("<p class=\"caption\">{}</p>\n</header>\n", escaped(&caption)));
    if !rows.is_empty() {
        out.push_str("<section class=\"plots\">\n<figure>\n<figcaption>Milliseconds a picture: a dot for each device, a line for their median</figcaption>\n");
        out.push_str(&strips(&rows));
        out.push_str("</figure>\n</section>\n");
    }
    table("Boards", &cells(&rows), &mut out);
    table("Devices", &cells_of_each(compared), &mut out);
    for (device, cause) in left_out {
        out.push_str(&format!("<p class=\"failure\">No figures: {}: {}</p>\n", escaped(device), escaped(cause)));
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn table(title: &str, cells: &[Vec<String>], out: &mut String) {
    let Some((heading, rows)) = cells.split_first() else { return };
    out.push_str(&format!("<section>\n<h2>{title}</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\n<table>\n<thead><tr>"));
    heading.iter().for_each(|cell| out.push_str(&format!("<th scope=\"col\">{}</th>", escaped(cell))));
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let cell = escaped(cell);
            out.push_str(&if at == 0 { format!("<th scope=\"row\">{cell}</th>") } else { format!("<td>{cell}</td>") });
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

/// A row for each model on each board, on one axis; each board has its colour.
fn strips(rows: &[OnBoard]) -> String {
    const ROW: f64 = 40.0;
    let shown = &rows[..rows.len().min(MAX_ROWS)];
    let right = nice(shown.iter().map(|row| row.slowest_ms).fold(0.0, f64::max) * 1.05);
    let (left, span) = (16.0, AREA[1] - 16.0);
    let x = |ms: f64| left + span * ms / right;
    let bottom = AREA[2] + ROW * shown.len() as f64;
    let mut out = open("Milliseconds a picture, by board and model", bottom + 44.0);
    for at in 0..=4 {
        let ms = right * f64::from(at) / 4.0;
        out.push_str(&format!(
            "<line class=\"grid\" x1=\"{0:.1}\" y1=\"{1}\" x2=\"{0:.1}\" y2=\"{bottom:.1}\"/><text x=\"{0:.1}\" y=\"{2:.1}\" text-anchor=\"middle\">{3}</text>\n",
            x(ms), AREA[2], bottom + 16.0, number(ms)
        ));
    }
    let mut boards: Vec<&str> = Vec::new();
    for (at, row) in shown.iter().enumerate() {
        if !boards.contains(&row.board.as_str()) {
            boards.push(&row.board);
        }
        let colour = colour(boards.len() - 1);
        let y = AREA[2] + ROW * (at + 1) as f64 - 8.0;
        let name = escaped(&format!("{}: {} {}", row.board, row.model, row.precision));
        out.push_str(&format!(
            "<text class=\"name\" x=\"{left}\" y=\"{:.1}\">{name}, {} ms</text>\n<line class=\"axis\" x1=\"{left}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>\n",
            y - 12.0, number(row.p50_ms), left + span
        ));
        let step = row.each_ms.len().div_ceil(MAX_DOTS).max(1);
        for ms in row.each_ms.iter().step_by(step) {
            out.push_str(&format!("<circle class=\"dot {colour}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{name}: {ms:.2} ms</title></circle>", x(*ms)));
        }
        let median = x(row.p50_ms);
        out.push_str(&format!(
            "<line class=\"axis\" x1=\"{median:.1}\" y1=\"{:.1}\" x2=\"{median:.1}\" y2=\"{:.1}\"/>\n",
            y - 8.0,
            y + 6.0
        ));
    }
    out.push_str(&format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">milliseconds a picture (p50)</text>\n</svg>\n",
        left + span / 2.0,
        bottom + 34.0
    ));
    out
}

#[cfg(test)]
mod tests {
    use super::super::comparison::read;
    use super::super::comparison::tests::report;
    use super::*;

    #[test]
    fn the_page_needs_nothing_else_and_has_a_dot_for_each_device_inside_the_plot() {
        let compared: Vec<Compared> = (1..=5)
            .map(|number| read(&format!("d{number}"), &report("<b>Pi</b>", f64::from(number))).expect("a report"))
            .collect();
        let page = page(&compared, &[("d6".into(), "no <answer>".into())], "2026-11-30");
        assert!(
            !page.contains("<b>") && !page.contains("<script") && !page.contains("http") && !page.contains("<link"),
            "{page}"
        );
        assert!(page.contains("No figures: d6: no &lt;answer&gt;") && page.contains("&lt;b&gt;Pi"));
        assert_eq!(page.matches("<circle").count(), 5);
        for dot in page.split("cx=\"").skip(1) {
            let x: f64 = dot.split('"').next().expect("a number").parse().expect("a number");
            assert!((16.0..=AREA[1]).contains(&x), "{x}");
        }
    }

    #[test]
    fn thousands_of_devices_give_a_bounded_plot() {
        let of = |number: u32| {
            read("d", &report(&format!("board {}", number % 100), 1.0 + f64::from(number))).expect("a report")
        };
        let compared: Vec<Compared> = (0..20_000).map(of).collect();
        let strips = strips(&by_board(&compared));
        assert!(
            strips.matches("<circle").count() <= MAX_ROWS * MAX_DOTS
                && strips.matches("class=\"name\"").count() == MAX_ROWS
        );
        assert!(!page(&[], &[], "").contains("<svg"));
    }
}

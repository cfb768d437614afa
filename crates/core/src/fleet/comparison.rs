//! One report of the reports of many devices: which board does what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::natural;
use super::payload::text;

/// The models of a report that are read.
const MAX_MODELS: usize = 64;

/// What a device measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    pub device: String,
    pub board: String,
    pub models: Vec<Measured>,
}

/// One model on one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub model: String,
    pub precision: String,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub memory_bytes: Option<u64>,
    /// Pictures that were named right first, of those of which it is known what they show.
    pub top1: Option<(u64, u64)>,
}

/// A model on all devices with the same board.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OnBoard {
    pub board: String,
    pub model: String,
    pub precision: String,
    pub devices: usize,
    /// The median of the devices' medians, the fastest and the slowest of them.
    pub p50_ms: f64,
    pub fastest_ms: f64,
    pub slowest_ms: f64,
    /// The largest of the 95th percentiles.
    pub p95_ms: f64,
    /// The largest.
    pub memory_bytes: Option<u64>,
    /// The median of each device, the fastest first.
    #[serde(skip)]
    pub each_ms: Vec<f64>,
    /// The smallest share of pictures that were named right first.
    pub top1: Option<f64>,
}

#[derive(Deserialize)]
struct ReportRead {
    device: DeviceRead,
    models: Vec<RowRead>,
}

#[derive(Deserialize)]
struct DeviceRead {
    board: String,
}

#[derive(Deserialize)]
struct RowRead {
    name: String,
    precision: Option<String>,
    infer_ms: Option<LatencyRead>,
    peak_memory_bytes: Option<u64>,
    accuracy: Option<AccuracyRead>,
}

#[derive(Deserialize)]
struct LatencyRead {
    p50: f64,
    p95: f64,
}

#[derive(Deserialize)]
struct AccuracyRead {
    top1: u64,
    of: u64,
}

/// Reads the report of a device. Models that could not be measured are left out.
///
/// # Errors
/// Why it is not understood.
pub fn read(device: &str, report: &Value) -> Result<Compared, String> {
    let report = ReportRead::deserialize(report)
        .map_err(|error| format!("its report is not understood: {}", text(&error.to_string())))?;
    let measured = |row: RowRead| {
        let latency = row.infer_ms.filter(|latency| latency.p50 > 0.0 && latency.p95 >= latency.p50)?;
        Some(Measured {
            model: text(&row.name),
            precision: row.precision.as_deref().map(text).unwrap_or_default(),
            p50_ms: latency.p50,
            p95_ms: latency.p95,
            memory_bytes: row.peak_memory_bytes,
            top1: row
                .accuracy
                .filter(|accuracy| accuracy.of > 0 && accuracy.top1 <= accuracy.of)
                .map(|accuracy| (accuracy.top1, accuracy.of)),
        })
    };
    let models: Vec<Measured> = report.models.into_iter().take(MAX_MODELS).filter_map(measured).collect();
    match models.is_empty() {
        true => Err("it could measure no model".to_owned()),
        false => Ok(Compared { device: device.to_owned(), board: text(&report.device.board), models }),
    }
}

/// Each model on each board, in the order of the boards and then the fastest first.
pub fn by_board(compared: &[Compared]) -> Vec<OnBoard> {
    let mut groups: BTreeMap<(&str, &str, &str), Vec<&Measured>> = BTreeMap::new();
    for device in compared {
        for model in &device.models {
            groups.entry((&device.board, &model.model, &model.precision)).or_default().push(model);
        }
    }
    let mut rows: Vec<OnBoard> =
        groups.into_iter().map(|((board, model, precision), all)| on_board(board, model, precision, &all)).collect();
    rows.sort_by(|one, other| natural::compare(&one.board, &other.board).then(one.p50_ms.total_cmp(&other.p50_ms)));
    rows
}

/// `all` is not empty.
fn on_board(board: &str, model: &str, precision: &str, all: &[&Measured]) -> OnBoard {
    let mut each_ms: Vec<f64> = all.iter().map(|measured| measured.p50_ms).collect();
    each_ms.sort_by(f64::total_cmp);
    let share = |measured: &&Measured| measured.top1.map(|(right, of)| right as f64 / of as f64);
    OnBoard {
        board: board.to_owned(),
        model: model.to_owned(),
        precision: precision.to_owned(),
        devices: all.len(),
        p50_ms: each_ms[each_ms.len() / 2],
        fastest_ms: each_ms[0],
        slowest_ms: each_ms[each_ms.len() - 1],
        p95_ms: all.iter().map(|measured| measured.p95_ms).fold(0.0, f64::max),
        memory_bytes: all.iter().filter_map(|measured| measured.memory_bytes).max(),
        each_ms,
        top1: all.iter().filter_map(share).min_by(f64::total_cmp),
    }
}

/// Rows of cells, the heading first: each model on each board.
pub fn cells(rows: &[OnBoard]) -> Vec<Vec<String>> {
    let heading =
        ["board", "model", "precision", "devices", "p50 ms", "fastest", "slowest", "p95 ms", "memory MB", "top-1"];
    let row = |row: &OnBoard| {
        vec![
            row.board.clone(),
            row.model.clone(),
            row.precision.clone(),
            row.devices.to_string(),
            format!("{:.2}", row.p50_ms),
            format!("{:.2}", row.fastest_ms),
            format!("{:.2}", row.slowest_ms),
            format!("{:.2}", row.p95_ms),
            row.memory_bytes.map_or("-".to_owned(), |bytes| format!("{:.0}", bytes as f64 / 1e6)),
            row.top1.map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share)),
        ]
    };
    std::iter::once(heading.map(str::to_owned).to_vec()).chain(rows.iter().map(row)).collect()
}

/// The same for each device alone.
pub fn cells_of_each(compared: &[Compared]) -> Vec<Vec<String>> {
    let heading = ["device", "board", "model", "precision", "p50 ms", "p95 ms", "memory MB", "top-1"];
    let rows = compared.iter().flat_map(|device| {
        device.models.iter().map(|model| {
            vec![
                device.device.clone(),
                device.board.clone(),
                model.model.clone(),
                model.precision.clone(),
                format!("{:.2}", model.p50_ms),
                format!("{:.2}", model.p95_ms),
                model.memory_bytes.map_or("-".to_owned(), |bytes| format!("{:.0}", bytes as f64 / 1e6)),
                model.top1.map_or("-".to_owned(), |(right, of)| format!("{right}/{of}")),
            ]
        })
    });
    std::iter::once(heading.map(str::to_owned).to_vec()).chain(rows).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    pub(in crate::fleet) fn report(board: &str, p50: f64) -> Value {
        json!({
            "version": "0.1.0", "device": { "board": board, "processor": "x", "cores": 4 },
            "models": [
                { "name": "a", "precision": "fp32", "infer_ms": { "p50": p50, "p95": p50 * 2.0, "runs": 9, "histogram": [] }, "peak_memory_bytes": 30_000_000,
                  "accuracy": { "top1": 9, "top5": 10, "of": 10 } },
                { "name": "broken", "error": "no" },
            ],
        })
    }

    #[test]
    fn devices_with_one_board_are_put_together() {
        let devices = [("x", "Pi 5", 8.0), ("y", "Pi 4", 20.0), ("z", "Pi 4", 30.0), ("w", "Pi 4", 22.0)];
        let compared: Vec<Compared> =
            devices.iter().map(|(id, board, p50)| read(id, &report(board, *p50)).expect("a report")).collect();
        let rows = by_board(&compared);
        assert_eq!(
            cells(&rows)[1..],
            [
                ["Pi 4", "a", "fp32", "3", "22.00", "20.00", "30.00", "60.00", "30", "90.0 %"],
                ["Pi 5", "a", "fp32", "1", "8.00", "8.00", "8.00", "16.00", "30", "90.0 %"],
            ]
        );
        assert_eq!(cells_of_each(&compared)[1][..5], ["x", "Pi 5", "a", "fp32", "8.00"]);
    }

    #[test]
    fn a_report_that_is_none_is_told() {
        assert!(read("x", &json!({ "device": 5 })).expect_err("no report").contains("its report is not understood: "));
        assert_eq!(
            read("x", &json!({ "device": { "board": "Pi" }, "models": [{ "name": "a", "error": "no" }] })),
            Err("it could measure no model".into())
        );
        assert_eq!(read("x", &report("Pi", -1.0)), Err("it could measure no model".into()));
    }

    proptest! {
        #[test]
        fn the_median_lies_between_the_fastest_and_the_slowest(times in proptest::collection::vec(0.01f64..1e6, 1..30)) {
            let compared: Vec<Compared> = times.iter().map(|time| read("x", &report("Pi", *time)).expect("a report")).collect();
            let rows = by_board(&compared);
            prop_assert_eq!(rows.len(), 1);
            prop_assert!(rows[0].fastest_ms <= rows[0].p50_ms && rows[0].p50_ms <= rows[0].slowest_ms && rows[0].devices == times.len());
        }
    }
}

//! One report of the reports of many devices: which board does what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::natural;
use super::payload::text;

/// The models of a report that are read.
const MAX_MODELS: usize = 64;

/// What a picture can take, in milliseconds: from a tenth of a microsecond to ten minutes.
const LATENCY_MS: std::ops::RangeInclusive<f64> = 1e-4..=6e5;

/// A tebibyte.
const MAX_MEMORY: u64 = 1 << 40;

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

impl RowRead {
    /// Whether the numbers can be those of a measurement.
    fn check(&self, latency: &LatencyRead) -> Result<(), String> {
        let LatencyRead { p50, p95 } = *latency;
        for (name, ms) in [("median", p50), ("95th percentile", p95)] {
            if !LATENCY_MS.contains(&ms) {
                let (least, most) = (LATENCY_MS.start(), LATENCY_MS.end());
                return Err(format!("a {name} of {ms:e} ms, and a picture takes {least} to {most}"));
            }
        }
        if p95 < p50 {
            return Err(format!("a 95th percentile of {p95} ms below its median of {p50} ms"));
        }
        if let Some(bytes) = self.peak_memory_bytes.filter(|bytes| *bytes > MAX_MEMORY) {
            return Err(format!("{bytes} bytes of memory, and there are at most {MAX_MEMORY}"));
        }
        match &self.accuracy {
            Some(AccuracyRead { top1, of }) if top1 > of => Err(format!("{top1} of {of} pictures right")),
            _ => Ok(()),
        }
    }
}

/// Reads the report of a device. Models that could not be measured are left out.
///
/// # Errors
/// Why it is not understood, or what in it cannot be: one such number would spoil the figures of all.
pub fn read(device: &str, report: &Value) -> Result<Compared, String> {
    let report = ReportRead::deserialize(report)
        .map_err(|error| format!("its report is not understood: {}", text(&error.to_string())))?;
    let measured = |row: RowRead| {
        let latency = row.infer_ms.as_ref()?;
        if let Err(cause) = row.check(latency) {
            return Some(Err(format!("its report cannot be: `{}` has {cause}", text(&row.name))));
        }
        Some(Ok(Measured {
            model: text(&row.name),
            precision: row.precision.as_deref().map(text).unwrap_or_default(),
            p50_ms: latency.p50,
            p95_ms: latency.p95,
            memory_bytes: row.peak_memory_bytes,
            top1: row.accuracy.filter(|accuracy| accuracy.of > 0).map(|accuracy| (accuracy.top1, accuracy.of)),
        }))
    };
    let models: Vec<Measured> =
        report.models.into_iter().take(MAX_MODELS).filter_map(measured).collect::<Result<_, String>>()?;
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
    }

    #[test]
    fn a_report_with_a_number_that_cannot_be_is_refused_as_a_whole_and_says_which() {
        for p50 in [-1.0, 0.0, 1e-9, 1e300, 6.1e5] {
            let refused = read("x", &report("Pi", p50)).expect_err("absurd");
            assert!(refused.starts_with("its report cannot be: `a` has a median of "), "{refused}");
        }
        assert!(read("x", &report("Pi", 4e5)).expect_err("absurd").contains("a 95th percentile of 8e5 ms"));
        let with = |key: &str, value: Value| {
            let mut report = report("Pi", 8.0);
            report["models"][0][key] = value;
            read("x", &report).expect_err("absurd")
        };
        assert!(with("infer_ms", json!({ "p50": 8.0, "p95": 7.0 })).contains("below its median"));
        assert!(with("peak_memory_bytes", json!(u64::MAX)).contains("bytes of memory"));
        assert!(with("accuracy", json!({ "top1": 11, "of": 10 })).contains("11 of 10 pictures right"));
        // JSON has no such numbers; other programs write them so.
        assert!(with("infer_ms", json!({ "p50": null, "p95": "inf" })).contains("is not understood"));
        assert!(read("x", &report("Pi", 2.5e5)).is_ok() && read("x", &report("Pi", 1e-3)).is_ok());
    }

    proptest! {
        #[test]
        fn the_median_lies_between_the_fastest_and_the_slowest(times in proptest::collection::vec(0.01f64..3e5, 1..30)) {
            let compared: Vec<Compared> = times.iter().map(|time| read("x", &report("Pi", *time)).expect("a report")).collect();
            let rows = by_board(&compared);
            prop_assert_eq!(rows.len(), 1);
            prop_assert!(rows[0].fastest_ms <= rows[0].p50_ms && rows[0].p50_ms <= rows[0].slowest_ms && rows[0].devices == times.len());
        }
    }
}

//! The board's findings: temperature, supply, disk space. Without a sensor, a finding is left out.

use std::path::{Path, PathBuf};

use super::finding::{Finding, Verdict};
use glimpsed_core::board::Board;
use glimpsed_core::decide::thermal::Limits;

/// Bytes. A model that is fetched needs some 20 MB, the system's log and an upgrade more.
const LITTLE_ROOM: u64 = 200_000_000;

/// Temperature, speed and supply.
pub(super) fn findings(board: &Board, limits: Limits) -> Vec<Finding> {
    let temperature = board.temperature().map(|celsius| temperature(celsius, limits));
    let speed = board.slowed_down().map(|slow| match slow {
        false => ("speed", Verdict::Ok, "the processor runs as fast as it is asked to".into()),
        true => {
            let says = "the processor is slowed down because of heat or its supply; give it air, a heat sink, or a \
                        stronger power supply";
            ("speed", Verdict::Warning, says.into())
        }
    });
    let supply = board.under_voltage().map(|weak| match weak {
        false => ("supply", Verdict::Ok, "the voltage is right".into()),
        true => {
            let says = "the voltage is too low; use the board's own power supply and a short, thick cable";
            ("supply", Verdict::Warning, says.into())
        }
    });
    let found = [temperature, speed, supply].into_iter().flatten();
    found.map(|(subject, verdict, says)| Finding { subject, verdict, says }).collect()
}

fn temperature(celsius: f64, limits: Limits) -> (&'static str, Verdict, String) {
    let Limits { soft, hard } = limits;
    let (verdict, says) = if celsius >= hard {
        let says =
            format!("{celsius:.1} °C: nothing is labelled from {hard} °C on (`hard_c` in [thermal]); give it air");
        (Verdict::Failed, says)
    } else if celsius >= soft {
        let says = format!(
            "{celsius:.1} °C: fewer frames are labelled from {soft} °C on (`soft_c` in [thermal]); give it air or a heat sink"
        );
        (Verdict::Warning, says)
    } else {
        (Verdict::Ok, format!("{celsius:.1} °C"))
    };
    ("temperature", verdict, says)
}

/// How much fits where models are fetched to.
pub(super) fn room(directories: &[PathBuf]) -> Option<Finding> {
    // The service may have yet to create the directory itself.
    let place = directories.first()?.ancestors().find(|place| place.is_dir())?;
    let disk = rustix::fs::statvfs(place).ok()?;
    Some(room_on(place, disk.f_bavail.saturating_mul(disk.f_frsize)))
}

fn room_on(place: &Path, free: u64) -> Finding {
    let megabytes = free / 1_000_000;
    let (verdict, says) = match free < LITTLE_ROOM {
        false => (Verdict::Ok, format!("{megabytes} MB are free in {}", place.display())),
        true => (
            Verdict::Warning,
            format!("only {megabytes} MB are free in {}; `journalctl --vacuum-size=50M` makes room", place.display()),
        ),
    };
    Finding { subject: "disk", verdict, says }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(files: &[(&str, &str)]) -> Vec<(&'static str, Verdict)> {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in files {
            let path = root.path().join("sys").join(path);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("writable");
            std::fs::write(path, text).expect("writable");
        }
        let found = findings(&Board::below(root.path()), Limits { soft: 75.0, hard: 84.0 });
        found.into_iter().map(|finding| (finding.subject, finding.verdict)).collect()
    }

    #[test]
    fn a_raspberry_pi_is_warned_of_heat_before_it_fails_of_it_and_of_a_weak_supply() {
        let pi = |temperature, weak| {
            verdicts(&[
                ("class/thermal/thermal_zone0/temp", temperature),
                ("class/hwmon/hwmon0/name", "rpi_volt"),
                ("class/hwmon/hwmon0/in0_lcrit_alarm", weak),
                ("devices/platform/soc/soc:firmware/get_throttled", "0"),
            ])
        };
        use Verdict::{Failed, Ok, Warning};
        assert_eq!(pi("74900", "0"), [("temperature", Ok), ("speed", Ok), ("supply", Ok)]);
        assert_eq!(pi("75000", "1"), [("temperature", Warning), ("speed", Ok), ("supply", Warning)]);
        assert_eq!(pi("84000", "0"), [("temperature", Failed), ("speed", Ok), ("supply", Ok)]);
    }

    #[test]
    fn what_there_is_no_sensor_for_is_left_out() {
        assert_eq!(verdicts(&[]), []);
    }

    #[test]
    fn a_disk_that_is_nearly_full_is_warned_of() {
        let place = Path::new("/var/lib");
        assert_eq!(room_on(place, LITTLE_ROOM).verdict, Verdict::Ok);
        let finding = room_on(place, 12_345_678);
        assert_eq!(finding.verdict, Verdict::Warning);
        assert!(finding.says.starts_with("only 12 MB are free in /var/lib; "), "{}", finding.says);
    }

    #[test]
    fn a_directory_that_is_not_there_yet_is_on_the_disk_of_the_one_above() {
        let finding = room(&["/no-such-directory/glimpsed".into()]).expect("there is a root");
        assert!(finding.says.ends_with("in /"), "{}", finding.says);
    }
}

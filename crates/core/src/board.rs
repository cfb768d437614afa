//! The board: model, processor, temperature, throttling. Read from files below a root, which tests replace.

use std::io::Read;
use std::path::{Path, PathBuf};

use glimpsed_base::files;

/// A line of sysfs or procfs.
const MAX_BYTES: u64 = 4096;

/// Thermal zones of a board; a Jetson has about ten.
const MAX_ZONES: usize = 64;

/// The kernel's files about the hardware.
#[derive(Debug, Clone)]
pub struct Board {
    root: PathBuf,
}

/// Environment variable with another root, for tests that simulate a heat wave.
pub const ROOT_VARIABLE: &str = "GLIMPSED_BOARD_ROOT";

impl Default for Board {
    fn default() -> Self {
        Self { root: std::env::var_os(ROOT_VARIABLE).map_or("/".into(), PathBuf::from) }
    }
}

impl Board {
    /// The board whose `sys` and `proc` lie below `root`.
    pub fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// `Raspberry Pi 4 Model B Rev 1.4` from the device tree, else the processor architecture.
    pub fn model(&self) -> String {
        let model = self.text("sys/firmware/devicetree/base/model").unwrap_or_default();
        match model.trim_end_matches('\0').trim() {
            "" => std::env::consts::ARCH.to_owned(),
            model => model.to_owned(),
        }
    }

    /// What identifies the type of processor: the board's name, else the processor's (which the service's sandbox
    /// hides), else its architecture.
    pub fn processor(&self) -> String {
        let board = self.model();
        if board != std::env::consts::ARCH {
            return board;
        }
        // The file is long on machines with many cores; the name is in its first lines.
        let name = std::fs::File::open(self.root.join("proc/cpuinfo")).ok().and_then(|file| {
            let mut text = Vec::new();
            file.take(MAX_BYTES).read_to_end(&mut text).ok()?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        name.unwrap_or(board)
    }

    /// The highest temperature of all thermal zones in degrees Celsius; `None` without a readable zone.
    pub fn temperature(&self) -> Option<f64> {
        let zones = self.directory("sys/class/thermal", "thermal_zone");
        // A Jetson Nano's power chip always reports 100 degrees.
        let real = |zone: &&PathBuf| self.text(zone.join("type")).is_none_or(|kind| kind.trim() != "PMIC-Die");
        let zones = zones.iter().filter(real);
        let millidegrees = zones.filter_map(|zone| self.text(zone.join("temp"))?.trim().parse::<i32>().ok());
        // Disabled zones read 0 or absurdly low.
        let warmest = millidegrees.filter(|temperature| (-40_000..=150_000).contains(temperature)).max()?;
        Some(f64::from(warmest) / 1000.0)
    }

    /// Whether the supply is too weak, or was since the last call: the alarm of the Raspberry Pi's `rpi_volt`
    /// (drivers/hwmon/raspberrypi-hwmon.c of Linux). `None` on boards without it.
    pub fn under_voltage(&self) -> Option<bool> {
        let devices = self.directory("sys/class/hwmon", "hwmon");
        let sensor = devices
            .iter()
            .find(|device| self.text(device.join("name")).is_some_and(|name| name.trim() == "rpi_volt"))?;
        Some(self.text(sensor.join("in0_lcrit_alarm"))?.trim() == "1")
    }

    /// Whether the processor is throttled because of its temperature or supply; `None` if the board does not report it.
    /// A Raspberry Pi's firmware reports bits (1: frequency capped, 2: throttled, 3: soft temperature limit;
    /// documentation of `vcgencmd get_throttled`). Elsewhere the kernel has a cooling device for the processor
    /// (`thermal-cpufreq-0`, on a Jetson `CPU-balanced`), which is then above its lowest state.
    pub fn slowed_down(&self) -> Option<bool> {
        const NOW: u32 = 0b1110;
        let bits = self.text("sys/devices/platform/soc/soc:firmware/get_throttled");
        if let Some(bits) = bits.and_then(|text| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()) {
            return Some(bits & NOW != 0);
        }
        let devices = self.directory("sys/class/thermal", "cooling_device");
        let slows_the_processor = |device: &&PathBuf| {
            self.text(device.join("type"))
                .is_some_and(|kind| kind.contains("cpufreq") || kind.starts_with("CPU-balanced"))
        };
        let states = devices.iter().filter(slows_the_processor);
        states
            .filter_map(|device| self.text(device.join("cur_state"))?.trim().parse::<u32>().ok())
            .max()
            .map(|state| state > 0)
    }

    fn directory(&self, path: &str, prefix: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.root.join(path)).into_iter().flatten().flatten();
        let mut entries: Vec<PathBuf> = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(|entry| entry.path())
            .take(MAX_ZONES)
            .collect();
        entries.sort();
        entries
    }

    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        files::read_text(&self.root.join(path), MAX_BYTES).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(files: &[(&str, &str)]) -> (tempfile::TempDir, Board) {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("writable");
            std::fs::write(path, text).expect("writable");
        }
        let board = Board::below(root.path());
        (root, board)
    }

    #[test]
    fn the_warmest_zone_counts_and_one_that_cannot_be_read_does_not() {
        let (_root, board) = board(&[
            ("sys/class/thermal/thermal_zone0/temp", "48312\n"),
            ("sys/class/thermal/thermal_zone1/temp", "61000\n"),
            ("sys/class/thermal/thermal_zone2/temp", "-256000\n"),
            ("sys/class/thermal/thermal_zone3/temp", "what\n"),
            ("sys/class/thermal/thermal_zone4/temp", "100000\n"),
            ("sys/class/thermal/thermal_zone4/type", "PMIC-Die\n"),
            ("sys/class/thermal/cooling_device0/temp", "99000\n"),
        ]);
        assert_eq!(board.temperature(), Some(61.0));
    }

    #[test]
    fn a_board_without_sensors_says_nothing_and_is_named_by_its_architecture() {
        let (_root, board) = board(&[]);
        assert_eq!((board.temperature(), board.under_voltage(), board.slowed_down()), (None, None, None));
        assert_eq!(board.model(), std::env::consts::ARCH);
    }

    #[test]
    fn a_raspberry_pi_says_its_name_and_when_its_supply_is_weak() {
        let (root, board) = board(&[
            ("sys/firmware/devicetree/base/model", "Raspberry Pi 4 Model B Rev 1.4\0"),
            ("sys/class/hwmon/hwmon0/name", "cpu_thermal\n"),
            ("sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
            ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n"),
        ]);
        assert_eq!(board.model(), "Raspberry Pi 4 Model B Rev 1.4");
        assert_eq!(board.under_voltage(), Some(false));
        std::fs::write(root.path().join("sys/class/hwmon/hwmon1/in0_lcrit_alarm"), "1\n").expect("writable");
        assert_eq!(board.under_voltage(), Some(true));
    }
    #[test]
    fn a_raspberry_pi_is_slowed_down_by_what_holds_now_and_not_by_what_has_been() {
        const BITS: &str = "sys/devices/platform/soc/soc:firmware/get_throttled";
        let (root, board) = board(&[(BITS, "50000\n")]);
        assert_eq!(board.slowed_down(), Some(false), "throttled once since it started");
        std::fs::write(root.path().join(BITS), "50008\n").expect("writable");
        assert_eq!(board.slowed_down(), Some(true), "at the soft limit of its temperature");
    }

    #[test]
    fn a_jetson_is_slowed_down_by_its_processors_cooling_and_not_by_its_fan() {
        let (root, board) = board(&[
            ("sys/class/thermal/cooling_device0/type", "pwm-fan\n"),
            ("sys/class/thermal/cooling_device0/cur_state", "4\n"),
            ("sys/class/thermal/cooling_device1/type", "CPU-balanced\n"),
            ("sys/class/thermal/cooling_device1/cur_state", "0\n"),
        ]);
        assert_eq!(board.slowed_down(), Some(false));
        std::fs::write(root.path().join("sys/class/thermal/cooling_device1/cur_state"), "2\n").expect("writable");
        assert_eq!(board.slowed_down(), Some(true));
    }
}

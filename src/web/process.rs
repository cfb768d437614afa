//! The process metrics that Prometheus clients conventionally export, from `/proc/self`.

use jiff::Timestamp;

use super::exposition::Exposition;
use glimpsed_base::files;

/// Limit for a file of procfs.
const MAX_BYTES: u64 = 64 << 10;

/// A sample of this process's metrics; values that the kernel does not report are left out.
#[derive(Debug, Default)]
pub struct Process {
    cpu_seconds: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
    virtual_bytes: Option<f64>,
    resident_bytes: Option<f64>,
    threads: Option<f64>,
    started: Option<Timestamp>,
}

impl Process {
    /// `started` is the start time of the process.
    pub fn look(started: Option<Timestamp>) -> Self {
        let stat = read("stat").unwrap_or_default();
        // The fields after the process's name, which may contain anything but ends with the last `)`. Numbered as in
        // proc(5).
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let limits = read("limits").unwrap_or_default();
        let max_fds = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        Self {
            cpu_seconds: field(14).zip(field(15)).map(|(user, system)| (user + system) / ticks),
            open_fds: std::fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as f64),
            max_fds: max_fds.and_then(|limits| limits.split_whitespace().next()?.parse().ok()),
            virtual_bytes: field(23),
            resident_bytes: field(24).map(|pages| pages * rustix::param::page_size() as f64),
            threads: field(20),
            started,
        }
    }

    pub fn write(&self, page: &mut Exposition) {
        if let Some(seconds) = self.cpu_seconds {
            let help = "Total user and system CPU time spent in seconds.";
            page.family("process_cpu_seconds_total", super::exposition::Kind::Counter, help).sample(&[], seconds);
        }
        page.gauge("process_open_fds", "Number of open file descriptors.", self.open_fds);
        page.gauge("process_max_fds", "Maximum number of open file descriptors.", self.max_fds);
        page.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", self.virtual_bytes);
        page.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", self.resident_bytes);
        page.gauge("process_threads", "Number of OS threads in the process.", self.threads);
        let help = "Start time of the process since unix epoch in seconds.";
        page.gauge("process_start_time_seconds", help, self.started.map(|at| at.as_millisecond() as f64 / 1000.0));
    }
}

fn read(name: &str) -> Option<String> {
    files::read_text(&std::path::Path::new("/proc/self").join(name), MAX_BYTES).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_itself() {
        let process = Process::look(None);
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 1e6 && bytes < 1e11), "{process:?}");
        assert!(process.threads.is_some_and(|threads| threads >= 1.0), "{process:?}");
        assert!(process.open_fds.is_some_and(|fds| fds >= 3.0) && process.max_fds.is_some(), "{process:?}");
        assert!(process.cpu_seconds.is_some(), "{process:?}");
    }
}

//! The words between a bench program and the Python that starts it: each line on standard input is a number of runs, and is
//! answered by the milliseconds of each. A line that is empty is answered by the peak of the resident memory in kB, any
//! other by what the program makes of it.

use std::io::BufRead as _;
use std::time::Instant;

#[allow(clippy::print_stdout, clippy::expect_used, reason = "a bench")]
pub(crate) fn serve<T>(subject: &mut T, mut run: impl FnMut(&mut T), mut answer: impl FnMut(&mut T, &str) -> String) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if line.is_empty() {
            let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
            println!("{}", peak.trim().trim_end_matches(" kB"));
            continue;
        }
        let Ok(count) = line.parse::<usize>() else {
            println!("{}", answer(subject, &line));
            continue;
        };
        let times = (0..count).map(|_| {
            let start = Instant::now();
            run(subject);
            format!("{:.4}", start.elapsed().as_secs_f64() * 1000.0)
        });
        println!("{}", times.collect::<Vec<_>>().join(" "));
    }
}

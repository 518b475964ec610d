//! What the operating system knows about this process: memory and page faults.

use std::fs::read_to_string;

/// Largest resident memory so far in MiB (`VmHWM`); `None` where there is no /proc.
pub(super) fn peak_rss_mib() -> Option<f64> {
    let status = read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Page faults so far that needed no disk (`minflt`, the tenth field of `/proc/self/stat`).
pub(super) fn minor_faults() -> Option<u64> {
    let stat = read_to_string("/proc/self/stat").ok()?;
    // The second field, the program's name in parentheses, may hold spaces.
    let rest = &stat[stat.rfind(')')? + 1..];
    rest.split_ascii_whitespace().nth(7)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_and_faults_grow_with_what_is_touched() {
        let (memory, faults) = (peak_rss_mib().unwrap(), minor_faults().unwrap());
        let touched = std::hint::black_box(vec![1_u8; 256 << 20]);
        assert!(peak_rss_mib().unwrap() >= memory.max(256.0));
        assert!(minor_faults().unwrap() > faults);
        drop(touched);
    }
}

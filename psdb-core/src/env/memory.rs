//! How much memory the process may use: the machine's, or what its control group allows.
//!
//! Left out: how much of it is in use, which changes all the time.

use std::fs;

/// Where a control group says what it allows, by version.
const LIMITS: [&str; 2] =
    ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// The bytes this process may use, as far as the system tells.
pub(super) fn limit_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let groups = LIMITS.iter().filter_map(|path| group_limit(&fs::read_to_string(path).ok()?));
    machine.into_iter().chain(groups).min()
}

/// The machine's memory in bytes, of the text of `/proc/meminfo`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The limit that a control group's file holds, unless it is none.
fn group_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    //! Proves that what systems write is read, and that anything else is no limit.

    use super::*;

    #[test]
    fn what_systems_say_is_read() {
        let meminfo = "MemTotal:        8131544 kB\nMemFree:          209152 kB\n";
        assert_eq!(total(meminfo), Some(8_131_544 * 1024));
        for other in
            ["", "MemTotal: many kB\n", "MemTotal: 5\n", "MemTotal: 18446744073709551615 kB"]
        {
            assert_eq!(total(other), None, "{other:?}");
        }
        assert_eq!(group_limit("536870912\n"), Some(512 << 20));
        for other in ["max\n", "", "0\n", "-1"] {
            assert_eq!(group_limit(other), None, "{other:?}");
        }
    }
}

//! What a page says of the machine its figures come from.

/// The machine, its load before the run (as given) and now.
pub fn machine(load_before: &str) -> Vec<(String, String)> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = read("/proc/meminfo");
    let memory = memory.lines().next().unwrap_or("").replace("MemTotal:", "");
    [
        ("processor", format!("{cores} cores, {}", model.trim_start_matches([' ', '\t', ':']))),
        ("memory", memory.trim().to_owned()),
        ("system", read("/proc/version").split(" (").next().unwrap_or("").to_owned()),
        ("load before and after", format!("{load_before} | {}", load())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// The load of the machine now.
pub fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.trim().to_owned()
}
